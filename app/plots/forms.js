// The forms in which sheets are drawn, by name; each script here adds its own. `sheet` is where it
// draws (`main`), what the person did to it (`state`), and what it may ask for.
/** @type {Record<string, (c: any, sheet: any) => void>} */
const PLOTS = {}

// What each colour stands for.
const legend = (names, colors) => {
  const box = make("div", "legend")
  for (const [k, name] of names.entries()) {
    const item = make("span", "", name)
    const dot = make("i")
    dot.style.background = colors[k]
    item.prepend(dot)
    box.append(item)
  }
  return box
}

// Which of several slices is drawn; a choice where there is more than one.
const pickOne = (sheet, names, label) => {
  if (names.length < 2) return 0
  const pick = make("select")
  for (const [i, name] of names.entries()) pick.append(new Option(name, String(i)))
  sheet.state.slice = Math.min(sheet.state.slice, names.length - 1)
  pick.value = sheet.state.slice
  pick.setAttribute("aria-label", label)
  pick.onchange = () => {
    sheet.state.slice = Number(pick.value)
    sheet.draw()
  }
  sheet.main.append(pick)
  return sheet.state.slice
}

// Cells of a table in rows and columns, which the two forms of matrices fill.
const grid = (sheet, rows, columns, cell, kind = "") => {
  const box = make("div", `scroll grid ${kind}`)
  const inner = make("div", "cells")
  inner.style.gridTemplateColumns = `max-content repeat(${columns.length}, minmax(26px, 1fr))`
  // As high as the longest name of a column needs, written upwards.
  const longest = Math.max(...columns.map((name) => name.length))
  inner.style.setProperty("--names", `${Math.min(118, 16 + 7 * longest)}px`)
  inner.append(make("span"))
  for (const name of columns) {
    const s = make("span", "column", "")
    s.append(make("b", "", name))
    s.title = name
    inner.append(s)
  }
  rows.forEach((name, i) => {
    const label = make("span", "name", name)
    label.title = name
    inner.append(label)
    for (const j of columns.keys()) inner.append(cell(i, j))
  })
  box.append(inner)
  sheet.main.append(box)
}
