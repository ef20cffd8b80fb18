// A table to sort and search.
const MOST_ROWS = 300

PLOTS.table = (c, sheet) => {
  const tools = make("div", "tools")
  const search = make("input")
  search.placeholder = "Search"
  search.setAttribute("aria-label", "Search the table")
  search.value = sheet.state.text
  const count = make("span")
  tools.append(search, count)
  const box = make("div", "scroll")
  const t = make("table"),
    thead = make("thead"),
    body = make("tbody")
  t.append(thead, body)
  box.append(t)
  sheet.main.append(tools, box)
  const falls = (i) => c.columns[i].number && c.columns[i].ranks !== "small"
  if (sheet.state.sort === null) {
    sheet.state.sort = c.order[0]
    sheet.state.down = falls(sheet.state.sort)
  }
  // One row before the other by a column; what is missing is last either way.
  const before = (a, b, i, down) => {
    if (a[i] === null || b[i] === null) return Number(a[i] === null) - Number(b[i] === null)
    if (!c.columns[i].number)
      return (down ? -1 : 1) * String(a[i]).localeCompare(String(b[i]), "en", { numeric: true })
    // The strongest first, whichever its sign.
    const size = c.columns[i].ranks === "far" ? Math.abs : (v) => v
    return (down ? -1 : 1) * (size(a[i]) - size(b[i]))
  }
  const shown = (v, i) =>
    !c.columns[i].number ? v : v === 0 && c.columns[i].ranks === "small" ? "< 1.2e-38" : value(v)
  const lines = () => {
    const text = sheet.state.text.trim().toLowerCase()
    const found = text
      ? c.rows.filter((r) =>
          r.some((v, i) => !c.columns[i].number && String(v).toLowerCase().includes(text)),
        )
      : [...c.rows]
    const k = Math.min(sheet.state.sort, c.columns.length - 1)
    const then = c.order.filter((i) => i !== k)
    found.sort((a, b) => {
      let sign = before(a, b, k, sheet.state.down)
      for (const i of then) sign ||= before(a, b, i, falls(i))
      return sign
    })
    // What is chosen elsewhere (a point of a plot) is seen, however far down it stands.
    const chosen = found.findIndex((r) => sheet.state.chosen && r[0] === sheet.state.chosen)
    if (chosen >= MOST_ROWS) found.unshift(...found.splice(chosen, 1))
    sheet.found = found
    count.textContent =
      found.length > MOST_ROWS
        ? `${MOST_ROWS} of ${found.length.toLocaleString("en")} rows shown; search, sort or save to see others`
        : `${found.length.toLocaleString("en")} row${found.length === 1 ? "" : "s"}`
    thead.replaceChildren()
    const heads = make("tr")
    c.columns.forEach((column, i) => {
      const th = make("th", column.number ? "number" : "")
      const b = make("button", "", column.title + (i === k ? (sheet.state.down ? " ▾" : " ▴") : ""))
      b.onclick = () => {
        sheet.state.down = i === k ? !sheet.state.down : falls(i)
        sheet.state.sort = i
        lines()
      }
      th.setAttribute(
        "aria-sort",
        i === k ? (sheet.state.down ? "descending" : "ascending") : "none",
      )
      th.append(b)
      heads.append(th)
    })
    thead.append(heads)
    body.replaceChildren(
      ...found.slice(0, MOST_ROWS).map((row) => {
        const tr = make("tr", sheet.state.chosen && row[0] === sheet.state.chosen ? "chosen" : "")
        row.forEach((v, i) => {
          const td = make("td", c.columns[i].number ? "number" : "")
          if (c.columns[i].title === "gene") {
            const gene = make("button", "gene", v)
            gene.title = sheet.geneTitle?.(v) ?? `Colour the map by ${v}`
            gene.onclick = () => sheet.gene(v)
            td.append(gene)
          } else td.textContent = shown(v, i)
          tr.append(td)
        })
        return tr
      }),
    )
  }
  search.oninput = () => {
    sheet.state.text = search.value
    lines()
    sheet.searched?.()
  }
  search.onkeydown = (event) => event.stopPropagation()
  lines()
  sheet.lines = lines
  sheet.note(c.note)
  if (c.doc?.includes("\n")) {
    const details = make("details")
    details.append(make("summary", "", "What the columns mean"))
    for (const line of c.doc.split("\n")) details.append(make("p", "", line))
    sheet.main.append(details)
  }
}
