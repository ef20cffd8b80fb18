// A heat map, a slice of it where there are several.
PLOTS.heat = (c, sheet) => {
  const chosen = pickOne(sheet, c.slices, "Which part")
  const values = c.values[chosen]
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
