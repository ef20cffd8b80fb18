// Cards to begin with.
const ICON = {
  upload: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  pipeline: "M3 5h6v5H3zM15 3h6v5h-6zM15 15h6v6h-6zM9 7h6M12 7v11h3",
}
export function render({ model }) {
  const root = document.createElement("div")
  const card = (icon, title, text, message) => {
    const b = document.createElement("button")
    b.type = "button"
    b.className = "start"
    b.innerHTML = `<span><svg viewBox="0 0 24 24"><path d="${ICON[icon]}"/></svg></span><b></b><i></i>`
    b.querySelector("b").textContent = title
    b.querySelector("i").textContent = text
    b.title = text
    if (message) b.addEventListener("click", () => model.send_msg(message))
    return b
  }
  let carried = false
  const draw = () => {
    // Also drawn anew while a block is carried: the answer to the drop before it comes then.
    const mode = model.mode === "welcome" ? "begin" : model.mode
    root.className = `welcome ${mode}${carried ? " aside" : ""}`
    root.replaceChildren()
    if (model.mode === "hidden") return
    if (model.mode === "hint") {
      root.innerHTML =
        "<p>Drag a block from the left onto the canvas, or press <kbd>Space</kbd> to search. Or begin with a <button type='button'>ready pipeline</button>.</p>"
      root
        .querySelector("p button")
        .addEventListener("click", () => model.send_msg({ do: "ready" }))
    }
    if (model.mode === "welcome") {
      root.innerHTML = `<h2>Train a pipeline on your data, and watch it learn</h2>`
      const first = document.createElement("div")
      first.className = "cards first"
      first.append(
        card(
          "upload",
          "Choose data",
          "Upload your own, pick a file of the server, or take a demo.",
          { do: "data" },
        ),
      )
      const words = document.createElement("p")
      words.textContent = "Or begin with a ready pipeline; each brings demo data to try it on:"
      root.append(first, words)
    }
    const cards = document.createElement("div")
    cards.className = "cards ready"
    for (const p of model.pipelines) {
      // Among short names there is no room for a reason: the list of ready pipelines has them all.
      if (p.lacking && model.mode === "hint") continue
      // In the dialog there is room for the whole title; what it says is also in the text.
      const title = model.mode === "pipelines" ? p.title : p.title.split(":")[0]
      const b = card("pipeline", title, p.text, { do: "preset", id: p.id })
      b.title = `${p.title}\n${p.text}`
      if (p.lacking) {
        b.classList.add("lacking")
        b.title += `\nThis data set lacks ${p.lacking}.`
      }
      const why = p.lacking ? `This data set lacks ${p.lacking}.` : p.without
      if (why && model.mode === "pipelines") {
        const line = document.createElement("em")
        line.textContent = why
        b.append(line)
      }
      cards.append(b)
    }
    root.append(cards)
  }
  for (const p of ["mode", "pipelines"]) model.on(p, draw)
  // While a block is carried, it can be dropped anywhere.
  const carry = (now) => {
    carried = now
    root.classList.toggle("aside", now)
  }
  const aside = () => carry(true),
    back = () => carry(false)
  document.addEventListener("diffbio:lifted", aside)
  document.addEventListener("diffbio:let-go", back)
  model.on("remove", () => {
    document.removeEventListener("diffbio:lifted", aside)
    document.removeEventListener("diffbio:let-go", back)
  })
  draw()
  return root
}
