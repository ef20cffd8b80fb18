// Lists of genes: pasted or dropped on the left, kept ones on the right.
const LARGEST = 4e6 // bytes; the many sets of a GMT file

export function render({ model }) {
  const box = make("div", "gene-sets")
  box.innerHTML = `<section class="new" data-takes-files>
      <label>Genes<textarea rows="9" spellcheck="false" placeholder="CD3D, CD3E, IL7R … one a line or separated by commas"></textarea></label>
      <p class="drop">Or drop a text file or a GMT file here, or <button class="file">choose one</button><input type="file" hidden accept=".txt,.csv,.tsv,.gmt,text/plain"></p>
      <label class="called">Name<input maxlength="80" spellcheck="false" placeholder="Gene set"></label>
      <button class="add">Keep and colour the map</button></section>
    <section class="kept"><h4></h4><div class="list"></div></section><p class="told" role="status"></p>`
  const find = (s) => box.querySelector(s)
  const [text, name, input, area] = ["textarea", ".called input", "[type=file]", ".new"].map(find)
  const add = (genes, called) => model.send_msg({ do: "add", text: genes, name: called })
  find(".add").onclick = () => add(text.value, name.value.trim())
  find(".file").onclick = () => input.click()
  const take = async (file) => {
    if (!file) return
    if (file.size > LARGEST) return tell("error", `${file.name} is too large for a list of genes.`)
    add(await file.text(), file.name)
  }
  input.onchange = () => {
    take(input.files[0])
    input.value = ""
  }
  area.ondragover = (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return
    event.preventDefault()
    area.classList.add("over")
  }
  area.ondragleave = () => area.classList.remove("over")
  area.ondrop = (event) => {
    area.classList.remove("over")
    if (!event.dataTransfer.files.length) return // words go into the field
    event.preventDefault()
    take(event.dataTransfer.files[0])
  }

  const tell = (kind, words) => {
    find(".told").className = `told ${kind}`
    find(".told").textContent = words
  }
  const draw = () => {
    const { sets } = model
    find("h4").textContent = sets.length ? `${number(sets.length)} kept` : "None kept yet"
    find(".list").replaceChildren(
      ...sets.map((set) => {
        const row = make("div", "set")
        const show = make("button", "show")
        show.append(
          make("b", "", set.name),
          make("span", "", `${number(set.n)} genes: ${set.genes}`),
        )
        show.title = model.data ? "Colour the map by the mean of these genes" : "Kept for your data"
        show.onclick = () => model.send_msg({ do: "show", name: set.name })
        const gone = make("button", "gone", "×")
        gone.title = `Remove ${set.name}`
        gone.setAttribute("aria-label", gone.title)
        gone.onclick = () => model.send_msg({ do: "forget", name: set.name })
        row.append(show, gone)
        return row
      }),
    )
  }
  model.on("told", () => {
    tell(model.told.kind, model.told.text)
    if (model.told.kind !== "error") text.value = name.value = ""
  })
  for (const what of ["sets", "data"]) model.on(what, draw)
  draw()
  return box
}
