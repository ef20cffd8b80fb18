// A strip for each record: at every position the shares of the states, one on the other.
PLOTS.strips = (c, sheet) => {
  const box = make("div", "strips")
  for (const [r, name] of c.names.entries()) {
    const row = c.values[r]
    const canvas = document.createElement("canvas")
    canvas.width = row.length
    canvas.height = 20
    const pen = canvas.getContext("2d")
    for (const [i, shares] of row.entries()) {
      let top = 0
      for (const [k, share] of shares.entries()) {
        pen.fillStyle = sheet.colors[k]
        pen.fillRect(i, 20 * top, 1, 20 * share)
        top += share
      }
    }
    canvas.onmousemove = (event) => {
      const at = canvas.getBoundingClientRect()
      const i = Math.min(
        row.length - 1,
        Math.floor(((event.clientX - at.left) / at.width) * row.length),
      )
      const said = c.classes.map((state, k) => `${state} ${(100 * row[i][k]).toFixed(0)} %`)
      canvas.title = `${name}, ${c.axis.replace(/s$/, "")} ${i + 1}: ${said.join(", ")}`
    }
    const label = make("span", "name", name)
    label.title = name
    box.append(label, canvas)
  }
  sheet.main.append(box, legend(c.classes, sheet.colors))
  sheet.note(`From left to right: ${c.axis}. ${c.note}`)
}
