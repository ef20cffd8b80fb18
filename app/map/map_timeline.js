// Below the map: how many cells, which step, and the way back through the kept steps.

export function render({ model }) {
  const line = document.createElement("div")
  line.className = "timeline"
  line.innerHTML = `<span class="cells"></span><span class="space"></span>
    <input type="range" min="0" step="1" aria-label="Step of the map">
    <span class="step"></span><button class="live" title="Follow the newest step"><i></i>Live</button>`
  const find = (s) => line.querySelector(s)
  const range = find("input")
  let held = false

  const draw = () => {
    find(".cells").textContent = model.cells
    const steps = model.steps
    line.classList.toggle("scrubs", steps.length > 1)
    range.max = Math.max(steps.length - 1, 0)
    if (!held) {
      const at = model.live ? steps.length - 1 : steps.indexOf(model.step)
      range.value = at < 0 ? steps.length - 1 : at
    }
    find(".step").textContent = model.step < 0 ? "" : `step ${number(model.step)}`
    find(".live").classList.toggle("on", model.live)
  }
  range.oninput = () => {
    held = true
    const step = model.steps[+range.value]
    find(".step").textContent = `step ${number(step)}`
    model.send_msg({ do: "scrub", step })
  }
  range.onchange = () => {
    held = false
  }
  find(".live").onclick = () => model.send_msg({ do: "live" })
  for (const name of ["cells", "steps", "step", "live"]) model.on(name, draw)
  draw()
  return line
}
