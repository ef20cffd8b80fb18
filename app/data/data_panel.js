// Three ways to bring data, and what a person has brought.
export function render({ model }) {
  const box = make("div", "data")
  box.innerHTML = `<div class="ways">
      <label class="drop" tabindex="0" data-takes-files><input type="file" multiple hidden>${icon(ICON.up)}
        <b>Drop files or a folder here</b><span class="takes"></span></label>
      <div class="uploads"></div>
      <div class="mine"><h4>Your data sets</h4><div class="recent"></div>
        <p class="room"><span></span> <button></button></p></div>
      <h4>One-click demo</h4><div class="demos"></div>
      <div class="server"><h4>On the server <span class="where"></span></h4><div class="listing"></div></div>
    </div><div class="look"></div>`
  const find = (s) => box.querySelector(s)
  find(".takes").textContent = model.takes
  const send = uploader(model, find(".uploads"))
  const take = (files, row = 0) => {
    model.send_msg({ do: "brought" })
    return send(files, row)
  }

  const drop = find(".drop")
  drop.ondragover = (event) => {
    if (hasFiles(event)) {
      event.preventDefault()
      drop.classList.add("over")
    }
  }
  drop.ondragleave = () => drop.classList.remove("over")
  drop.ondrop = async (event) => {
    drop.classList.remove("over")
    if (!hasFiles(event)) return
    event.preventDefault()
    const { found, problems } = await dropped(event.dataTransfer)
    for (const text of problems) model.send_msg({ do: "refused", text })
    take(found)
  }
  drop.onkeydown = (event) => {
    if (event.key === "Enter" || event.key === " ") drop.querySelector("input").click()
  }
  drop.querySelector("input").onchange = (event) => {
    take(
      [...event.target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })),
    )
    event.target.value = ""
  }
  // Files that were dropped elsewhere on the page wait here.
  const waiting = () => {
    const files = window.diffbioDropped
    window.diffbioDropped = null
    if (files) take(files)
  }
  const listen = () => waiting()
  window.addEventListener("diffbio-dropped", listen)
  model.on("remove", () => window.removeEventListener("diffbio-dropped", listen))
  waiting()

  const row = (picture, name, more, act) => {
    const item = make("button", "row")
    item.innerHTML = `${icon(picture)}<b></b><span></span>`
    // Long names differ in their ends as often as in their beginnings: the midst gives way.
    const tail = name.length > 30 ? 14 : 0
    item
      .querySelector("b")
      .append(
        make("span", "head", name.slice(0, name.length - tail)),
        make("span", "tail", tail ? name.slice(-tail) : ""),
      )
    item.querySelector(":scope > span").textContent = more
    item.title = name
    item.onclick = act
    return item
  }
  // What cannot be undone is asked twice.
  const surely = (button, message) => {
    if (button.dataset.sure) return model.send_msg(message)
    const before = button.textContent
    button.dataset.sure = "1"
    button.textContent = "Really?"
    setTimeout(() => {
      delete button.dataset.sure
      button.textContent = before
    }, 3000)
  }
  const addTo = (what) => {
    const plus = make("button", "plus", "+")
    plus.title = "Takes it as one of several samples that are joined."
    plus.setAttribute("aria-label", `Take ${what.name || what.path} as a sample`)
    plus.onclick = () => model.send_msg({ do: "sample_add", ...what })
    return plus
  }
  const tell = (text) => () => model.send_msg({ do: "refused", text })
  const lists = () => {
    find(".demos").replaceChildren(
      ...model.demos.map((d) => {
        const item = row(ICON.demo, d.title, d.sentence, () =>
          model.send_msg({ do: "demo", id: d.id }),
        )
        item.title = d.sentence
        return item
      }),
    )
    find(".mine").hidden = !model.recent.length && !model.used.trash
    find(".recent").replaceChildren(
      ...model.recent.map((d) => {
        const line = make("div", "own")
        const item = d.damaged
          ? row(
              ICON.file,
              d.name,
              "damaged",
              tell("It cannot be read any more: delete it, and bring the file again."),
            )
          : d.unfinished
            ? row(
                ICON.file,
                d.name,
                `unfinished, ${size(d.size)} arrived`,
                tell(
                  "Its upload was broken off: drop the same file again, and it goes on where it was.",
                ),
              )
            : row(
                ICON.file,
                d.name,
                d.wrong
                  ? "cannot be read"
                  : `${size(d.size)}${d.again ? " again" : ""} · ${day(d.added)}`,
                () => model.send_msg({ do: "look", id: d.id }),
              )
        if (d.wrong) item.title = `${d.name}: ${d.wrong} Delete it, or mend it and bring it again.`
        else if (d.again)
          item.title = `${d.name}: a file of this name and size was brought before. Delete one of them.`
        item.classList.toggle("on", d.id === model.preview.id)
        const bin = make("button", "bin", d.ours ? "Delete" : "Remove")
        bin.title = d.unfinished
          ? "Deletes what has arrived. To carry the upload on, drop the same file again."
          : d.ours
            ? "Deletes the file for good. Runs that used it keep their maps and results."
            : "Takes it off your list; the file on the server stays."
        bin.onclick = () => surely(bin, { do: "delete", id: d.id })
        const plus = addTo({ id: d.id, name: d.name })
        plus.hidden = d.damaged || d.unfinished
        line.append(item, plus, bin)
        return line
      }),
    )
    const room = find(".room"),
      empty = room.querySelector("button")
    room.querySelector("span").textContent = model.used.words || ""
    empty.hidden = !model.used.trash
    empty.textContent = `Empty the trash (${model.used.trash})`
    empty.onclick = () => surely(empty, { do: "empty" })
    find(".where").textContent = model.folder
    find(".server").hidden = !model.listing.length
    find(".listing").replaceChildren(
      ...model.listing.map((f) => {
        const line = make("div", "line")
        const item = row(
          f.folder ? ICON.folder : ICON.file,
          f.name,
          f.folder ? "" : size(f.size),
          () => model.send_msg({ do: f.folder && !f.tenx ? "enter" : "server", path: f.path }),
        )
        const plus = addTo({ path: f.path })
        plus.hidden = f.name === ".."
        line.append(item, plus)
        return line
      }),
    )
  }

  const pane = find(".look")
  const alone = preview(model, pane)
  const table = samplesTable(model, pane, take)
  const look = () => {
    const n = model.samples.rows?.length ?? 0
    const several = n > 0 && !model.preview.id && !model.busy
    box.classList.toggle("wide", several)
    pane.classList.toggle("busy", !!model.busy)
    if (several) return table()
    alone()
    if (!n || model.busy) return
    const back = make("button", "back", `← Back to the ${n === 1 ? "sample" : `${n} samples`}`)
    back.onclick = () => model.send_msg({ do: "samples_show" })
    pane.prepend(back)
  }
  for (const name of ["demos", "recent", "used", "listing", "folder", "preview"])
    model.on(name, lists)
  for (const name of ["preview", "samples", "applying", "beside", "problem", "busy"])
    model.on(name, look)
  lists()
  look()
  return box
}
