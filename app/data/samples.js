// Several files, a sample each: what each holds or what is wrong with it, what it is called, and how they are joined.

/** @param {any} model @param {HTMLElement} pane Where it is shown.
 *  @param {any} take Sends files; one that was let go on a row with its key. */
const samplesTable = (model, pane, take) => {
  const tell = (message) => model.send_msg(message)
  const keyed = (input, say) => {
    input.onchange = say
    input.onkeydown = (event) => {
      event.stopPropagation()
      if (event.key === "Enter") input.blur()
    }
  }
  const nameOf = (row) => {
    const input = make("input")
    input.value = row.name
    input.dataset.key = row.key
    input.spellcheck = false
    input.setAttribute("aria-label", `Name of the sample in ${row.file}`)
    keyed(input, () => tell({ do: "sample_name", key: row.key, name: input.value }))
    return input
  }
  const cell = (...inner) => {
    const td = make("td")
    td.append(...inner)
    return td
  }
  const MARKS = { good: "✓", bad: "✗", looking: "…" }
  const SAID = { good: "can be joined", bad: "cannot be joined", looking: "is being looked at" }
  const line = (row) => {
    const tr = make("tr", row.state)
    const mark = make("span", "mark", MARKS[row.state])
    mark.setAttribute("role", "img")
    mark.setAttribute("aria-label", SAID[row.state])
    const file = make("span", "file", row.part ? `${row.file} › ${row.part}` : row.file)
    file.title = file.textContent
    const kind = [row.kind, row.organism].filter(Boolean).join(" · ")
    const acts = make("td", "acts")
    const open = make("button", "", "Open")
    open.title = "Shows this file by itself, and how it is read."
    open.onclick = () => tell({ do: "sample_open", key: row.key })
    const gone = make("button", "", "Remove")
    gone.title = "Takes it out of this table; the file stays under Your data sets."
    gone.onclick = () => tell({ do: "sample_remove", key: row.key })
    acts.append(open, gone)
    tr.append(
      cell(mark),
      cell(nameOf(row), file),
      cell(make("b", "", row.size.replace(" x ", " × ")), make("span", "", kind)),
      cell(make("b", "", row.shared), make("span", "", row.shared ? "genes are in all" : "")),
      acts,
    )
    const lines = [tr]
    if (row.what || row.notes.length) {
      const why = make("tr", `why ${row.state}`)
      const said = make("td")
      said.colSpan = 4
      if (row.what) said.append(make("b", "", row.what), ` ${row.fix}`)
      if (row.what && !row.kind)
        said.append(make("i", "", " Or drop the mended file on this line."))
      for (const note of row.notes) said.append(make("p", "", note))
      why.append(make("td"), said)
      lines.push(why)
    }
    for (const one of lines) takesFiles(one, row.key)
    return lines
  }
  const takesFiles = (element, key) => {
    element.dataset.takesFiles = ""
    element.ondragover = (event) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      element.classList.add("over")
    }
    element.ondragleave = () => element.classList.remove("over")
    element.ondrop = async (event) => {
      element.classList.remove("over")
      if (!hasFiles(event)) return
      event.preventDefault()
      const { found, problems } = await dropped(event.dataTransfer)
      for (const text of problems) tell({ do: "refused", text })
      if (found.length) take(found, key)
    }
  }
  const how = (t) => {
    const box = make("div", "fields how")
    const column = make("label", "field")
    const input = make("input")
    input.value = t.column
    input.dataset.key = "column"
    input.spellcheck = false
    input.setAttribute("aria-label", "Column that names the sample")
    const select = make("select")
    for (const way of t.ways) select.append(new Option(way.title, way.value))
    select.value = t.genes
    select.setAttribute("aria-label", "Genes of the joined set")
    const say = () => tell({ do: "samples_how", column: input.value, genes: select.value })
    keyed(input, say)
    select.onchange = say
    column.append(
      make("b", "", "Column that names the sample"),
      make("span", "", "It is proposed as the batch; cells are called barcode_sample."),
      input,
    )
    const genes = make("label", "field")
    genes.append(
      make("b", "", "Genes"),
      make("span", "", "A gene that a sample lacks was not looked for there."),
      select,
    )
    box.append(column)
    if (t.loses) box.append(genes)
    return box
  }
  const foot = (t) => {
    const out = make("footer")
    if (t.whole) {
      const whole = make("button", "apply", "Open as one data set")
      whole.title = "Takes the file for one data set, as its reader joins it."
      whole.onclick = () => tell({ do: "look", id: t.whole })
      out.append(whole)
    }
    const clear = make("button", "apply", "Clear the table")
    clear.title = "The files stay under Your data sets."
    clear.onclick = () => tell({ do: "samples_clear" })
    const n = t.rows.length
    const join = make(
      "button",
      "use",
      t.good < n ? `Join ${t.good} of ${n} samples` : `Join ${n} samples`,
    )
    join.disabled = t.good < 2 || t.waits
    join.title = t.waits
      ? "Some are still being looked at."
      : t.good < 2
        ? "Two samples at least can be joined."
        : "Makes one data set of them, with a column that names the sample."
    join.onclick = () => tell({ do: "samples_join" })
    out.append(clear, join)
    return out
  }
  return () => {
    const t = model.samples
    // What is being typed stays while the table is made anew.
    const typing = /** @type {any} */ (pane.getRootNode()).activeElement
    const kept =
      typing instanceof HTMLInputElement && pane.contains(typing)
        ? { key: typing.dataset.key, value: typing.value, at: typing.selectionStart }
        : null
    const table = make("table", "samples")
    const head = make("tr")
    for (const title of ["", "Sample and file", "Holds", "Shared genes", ""])
      head.append(make(title ? "th" : "td", "", title))
    const body = make("tbody")
    body.append(head, ...t.rows.flatMap(line))
    table.append(body)
    const title = make("header")
    const bad = t.rows.filter((row) => row.state === "bad").length
    const n = t.rows.length
    title.append(
      make("h3", "", `${n} ${n === 1 ? "sample" : "samples"}`),
      make(
        "p",
        "",
        `Taken as samples of one data set, each looked at by itself; open one to use it alone.${bad ? ` ${bad} cannot be joined as ${bad === 1 ? "it is" : "they are"}.` : ""} Drop further files anywhere.`,
      ),
    )
    pane.replaceChildren(title)
    if (model.problem.what) {
      const problem = make("div", "problem")
      problem.append(make("b", "", model.problem.what), make("span", "", model.problem.fix || ""))
      pane.append(problem)
    }
    pane.append(table, ...t.said.map((said) => make("p", "matrix", said)), how(t), foot(t))
    if (!kept) return
    const same = /** @type {HTMLInputElement | null} */ (
      pane.querySelector(`input[data-key="${kept.key}"]`)
    )
    if (same) {
      same.value = kept.value
      same.focus()
      same.setSelectionRange(kept.at, kept.at)
    }
  }
}
