// Beside the map: the categories with their counts, or the colour bar; below, who is selected.

export function render({ model }) {
  const box = document.createElement("div")
  box.className = "legend"

  const draw = () => {
    box.replaceChildren()
    box.hidden = !model.title
    const head = document.createElement("h4")
    head.textContent = model.title
    head.title = model.title
    box.append(head)
    if (model.ramp.length) {
      const scale = document.createElement("div")
      scale.className = "scale"
      scale.innerHTML = `<i></i><span><b></b><b></b></span>`
      scale.querySelector("i").style.background = `linear-gradient(to top, ${model.ramp.join(",")})`
      const [high, low] = scale.querySelectorAll("b")
      high.textContent = model.high
      low.textContent = model.low
      box.append(scale)
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
    if (model.items.length) box.append(list)
    if (model.card.of) box.prepend(card(model.card)) // above a long legend, where it is seen
  }

  const card = (about) => {
    const part = document.createElement("div")
    part.className = "card"
    const share = Math.round((1000 * about.n) / about.of) / 10
    part.innerHTML = `<header><b></b><button title="Clear the selection (Esc)">Clear</button></header><p></p>`
    part.querySelector("b").textContent = `${number(about.n)} ${model.rows} selected`
    const facts = [`${share} % of all`]
    if (about.certainty !== undefined) facts.push(`mean certainty ${about.certainty.toFixed(2)}`)
    if (about.mean !== undefined) facts.push(`mean ${about.mean_of} ${about.mean.toPrecision(3)}`)
    part.querySelector("p").textContent = facts.join(" · ")
    part.querySelector("button").onclick = () => model.send_msg({ do: "clear" })
    for (const [block, , called] of about.picks ?? []) {
      const pick = document.createElement("button")
      pick.className = "pick"
      pick.textContent = `Use as ${called}`
      pick.title = `The ${model.rows.slice(0, -1)} in the middle of the selection becomes the ${called} of ${block}`
      pick.onclick = () => model.send_msg({ do: "pick", block })
      part.append(pick)
    }
    for (const row of about.rows) {
      const line = document.createElement("div")
      line.className = "part"
      line.innerHTML = `<span></span><b></b><i></i>`
      line.title = `${number(row.n)} ${model.rows}: ${Math.round(100 * row.covered)} % of all ${row.name}`
      line.querySelector("span").textContent = row.name
      line.querySelector("b").textContent = `${Math.round(100 * row.share)} %`
      const meter = line.querySelector("i")
      meter.style.setProperty("--share", row.share)
      meter.style.setProperty("--color", row.color)
      part.append(line)
    }
    return part
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
  for (const name of ["title", "items", "ramp", "low", "high", "card", "rows"]) model.on(name, draw)
  draw()
  return box
}
