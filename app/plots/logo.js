// A sequence logo: letters stacked at each place, the highest on top; what counts against under the line.
// Bases in the colours that they have in the field; letters of proteins by what they are like.
const GREEN = "light-dark(#109648, #35b96c)"
const BLUE = "light-dark(#255c99, #6fa3dc)"
const RED = "light-dark(#d62839, #f06372)"
const LETTER_COLORS = { A: GREEN, C: BLUE, G: "#f7b32b", T: RED, U: RED }
const OF_PROTEINS = [
  ["AVLIMFWP", "light-dark(#3d4752, #c3ccd6)"],
  ["DE", RED],
  ["KRH", BLUE],
  ["STNQ", GREEN],
  ["GCY", "#b7791f"],
]
const colorOf = (letter, few) =>
  (few && LETTER_COLORS[letter]) ||
  OF_PROTEINS.find(([group]) => group.includes(letter))?.[1] ||
  "#6b7280"

PLOTS.logo = (c, sheet) => {
  const chosen = pickOne(sheet, c.slices, "Which one")
  const heights = c.heights[chosen]
  const sum = (row, sign) => row.filter((v) => v * sign > 0).reduce((a, v) => a + Math.abs(v), 0)
  const above = Math.max(1e-9, ...heights.map((row) => sum(row, 1)))
  const below = Math.max(0, ...heights.map((row) => sum(row, -1)))
  const wide = Math.max(14, Math.min(56, 720 / c.places.length))
  const unit = 200 / (above + below)
  const few = c.letters.length <= 5
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", `0 0 ${wide * c.places.length} 226`)
  svg.setAttribute("class", "logo")
  svg.style.maxWidth = `${wide * c.places.length}px`
  // Letters of a long sequence stay as wide as can be read; one moves along.
  svg.style.minWidth = `${Math.min(wide, 11) * c.places.length}px`
  const add = (name, facts, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name)
    for (const [key, fact] of Object.entries(facts)) node.setAttribute(key, String(fact))
    node.textContent = text
    svg.append(node)
    return node
  }
  const line = above * unit
  for (const [i, row] of heights.entries()) {
    for (const sign of [1, -1]) {
      const shown = [...row.entries()].filter(([, v]) => v * sign > 0)
      shown.sort((a, b) => Math.abs(a[1]) - Math.abs(b[1]))
      let at = line
      for (const [k, v] of shown) {
        const high = Math.abs(v) * unit
        if (high < 0.5) continue
        const foot = sign > 0 ? at : at + high
        // A capital is 0.72 of its size high and about 0.7 wide: drawn into the box of its height.
        const shape = `translate(${wide * (i + 0.5)} ${foot}) scale(${wide / ("MW".includes(c.letters[k]) ? 96 : 74)} ${high / 72})`
        const letter = add("text", { transform: shape }, c.letters[k])
        letter.style.fill = colorOf(c.letters[k], few)
        letter.append(document.createElementNS("http://www.w3.org/2000/svg", "title"))
        letter.lastChild.textContent = `${c.places[i]}, ${c.letters[k]}: ${value(v)} ${c.unit}`
        at += sign > 0 ? -high : high
      }
    }
    if (c.places.length <= 40 || (i + 1) % 10 === 0)
      add("text", { x: wide * (i + 0.5), y: 220, class: "place" }, c.places[i])
  }
  add("line", { x1: 0, x2: wide * c.places.length, y1: line, y2: line })
  const box = make("div", "along")
  box.append(svg)
  sheet.main.append(box)
  sheet.note(
    c.unit
      ? "A letter is as high as the information that it carries there, in bits."
      : "A letter is as high as its weight; what counts against stands under the line.",
  )
}
