// Results: a list of sheets on the left, the chosen one on the right, in the form that fits it.
const MOST_ROWS = 300

export function render({ model }) {
  const root = make("div", "findings")
  const list = make("nav"),
    main = make("section")
  root.append(list, main)
  // What the person did to a table stays when its numbers are renewed.
  let state = { id: "", text: "", sort: null, down: true, slice: 0 }

  const drawList = () => {
    list.replaceChildren()
    let last = ""
    for (const sheet of model.sheets) {
      if (sheet.block !== last) list.append(make("h4", "", sheet.block))
      last = sheet.block
      const row = make("button", sheet.id === model.content.id ? "on" : "", sheet.title)
      row.dataset.form = sheet.form
      row.onclick = () => model.send_msg({ do: "show", id: sheet.id })
      list.append(row)
    }
  }

  const head = () => {
    const box = make("header")
    const chosen = model.sheets.find((s) => s.id === model.content.id)
    box.append(make("h3", "", chosen ? `${chosen.block}: ${chosen.title}` : ""))
    const save = make("button", "csv", "Save as CSV")
    save.onclick = () => model.send_msg({ do: "csv", id: model.content.id })
    box.append(save)
    main.append(box)
    if (model.content.about) main.append(make("p", "about", model.content.about))
  }
  const note = (text) => {
    if (text) main.append(make("p", "note", text))
  }

  const table = (c) => {
    const tools = make("div", "tools")
    const search = make("input")
    search.placeholder = "Search"
    search.setAttribute("aria-label", "Search the table")
    search.value = state.text
    const count = make("span")
    tools.append(search, count)
    const box = make("div", "scroll")
    const t = make("table"),
      thead = make("thead"),
      body = make("tbody")
    t.append(thead, body)
    box.append(t)
    main.append(tools, box)
    const falls = (i) => c.columns[i].number && c.columns[i].ranks !== "small"
    if (state.sort === null) {
      state.sort = c.order[0]
      state.down = falls(state.sort)
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
      const text = state.text.trim().toLowerCase()
      const found = text
        ? c.rows.filter((r) =>
            r.some((v, i) => !c.columns[i].number && String(v).toLowerCase().includes(text)),
          )
        : [...c.rows]
      const k = Math.min(state.sort, c.columns.length - 1)
      const then = c.order.filter((i) => i !== k)
      found.sort((a, b) => {
        let sign = before(a, b, k, state.down)
        for (const i of then) sign ||= before(a, b, i, falls(i))
        return sign
      })
      count.textContent =
        found.length > MOST_ROWS
          ? `${MOST_ROWS} of ${found.length.toLocaleString("en")} rows shown; search, sort or save to see others`
          : `${found.length.toLocaleString("en")} row${found.length === 1 ? "" : "s"}`
      thead.replaceChildren()
      const heads = make("tr")
      c.columns.forEach((column, i) => {
        const th = make("th", column.number ? "number" : "")
        const b = make("button", "", column.title + (i === k ? (state.down ? " ▾" : " ▴") : ""))
        b.onclick = () => {
          state.down = i === k ? !state.down : falls(i)
          state.sort = i
          lines()
        }
        th.setAttribute("aria-sort", i === k ? (state.down ? "descending" : "ascending") : "none")
        th.append(b)
        heads.append(th)
      })
      thead.append(heads)
      body.replaceChildren(
        ...found.slice(0, MOST_ROWS).map((row) => {
          const tr = make("tr")
          row.forEach((v, i) => {
            const td = make("td", c.columns[i].number ? "number" : "")
            if (c.columns[i].title === "gene") {
              const gene = make("button", "gene", v)
              gene.title = `Colour the map by ${v}`
              gene.onclick = () => model.send_msg({ do: "gene", id: model.content.id, name: v })
              td.append(gene)
            } else td.textContent = shown(v, i)
            tr.append(td)
          })
          return tr
        }),
      )
    }
    search.oninput = () => {
      state.text = search.value
      lines()
    }
    search.onkeydown = (event) => event.stopPropagation()
    lines()
    note(c.note)
    if (c.doc?.includes("\n")) {
      const details = make("details")
      details.append(make("summary", "", "What the columns mean"))
      for (const line of c.doc.split("\n")) details.append(make("p", "", line))
      main.append(details)
    }
  }

  const bars = (c) => {
    const box = make("div", "bars")
    c.groups.forEach((group, g) => {
      box.append(make("span", "name", group))
      const bar = make("div", "bar")
      c.classes.forEach((name, k) => {
        const part = make("i")
        part.style.flexGrow = c.values[g][k]
        part.style.background = model.content.colors[k]
        part.title = `${group}: ${name} ${(100 * c.values[g][k]).toFixed(1)} %`
        bar.append(part)
      })
      box.append(bar)
    })
    const legend = make("div", "legend")
    c.classes.forEach((name, k) => {
      const item = make("span", "", `${name} ${(100 * c.values[0][k]).toFixed(1)} %`)
      const dot = make("i")
      dot.style.background = model.content.colors[k]
      item.prepend(dot)
      legend.append(item)
    })
    main.append(box, legend)
    note("Mean share of each class, of all and of each group that is wired into the pipeline.")
  }

  const heat = (c) => {
    if (c.slices.length > 1) {
      const pick = make("select")
      for (const [i, name] of c.slices.entries()) pick.append(new Option(name, i))
      state.slice = Math.min(state.slice, c.slices.length - 1)
      pick.value = state.slice
      pick.setAttribute("aria-label", "Which part")
      pick.onchange = () => {
        state.slice = Number(pick.value)
        draw()
      }
      main.append(pick)
    }
    const values = c.values[c.slices.length > 1 ? state.slice : 0]
    const most = Math.max(1e-9, ...values.flat().map(Math.abs))
    grid(c.rows, c.columns, (i, j) => {
      const cell = make("i", "", values.length * values[0].length <= 220 ? value(values[i][j]) : "")
      cell.style.background = shade(values[i][j] / most, c.signed, model.theme === "dark")
      if (values[i][j] / most > 0.6) cell.classList.add("strong")
      cell.title = `${c.rows[i]} → ${c.columns[j]}: ${value(values[i][j])}`
      return cell
    })
    note(`Rows: ${c.axes[0]}; columns: ${c.axes[1]}.`)
  }

  const grid = (rows, columns, cell, kind = "") => {
    const box = make("div", `scroll grid ${kind}`)
    const inner = make("div", "cells")
    inner.style.gridTemplateColumns = `max-content repeat(${columns.length}, minmax(26px, 1fr))`
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
    main.append(box)
  }

  const dots = (c) => {
    const pairs = []
    for (const [i, a] of c.from.entries())
      for (const [j, b] of c.to.entries())
        pairs.push([i, j, `${a} → ${b}`, Math.max(...c.strength[i][j])])
    pairs.sort((a, b) => b[3] - a[3])
    const kept = pairs.filter((p) => p[3] > 0).slice(0, 40)
    const most = Math.max(1e-9, ...c.strength.flat(2))
    grid(
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
            : shade(
                p < 0.001 ? 1 : p < 0.01 ? 0.75 : p < 0.05 ? 0.5 : 0.12,
                false,
                model.theme === "dark",
              )
        cell.title = `${kept[r][2]} by ${c.pairs[k]}: ${value(strength)}${p === null ? "" : `, p = ${value(p)}`}`
        cell.append(dot)
        return cell
      },
      "dots",
    )
    note(
      `Size: strength. ${c.sure ? "Colour: dark p < 0.001, then 0.01 and 0.05; pale is not significant. " : ""}${c.note}`,
    )
    if (kept.length < pairs.length)
      note(`The ${kept.length} strongest of ${pairs.length} directions are shown.`)
  }

  const numbers = (c) => {
    const box = make("div", "numbers")
    for (const item of c.numbers) {
      const card = make("div")
      card.append(
        make("b", "", value(item.value)),
        make("span", "", item.title),
        make("p", "", item.doc),
      )
      box.append(card)
    }
    main.append(box)
  }

  const forms = { table, bars, heat, dots, numbers }
  const draw = () => {
    const [kept, searching] = [
      main.querySelector(".scroll")?.scrollTop ?? 0,
      main.querySelector("input:focus") !== null,
    ]
    const same = state.id === model.content.id
    if (!same) state = { id: model.content.id, text: "", sort: null, down: true, slice: 0 }
    main.replaceChildren()
    drawList()
    list.hidden = !model.sheets.length
    if (model.words) {
      main.append(make("p", "empty", model.words))
      return
    }
    head()
    forms[model.content.form]?.(model.content)
    if (same && main.querySelector(".scroll")) main.querySelector(".scroll").scrollTop = kept
    if (same && searching) main.querySelector("input")?.focus()
  }
  let waiting = false
  const later = () => {
    if (!waiting) {
      waiting = true
      queueMicrotask(() => {
        waiting = false
        draw()
      })
    }
  }
  for (const name of ["sheets", "content", "words", "theme"]) model.on(name, later)
  draw()
  return root
}
