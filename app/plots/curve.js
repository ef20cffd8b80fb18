// Numbers along positions as a line, of one of several records.
PLOTS.curve = (c, sheet) => {
  const chosen = pickOne(sheet, c.lines, "Which one")
  const line = c.values[chosen]
  const [low, high] = [Math.min(0, ...line), Math.max(1e-9, ...line)]
  const [wide, tall] = [720, 220]
  const x = (i) => (line.length > 1 ? (wide * i) / (line.length - 1) : wide / 2)
  const y = (v) => tall - (tall * (v - low)) / (high - low || 1)
  const box = make("div", "curve")
  const points = line.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(" ")
  box.innerHTML = `<svg viewBox="-4 -6 ${wide + 8} ${tall + 12}" role="img"><line x1="0" x2="${wide}"></line><polyline></polyline></svg>`
  const zero = box.querySelector("line")
  zero.setAttribute("y1", y(0))
  zero.setAttribute("y2", y(0))
  box.querySelector("polyline").setAttribute("points", points)
  const said = make("p", "note", "")
  const svg = box.querySelector("svg")
  svg.onmousemove = (event) => {
    const at = svg.getBoundingClientRect()
    const i = Math.round(((event.clientX - at.left) / at.width) * (line.length - 1))
    const k = Math.max(0, Math.min(line.length - 1, i))
    said.textContent = `${c.names[k]}: ${value(line[k])}`
  }
  const ends = make("div", "ends")
  ends.append(make("span", "", c.names[0]), make("span", "", c.names[c.names.length - 1]))
  sheet.main.append(box, ends, said)
  sheet.note(`From ${value(low)} to ${value(high)} along ${c.axis}. ${c.note}`)
}
