// What a file holds, before it is used: figures, warnings, how it is read, where each port finds its array.

/** @param {any} model @param {HTMLElement} pane Where it is shown. */
const preview = (model, pane) => {
  // A field that is written, with what is proposed beneath it.
  const written = (field) => {
    const line = make("div", "field written")
    line.append(
      make("b", "", field.title),
      make("span", field.wrong ? "wrong" : "", field.wrong || field.help),
    )
    const input = make("input")
    input.value = field.text
    input.spellcheck = false
    input.placeholder = field.example
    input.setAttribute("aria-label", field.title)
    input.setAttribute("aria-invalid", String(!!field.wrong))
    const say = (text) => put(text.trim() ? `${field.begins}${text.trim()}` : "")
    const put = (place) => {
      if (place !== field.place) model.send_msg({ do: "field", port: field.port, place })
    }
    input.onchange = () => say(input.value)
    input.onkeydown = (event) => {
      event.stopPropagation()
      if (event.key === "Enter") say(input.value)
    }
    const others = make("div", "proposed")
    for (const o of field.options.slice(0, 4)) {
      if (o.place === field.place) continue
      const button = make("button", "", o.title)
      button.title = `${field.title}: ${o.title}`
      button.onclick = (event) => {
        event.preventDefault()
        put(o.place)
      }
      others.append(button)
    }
    line.append(input, others)
    return line
  }
  const chooser = (field, message) => {
    if (field.text !== undefined) return written(field)
    const line = make("label", "field")
    line.append(make("b", "", field.title), make("span", "", field.help))
    const select = make("select")
    for (const o of field.options) select.append(new Option(o.title, o.place))
    select.value = field.place
    select.setAttribute("aria-label", field.title)
    select.onchange = () =>
      model.send_msg(
        message
          ? { ...message, value: select.value }
          : { do: "field", port: field.port, place: select.value },
      )
    line.append(select)
    return line
  }
  return () => {
    const p = model.preview
    pane.replaceChildren()
    pane.classList.toggle("busy", !!model.busy)
    if (model.busy) {
      const stop = make("button", "stop", "Stop")
      stop.onclick = () => model.send_msg({ do: "stop" })
      return pane.append(make("p", "hint", model.busy), stop)
    }
    if (model.problem.what) {
      const bad = make("div", "problem")
      bad.append(make("b", "", model.problem.what), make("span", "", model.problem.fix || ""))
      pane.append(bad)
    }
    if (!p.id)
      return model.problem.what
        ? undefined
        : pane.append(
            make("p", "hint", "Choose a file: what it holds is shown here before it is used."),
          )
    const head = make("header")
    head.append(make("h3", "", p.name), make("p", "", `${p.kind} · ${size(p.bytes)}`))
    pane.append(head)
    const facts = make("div", "facts")
    for (const [value, what] of p.facts) {
      const fact = make("div")
      fact.append(make("b", "", value), make("span", "", what))
      facts.append(fact)
    }
    pane.append(facts)
    if (p.samples.length > 1)
      pane.append(
        make(
          "p",
          "matrix",
          `${p.parts}: ${p.samples.map((s) => `${s.name} (${number(s.n_cells)} ${p.rows})`).join(", ")}`,
        ),
      )
    for (const m of p.matrices) pane.append(make("p", "matrix", m))
    const plain = (w) => p.plain.includes(w)
    for (const w of p.warnings.filter(plain)) pane.append(make("p", "matrix", w))
    for (const w of p.warnings) if (!plain(w)) pane.append(make("p", "warning", w))
    const ways = make("div", "fields ways-of-reading")
    for (const choice of p.choices)
      ways.append(
        chooser(
          {
            ...choice,
            help: choice.why,
            place: choice.taken,
            options: choice.possible.map((o) => ({ title: o.title, place: o.value })),
          },
          { do: "reading", name: choice.name },
        ),
      )
    if (p.choices.length) pane.append(make("h4", "", "How the file is read"), ways)
    const fields = make("div", "fields")
    for (const field of p.fields) fields.append(chooser(field))
    if (p.fields.length)
      pane.append(make("h4", "", "Where the pipeline finds what it needs"), fields)
    if (p.columns.length) {
      pane.append(make("h4", "", `Columns of the ${p.rows}`))
      const table = make("div", "columns")
      for (const c of p.columns)
        table.append(make("b", "", c.name), make("span", "", c.what), make("i", "", c.examples))
      pane.append(table)
    }
    const foot = make("footer")
    const trained = model.applying
    if (trained.title) {
      const said = trained.why || trained.sentence
      if (said)
        foot.append(
          make(
            "p",
            trained.doubtful && !trained.why ? "fits warning" : "fits",
            `${trained.title}, as trained: ${said}`,
          ),
        )
      const apply = make("button", "apply", `Apply “${trained.title}” as trained`)
      apply.title = `Places these ${p.rows} by what the shown run has learned; nothing is trained.`
      apply.disabled = !!trained.why
      let sure = !trained.few
      apply.onclick = () => {
        if (sure) return model.send_msg({ do: "apply", sure: !!trained.few })
        sure = true
        apply.textContent = "Few genes match. Apply all the same"
      }
      foot.append(apply)
    }
    for (const block of model.beside) {
      const said = block.why || block.sentence
      if (said) foot.append(make("p", "fits", `As ${block.title}: ${said}`))
      const beside = make("button", block.first ? "use" : "apply", `Use as ${block.title}`)
      beside.disabled = !!block.why
      beside.title = "A second data set for this pipeline, beside the one whose rows are shown."
      beside.onclick = () => model.send_msg({ do: "use", block: block.id })
      foot.append(beside)
    }
    if (p.controlled) {
      const control = make("button", "apply", "Quality control…")
      control.title = `Remove broken ${p.rows} and doublets by limits before training.`
      control.onclick = () => model.send_msg({ do: "quality" })
      foot.append(control)
    }
    const first = model.beside.some((block) => block.first)
    const use = make("button", first ? "apply" : "use", "Use this data set")
    const wrong = p.fields.find((field) => field.wrong)
    use.disabled = !!wrong
    use.title = wrong ? `${wrong.title}: ${wrong.wrong}` : ""
    use.onclick = () => model.send_msg({ do: "use" })
    foot.append(use)
    pane.append(foot)
  }
}
