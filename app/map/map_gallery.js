// All maps side by side: one picture, what colours each of its rows, and the way to take it home.
export function render({ model }) {
  const box = document.createElement("div")
  box.className = "gallery"
  box.innerHTML = `<header><label>Rows coloured by <select aria-label="First row of maps"></select></label>
    <label>and <select aria-label="Second row of maps"></select></label><span></span>
    <button data-do="png">PNG</button><button data-do="svg">SVG</button></header><p></p><img alt="All maps side by side">`
  const selects = [...box.querySelectorAll("select")]
  const image = box.querySelector("img"),
    words = box.querySelector("p")
  const draw = () => {
    selects.forEach((select, row) => {
      fill_options(select, model.colours, ...(row ? [new Option("nothing else", "none")] : []))
      const key = model.rows[row] ?? "none"
      select.value = key
      // What the pipeline names first has no key of its own until it is chosen.
      if (select.selectedIndex < 0) select.selectedIndex = 0
    })
    words.textContent = model.words
    words.hidden = !model.words
    image.hidden = !model.picture
    if (model.picture && image.src !== model.picture) image.src = model.picture
    for (const button of box.querySelectorAll("button")) button.disabled = !model.picture
  }
  selects.forEach((select, row) => {
    select.onchange = () => model.send_msg({ do: "colour", row, key: select.value })
  })
  for (const button of box.querySelectorAll("button"))
    button.onclick = () => model.send_msg({ do: button.dataset.do })
  for (const name of ["picture", "words", "colours", "rows"]) model.on(name, draw)
  draw()
  return box
}
