// Over the map: words where there is none yet (what is being done, for how long, and why it takes),
// the tools of the hand, and what lies under the pointer.
const TOOLS = {
  move: [
    "M12 3v18M3 12h18M12 3 9 6M12 3l3 3M12 21l-3-3M12 21l3-3M3 12l3-3M3 12l3 3M21 12l-3-3M21 12l-3 3",
    "Move: drag the map, zoom by the wheel",
  ],
  box: [
    "M4 7V4h3M10.500 4h3M17 4h3v3M20 10.500v3M20 17v3h-3M13.500 20h-3M7 20H4v-3M4 13.500v-3",
    "Box: select what is inside",
  ],
  lasso: [
    "M7 15.500C4.500 14.500 3 12.800 3 10.500 3 6.900 7 4 12 4s9 2.900 9 6.500-4 6.500-9 6.500c-1.200 0-2.300-.2-3.300-.5M9 17.500a2 2 0 1 1-4 0 2 2 0 0 1 4 0zM7 19.500c0 1 .5 2 1.500 2",
    "Lasso: select what is inside",
  ],
}
const MORE =
  "Shift or Ctrl adds, Alt takes away, Esc clears. A double click on a cell selects all of its kind."
const PAUSE = 75 // milliseconds between two questions about what lies under the pointer

export function render({ model }) {
  const stage = make("div", "stage")
  stage.innerHTML = `<div class="words"><b></b><span></span> <i></i></div>
    <div class="tools" role="group" aria-label="Tools of the map"></div>
    <div class="badge"><span></span><button title="Turns the dials back to where the run had them; Undo turns them again"></button></div>
    <div class="told" hidden></div>`
  const find = (s) => stage.querySelector(s)
  const [tools, told] = [find(".tools"), find(".told")]

  let began = performance.now(),
    said = ""
  const tick = () => {
    const seconds = Math.floor((performance.now() - began) / 1000)
    const long = model.waits && seconds >= 2
    const more = find(".words i")
    more.hidden = !long
    more.textContent = long
      ? `${seconds} s${seconds >= 6 && model.why ? `. ${model.why}` : ""}`
      : ""
  }
  const clock = setInterval(tick, 1000)

  for (const [name, [path, words]] of Object.entries(TOOLS)) {
    const button = make("button", name)
    button.innerHTML = icon(path)
    button.title = name === "move" ? words : `${words}. ${MORE}`
    button.setAttribute("aria-label", words)
    button.onclick = () => model.send_msg({ do: "tool", tool: name })
    tools.append(button)
  }
  const keys = make("span", "", "Shift adds · Alt takes away")
  keys.title = MORE
  tools.append(keys)
  const held = () => {
    tools.hidden = !model.tools
    for (const name of Object.keys(TOOLS))
      find(`.tools .${name}`).setAttribute("aria-pressed", String(model.tool === name))
    keys.hidden = model.tool === "move"
  }

  // The cell under the pointer is looked for on the server, which has all of them.
  let asked = 0,
    asking = 0,
    near = false
  const point = (event) => {
    clearTimeout(asking)
    const room = stage.getBoundingClientRect()
    const [x, y] = [Math.round(event.clientX - room.x), Math.round(event.clientY - room.y)]
    const inside = x >= 0 && y >= 0 && x < room.width && y < room.height
    const plot = event.composedPath().some((e) => e.classList?.contains("bk-events"))
    if (!model.tools || event.buttons || !inside || !plot) {
      if (near) model.send_msg({ do: "leave" })
      near = false
      told.hidden = true
      return
    }
    near = true
    const wait = Math.max(0, PAUSE - (performance.now() - asked))
    asking = setTimeout(() => {
      asked = performance.now()
      model.send_msg({ do: "hover", x, y })
    }, wait)
  }
  const tell = () => {
    const { x, y, lines } = model.told
    told.hidden = !lines || !near
    if (told.hidden) return
    told.replaceChildren(
      ...lines.map(([name, value]) => {
        const line = make("div")
        line.append(make("span", "", name), make("b", "", value))
        return line
      }),
    )
    const room = stage.getBoundingClientRect()
    const [wide, high] = [told.offsetWidth, told.offsetHeight]
    const left = x + wide + 24 > room.width ? Math.max(0, x - wide - 12) : x + 14
    const top = y + high + 24 > room.height ? Math.max(0, y - high - 12) : y + 14
    told.style.translate = `${left}px ${top}px`
  }

  const draw = () => {
    find(".words b").textContent = model.title
    find(".words span").textContent = model.sentence
    find(".words").hidden = !model.title
    find(".badge span").textContent = model.badge
    find(".badge").hidden = !model.badge
    const back = find(".badge button")
    back.textContent = model.back
    back.hidden = !model.back
    if (said !== model.sentence) {
      said = model.sentence
      began = performance.now()
    }
    tick()
    held()
  }
  find(".badge button").onclick = () => model.send_msg({ do: "back" })
  document.addEventListener("pointermove", point, { passive: true })
  model.on("remove", () => {
    clearInterval(clock)
    clearTimeout(asking)
    document.removeEventListener("pointermove", point)
  })
  model.on("told", tell)
  for (const name of ["title", "sentence", "badge", "why", "waits", "back", "tools", "tool"])
    model.on(name, draw)
  draw()
  return stage
}
