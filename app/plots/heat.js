// A heat map, a slice of it where there are several.
PLOTS.heat = (c, sheet) => {
  if (c.slices.length > 1) {
    const pick = make("select")
    for (const [i, name] of c.slices.entries()) pick.append(new Option(name, i))
    sheet.state.slice = Math.min(sheet.state.slice, c.slices.length - 1)
    pick.value = sheet.state.slice
    pick.setAttribute("aria-label", "Which part")
    pick.onchange = () => {
      sheet.state.slice = Number(pick.value)
      sheet.draw()
    }
    sheet.main.append(pick)
  }
  const values = c.values[c.slices.length > 1 ? sheet.state.slice : 0]
  const most = Math.max(1e-9, ...values.flat().map(Math.abs))
  grid(sheet, c.rows, c.columns, (i, j) => {
    const cell = make("i", "", values.length * values[0].length <= 220 ? value(values[i][j]) : "")
    cell.style.background = shade(values[i][j] / most, c.signed, sheet.dark)
    if (values[i][j] / most > 0.6) cell.classList.add("strong")
    cell.title = `${c.rows[i]} → ${c.columns[j]}: ${value(values[i][j])}`
    return cell
  })
  sheet.note(`Rows: ${c.axes[0]}; columns: ${c.axes[1]}. ${c.note}`)
}
