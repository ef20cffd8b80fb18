// Words where there is no map yet: what is being done, for how long, and why it takes.
export function render({ model }) {
  let began = performance.now(),
    said = ""
  const tick = () => {
    const seconds = Math.floor((performance.now() - began) / 1000)
    const long = model.waits && seconds >= 2
    const more = stage.querySelector("i")
    more.hidden = !long
    more.textContent = long
      ? `${seconds} s${seconds >= 6 && model.why ? `. ${model.why}` : ""}`
      : ""
  }
  const clock = setInterval(tick, 1000)
  model.on("remove", () => clearInterval(clock))
  const stage = document.createElement("div")
  stage.className = "stage"
  const draw = () => {
    stage.innerHTML = `<div class="words"><b></b><span></span> <i></i></div><div class="badge"><span></span><button></button></div>`
    stage.querySelector("b").textContent = model.title
    stage.querySelector("span").textContent = model.sentence
    stage.querySelector(".words").hidden = !model.title
    stage.querySelector(".badge span").textContent = model.badge
    const back = stage.querySelector(".badge button")
    back.textContent = model.back
    back.hidden = !model.back
    back.title = "Turns the dials back to where the run had them; Undo turns them again"
    back.onclick = () => model.send_msg({ do: "back" })
    stage.querySelector(".badge").hidden = !model.badge
    if (said !== model.sentence) {
      said = model.sentence
      began = performance.now()
    }
    tick()
  }
  for (const name of ["title", "sentence", "badge", "why", "waits", "back"]) model.on(name, draw)
  draw()
  return stage
}
