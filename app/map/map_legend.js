// Beside the map: the categories with their counts, or the colour bar; below, who is selected.

export function render({ model }) {
  const box = document.createElement("div")
  box.className = "legend"

  const draw = () => {
    box.replaceChildren()
    box.hidden = !model.title
    const below = make("div", "below")
    box.append(below)
    const head = document.createElement("h4")
    head.textContent = model.title
    head.title = model.title
    below.append(head)
    if (model.ramp.length) {
      const scale = document.createElement("div")
      scale.className = "scale"
      scale.innerHTML = `<i></i><span><b></b><b></b></span>`
      scale.querySelector("i").style.background = `linear-gradient(to top, ${model.ramp.join(",")})`
      const [high, low] = scale.querySelectorAll("b")
      high.textContent = model.high
      low.textContent = model.low
      below.append(scale)
      if (model.ends) below.append(clip_slider())
    }
    if (model.note) {
      const note = make("p", "note", model.note)
      note.title = model.note
      below.append(note)
    }
    const list = document.createElement("div")
    list.className = "items"
    for (const item of model.items) {
      const row = document.createElement("button")
      row.className = "entry"
      row.classList.toggle("off", !item.on)
      row.title = `${item.name}: ${number(item.n)} ${model.rows}\nClick: show only this. Ctrl-click: show or hide.`
      row.innerHTML = `<i></i><span></span><b></b>`
      row.querySelector("i").style.background = item.color
      row.querySelector("span").textContent = item.name
      row.querySelector("b").textContent = number(item.n)
      row.onclick = (event) =>
        model.send_msg({
          do: event.ctrlKey || event.metaKey ? "toggle" : "isolate",
          index: item.index,
        })
      list.append(row)
    }
    if (model.items.length) below.append(list)
    if (model.card.of)
      box.prepend(
        selection_card(model.card, {
          rows: model.rows,
          columns: model.columns,
          by: model.counted_by,
          send: (message) => model.send_msg(message),
        }),
      )
  }

  // How much of either end is cut off: told at each move of the hand, drawn as soon as it can be.
  let waiting = 0
  const clip_slider = () => {
    const label = make("label", "clip")
    label.title =
      "Cells beyond the ends have the colours of the ends: a few extreme ones dim no other"
    label.innerHTML = `<span>Clip</span><input type="range" min="0" max="20" step="0.5" aria-label="Percent of cells beyond either end of the colour bar"><b></b><i></i>`
    const slide = label.querySelector("input")
    slide.value = model.clip
    label.querySelector("b").textContent = `${model.clip} %`
    label.querySelector("i").textContent = model.ends
    slide.oninput = () => {
      label.querySelector("b").textContent = `${slide.value} %`
      clearTimeout(waiting)
      waiting = setTimeout(() => model.send_msg({ do: "clip", percent: +slide.value }), 60)
    }
    return label
  }

  const leave = (event) => {
    const text = event.composedPath()[0]
    if (
      event.key !== "Escape" ||
      !model.card.n ||
      ["INPUT", "SELECT", "TEXTAREA"].includes(text.tagName)
    )
      return
    model.send_msg({ do: "clear" })
  }
  document.addEventListener("keydown", leave)
  model.on("remove", () => document.removeEventListener("keydown", leave))
  for (const name of [
    "title",
    "items",
    "ramp",
    "low",
    "high",
    "card",
    "rows",
    "counted_by",
    "ends",
    "clip",
    "note",
  ])
    model.on(name, draw)
  model.on("columns", () => {
    if (model.card.of) draw()
  })
  draw()
  return box
}
