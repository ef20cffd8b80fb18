// Shares as bars, one for each group.
PLOTS.bars = (c, sheet) => {
  const box = make("div", "bars")
  c.groups.forEach((group, g) => {
    box.append(make("span", "name", group))
    const bar = make("div", "bar")
    c.classes.forEach((name, k) => {
      const part = make("i")
      part.style.flexGrow = c.values[g][k]
      part.style.background = sheet.colors[k]
      part.title = `${group}: ${name} ${(100 * c.values[g][k]).toFixed(1)} %`
      bar.append(part)
    })
    box.append(bar)
  })
  const said = c.classes.map((name, k) => `${name} ${(100 * c.values[0][k]).toFixed(1)} %`)
  sheet.main.append(box, legend(said, sheet.colors))
  sheet.note(c.note)
}
