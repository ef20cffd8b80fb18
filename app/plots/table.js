// A table to sort and search: all rows are sorted and searched, so many are drawn at first.
const MOST_ROWS = 300
const MORE_ROWS = 2000

PLOTS.table = (c, sheet) => {
  const tools = make("div", "tools")
  const search = make("input")
  search.placeholder = "Search"
  search.setAttribute("aria-label", "Search the table")
  search.value = sheet.state.text
  const count = make("span")
  const more = make("button", "more", "Show more")
  tools.append(search, count, more)
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
    sheet.found = found
    const digits = (n) => n.toLocaleString("en")
    const most = sheet.state.most ?? MOST_ROWS
    count.textContent =
      found.length > most
        ? `${digits(most)} of ${digits(found.length)} rows shown; search, sort and file take all`
        : `${digits(found.length)} row${found.length === 1 ? "" : "s"}`
    more.hidden = found.length <= most
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
    const line = (row) => {
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
    }
    body.replaceChildren(...found.slice(0, most).map(line))
    // What is chosen elsewhere (a point of a plot) is seen, however far down it stands: under the
    // heads, apart from the rows in order, with the place that it has among them.
    const chosen = found.findIndex((r) => sheet.state.chosen && r[0] === sheet.state.chosen)
    if (chosen < most) return
    const apart = line(found[chosen])
    apart.title = `Row ${digits(chosen + 1)} of ${digits(found.length)} in this order`
    thead.append(apart)
  }
  more.onclick = () => {
    sheet.state.most = (sheet.state.most ?? MOST_ROWS) + MORE_ROWS
    lines()
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
