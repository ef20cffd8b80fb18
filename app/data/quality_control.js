// Quality control: a histogram for each metric, how many cells are kept, and what is not applied yet.
export function render({ model }) {
  const box = make("div", "quality")
  box.innerHTML = `<p class="problem" hidden></p><p class="busy" hidden></p>
    <div class="whole"><div class="charts"></div><aside>
      <div class="count" role="status"><b></b> <span></span><i></i></div>
      <div class="reasons"></div>
      <div class="samples"></div>
      <div class="settings"></div>
    </aside></div>
    <details class="methods"><summary>Paragraph for the methods section</summary>
      <textarea readonly aria-label="Methods paragraph"></textarea><button class="copy">Copy</button></details>
    <footer><span></span><button class="plain automatic">Automatic limits</button>
      <button class="plain clear">No limits</button>
      <button class="plain discard">Discard</button><button class="apply">Apply</button></footer>`
  const find = (s) => box.querySelector(s)
  /** @type {Map<string, any>} */
  const charts = new Map()
  let chosen = ""
  let waiting = null
  let sent = 0

  // At most one message in 60 ms while a limit is dragged; the last one is always sent.
  let timer = 0
  const send = (message) => {
    waiting = message
    if (timer) return
    const go = () => {
      timer = 0
      if (!waiting) return
      model.send_msg(waiting)
      waiting = null
      sent = performance.now()
      timer = window.setTimeout(go, 60)
    }
    if (performance.now() - sent > 60) go()
    else timer = window.setTimeout(go, 60)
  }
  const now = (message) => {
    if (waiting) model.send_msg(waiting)
    waiting = null
    model.send_msg(message)
  }
  // Of which sample the fields of a metric are: the chosen one, where samples have limits of their own.
  const sampleOf = (metric) => {
    const own = Object.keys(model.limits[metric] || {}).filter((name) => name)
    return own.length ? (own.includes(chosen) ? chosen : own[0]) : ""
  }

  // As people write numbers: 1,200 and 12.5, or 12,5; null for none.
  const written = (said) => {
    const text = said.replace(/[\s%]/g, "")
    if (text === "") return null
    return Number(/,\d{3}(?!\d)/.test(text) ? text.replace(/,/g, "") : text.replace(",", "."))
  }

  const field = (m, end) => {
    const line = make("label", "end")
    line.append(make("span", "", end === "least" ? "min" : "max"))
    const input = make("input", end)
    input.inputMode = "decimal"
    input.placeholder = "no limit"
    const put = () => {
      const value = written(input.value)
      if (value !== null && !Number.isFinite(value)) return draw()
      now({ do: "limit", metric: m.name, end, value, sample: sampleOf(m.name) })
    }
    input.onchange = put
    input.onkeydown = (event) => {
      event.stopPropagation()
      if (event.key === "Enter") input.blur()
    }
    line.append(input)
    return line
  }

  const build = () => {
    for (const made of charts.values()) made.chart.stop()
    charts.clear()
    find(".charts").replaceChildren(
      ...model.metrics.map((m) => {
        const card = make("section", "metric")
        card.dataset.metric = m.name
        const head = make("header")
        const title = make("h4", "", m.title)
        if (m.unit === "%") title.append(make("small", "", "%"))
        const whose = make("em")
        head.append(title, whose, field(m, "least"), field(m, "most"))
        const chart = histogram(
          m,
          m.names,
          (end, value, sample) => send({ do: "limit", metric: m.name, end, value, sample }),
          (sample) => {
            chosen = sample
            draw()
          },
        )
        card.append(head, chart.svg)
        charts.set(m.name, { m, card, chart, whose })
        return card
      }),
    )
    draw()
  }

  const select = (title, help, options, value, what) => {
    const line = make("label", "setting")
    line.append(make("span", "", title))
    const list = make("select")
    for (const o of options || []) list.append(new Option(o.title, o.place))
    list.value = value
    list.title = help
    list.onchange = () => now({ do: what, value: list.value })
    line.append(list)
    return line
  }
  let settingsAre = ""
  const settings = () => {
    const { words, options } = model
    const is = JSON.stringify([words.samples, words.mitochondrial, words.same, words.several,
      words.least_cells, words.found, options]) // biome-ignore format: one list
    if (is === settingsAre) return
    settingsAre = is
    const same = make("label", "check")
    const tick = make("input")
    tick.type = "checkbox"
    tick.checked = !!words.same
    tick.onchange = () => now({ do: "same", value: tick.checked })
    same.append(tick, make("span", "", "Same limits for all samples"))
    same.hidden = !words.several
    const genes = make("label", "setting")
    genes.append(make("span", "", "Genes: seen in at least"))
    const least = make("input", "least-cells")
    least.inputMode = "numeric"
    least.value = words.least_cells ? String(words.least_cells) : ""
    least.placeholder = "all genes are kept"
    least.title = `Genes that fewer of the kept ${options.rows || "cells"} have are removed.`
    least.onchange = () => now({ do: "least_cells", value: written(least.value) || 0 })
    least.onkeydown = (event) => event.stopPropagation()
    genes.append(least)
    find(".settings").replaceChildren(
      same,
      select(
        "Samples",
        "The column that names the samples",
        options.samples,
        words.samples,
        "samples",
      ),
      select("Mitochondrial genes", "How they are found", options.mitochondrial,
        words.mitochondrial, "mitochondrial"), // biome-ignore format: as above
      make("p", "found", words.found || ""),
      genes,
      make("p", "found genes"),
    )
  }

  const draw = () => {
    const { words, counted, limits, options } = model
    const rows = options.rows || "cells"
    find(".problem").hidden = !words.problem
    find(".problem").textContent = words.problem || ""
    find(".busy").hidden = !words.busy
    find(".busy").textContent = words.busy ? `${words.busy}…` : ""
    const ready = !words.problem && model.metrics.length > 0
    for (const part of [".whole", ".methods", "footer"]) find(part).hidden = !ready
    if (!ready) return
    for (const [name, { m, card, chart, whose }] of charts) {
      chart.show(limits[name] || {})
      const sample = sampleOf(name)
      whose.textContent = chart.called(sample)
      whose.title = sample
      const [least, most] = limits[name]?.[sample] || [null, null]
      for (const [end, value] of [
        ["least", least],
        ["most", most],
      ]) {
        // biome-ignore format: pairs
        const input = card.querySelector(`input.${end}`)
        input.setAttribute(
          "aria-label",
          `${m.title}, ${end === "least" ? "at least" : "at most"}${sample ? `, ${sample}` : ""}`,
        )
        if (document.activeElement === input || input.getRootNode().activeElement === input)
          continue
        input.value = value === null ? "" : number(value)
      }
    }
    const gone = counted.of - counted.kept
    find(".count b").textContent = number(counted.kept ?? 0)
    find(".count span").textContent =
      `of ${number(counted.of ?? 0)} ${rows} kept (−${number(gone || 0)})`
    find(".count i").style.setProperty("--share", String(counted.kept / counted.of || 0))
    find(".reasons").replaceChildren(
      ...(counted.removed || [])
        .filter(([, n]) => n)
        .map(([why, n]) => {
          const line = make("p")
          line.append(make("b", "", number(n)), ` with ${why}`)
          return line
        }),
    )
    const table = make("table")
    table.innerHTML =
      "<thead><tr><th>Sample</th><th>before</th><th>kept</th><th></th></tr></thead><tbody></tbody>"
    for (const [name, before, after] of counted.samples || []) {
      const line = make(
        "tr",
        words.same ? "" : name === sampleOf(model.metrics[0].name) ? "on" : "",
      )
      const share = before ? `−${(100 * (1 - after / before)).toFixed(1)} %` : ""
      const cells = [name, number(before), number(after), share].map((t) => make("td", "", t))
      cells[0].title = name
      line.append(...cells)
      line.onclick = () => {
        chosen = name
        draw()
      }
      table.tBodies[0].append(line)
    }
    find(".samples").replaceChildren(...(words.several ? [table] : []))
    settings()
    const [genes, ofGenes] = counted.genes || []
    find(".genes").textContent = ofGenes
      ? `${number(genes)} of ${number(ofGenes)} genes are kept.`
      : ""
    find("textarea").value = counted.methods || ""
    find("footer").classList.toggle("unapplied", !!words.unapplied)
    find("footer > span").textContent = words.unapplied
      ? words.proposed
        ? "These automatic limits are not yet applied."
        : "Your new limits are not yet applied."
      : words.removes
        ? "These limits are applied: the next run trains on the cells that are kept."
        : `No limits: all ${rows} are kept.`
    find(".automatic").title = words.rule || ""
    for (const name of [".discard", ".apply"]) find(name).disabled = !words.unapplied
  }

  for (const what of ["automatic", "clear", "discard", "apply"])
    find(`.${what}`).onclick = () => now({ do: what })
  find(".copy").onclick = () => {
    find("textarea").select()
    if (!navigator.clipboard) document.execCommand("copy")
    navigator.clipboard?.writeText(find("textarea").value)
    find(".copy").textContent = "Copied"
    setTimeout(() => {
      find(".copy").textContent = "Copy"
    }, 1500)
  }
  model.on("metrics", build)
  for (const name of ["limits", "counted", "options", "words"]) model.on(name, draw)
  model.on("remove", () => {
    for (const made of charts.values()) made.chart.stop()
  })
  build()
  return box
}
