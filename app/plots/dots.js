// Who acts on whom by which pair.
PLOTS.dots = (c, sheet) => {
  const pairs = []
  for (const [i, a] of c.from.entries())
    for (const [j, b] of c.to.entries())
      pairs.push([i, j, `${a} → ${b}`, Math.max(...c.strength[i][j])])
  pairs.sort((a, b) => b[3] - a[3])
  const kept = pairs.filter((p) => p[3] > 0).slice(0, 40)
  const most = Math.max(1e-9, ...c.strength.flat(2))
  grid(
    sheet,
    kept.map((p) => p[2]),
    c.pairs,
    (r, k) => {
      const [i, j] = kept[r],
        strength = c.strength[i][j][k],
        p = c.sure ? c.sure[i][j][k] : null
      const cell = make("i"),
        dot = make("em")
      dot.style.setProperty(
        "--size",
        `${Math.round(18 * Math.sqrt(Math.max(0, strength) / most))}px`,
      )
      dot.style.background =
        p === null
          ? "var(--db-accent)"
          : shade(p < 0.001 ? 1 : p < 0.01 ? 0.75 : p < 0.05 ? 0.5 : 0.12, false, sheet.dark)
      cell.title = `${kept[r][2]} by ${c.pairs[k]}: ${value(strength)}${p === null ? "" : `, p = ${value(p)}`}`
      cell.append(dot)
      return cell
    },
    "dots",
  )
  sheet.note(
    `Size: strength. ${c.sure ? "Colour: dark p < 0.001, then 0.01 and 0.05; pale is not significant. " : ""}${c.note}`,
  )
  if (kept.length < pairs.length)
    sheet.note(`The ${kept.length} strongest of ${pairs.length} directions are shown.`)
}
