// Above the curves: each term with its present value (click hides it), and the axes.
export function render({ model }) {
  const bar = document.createElement("div")
  bar.className = "bar"
  bar.innerHTML = `<b class="name">Loss</b><span class="axis"><button data-scale="each" title="Each term in its own lane">Each</button><button data-scale="log" title="All on one logarithmic axis; what is not above zero is not drawn">Log</button><button data-scale="linear" title="All on one axis">Linear</button></span><div class="chips"></div>`
  const draw = () => {
    bar.querySelector(".chips").replaceChildren(
      ...model.terms.map((term) => {
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
      }),
    )
    for (const b of bar.querySelectorAll(".axis button")) {
      b.classList.toggle("on", b.dataset.scale === model.scale)
      b.onclick = () => model.send_msg({ do: "scale", scale: b.dataset.scale })
    }
  }
  // As many lines as the names need; the curves have the rest.
  let told = 1
  const lines = new ResizeObserver(() => {
    const n = Math.max(1, Math.round(bar.querySelector(".chips").offsetHeight / 28))
    if (n !== told) model.send_msg({ do: "lines", n })
    told = n
  })
  lines.observe(bar.querySelector(".chips"))
  model.on("remove", () => lines.disconnect())
  for (const name of ["terms", "scale"]) model.on(name, draw)
  draw()
  return bar
}
