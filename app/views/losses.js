// Above the curves: each term with its present value (click hides it), and the kind of axis.
export function render({ model }) {
  const bar = document.createElement("div")
  bar.className = "bar"
  bar.innerHTML = `<b class="name">Loss</b><div class="chips"></div>
    <span class="axis"><button data-log="1">Log</button><button data-log="">Linear</button></span>`
  const draw = () => {
    bar.querySelector(".chips").replaceChildren(...model.terms.map((term) => {
      const chip = document.createElement("button")
      chip.className = "chip"
      chip.classList.toggle("off", !term.on)
      chip.title = `${term.name}: click to ${term.on ? "hide" : "show"}`
      chip.innerHTML = `<i></i><span></span><b></b>`
      chip.style.setProperty("--color", term.color)
      chip.querySelector("span").textContent = term.title
      chip.querySelector("b").textContent = term.value
      chip.onclick = () => model.send_msg({ do: "toggle", name: term.name })
      return chip
    }))
    for (const b of bar.querySelectorAll(".axis button")) {
      b.classList.toggle("on", !!b.dataset.log === model.log)
      b.onclick = () => model.send_msg({ do: "axis", log: !!b.dataset.log })
    }
  }
  for (const name of ["terms", "log"]) model.on(name, draw)
  draw()
  return bar
}
