// A comparison gene by gene: three plots of the same points, one table, and the counts of one gene.
const comparisonColours = (dark) =>
  dark
    ? {
        none: "#64748b",
        up: "#fb7185",
        down: "#60a5fa",
        untold: "#3f4a59",
        own: "#56616f",
        used: "#2dd4bf",
        line: "#fbbf24",
      }
    : {
        none: "#94a3b8",
        up: "#dc2626",
        down: "#2563eb",
        untold: "#d3dae2",
        own: "#c3ccd6",
        used: "#0d9488",
        line: "#b45309",
      }

PLOTS.comparison = (c, sheet) => {
  const at = c.roles
  const colours = comparisonColours(sheet.dark)
  const n = c.rows.length
  const column = (name) =>
    name in at ? Float64Array.from(c.rows, (r) => r[at[name]] ?? NaN) : null
  const [mean, change, padj] = [column("baseMean"), column("log2FoldChange"), column("padj")]
  const names = c.rows.map((r) => r[0])
  const index = new Map(names.map((name, i) => [name, i]))
  sheet.state.level ??= 0.05
  sheet.state.chosen ??= ""

  const tools = make("div", "tools comparison-tools")
  const level = make("select")
  for (const v of [0.001, 0.01, 0.05, 0.1, 0.2]) level.append(new Option(String(v), String(v)))
  level.value = String(sheet.state.level)
  level.setAttribute("aria-label", "Genes are called where padj is below")
  const label = make("label", "", "Called: padj below ")
  label.append(level)
  const said = make("span", "counted")
  const asked = comparedWith(c.contrast, sheet)
  if (asked) tools.append(asked)
  tools.append(label, said)
  const three = make("div", "comparison-plots")
  sheet.main.append(tools, three)

  // 0: not called, 1: more, 2: less, 3: nothing can be said.
  const classes = () =>
    Uint8Array.from(padj, (p, i) =>
      Number.isNaN(p) ? 3 : p < sheet.state.level ? (change[i] > 0 ? 1 : 2) : 0,
    )
  let called = classes()
  const least = padj.reduce((low, p) => (p > 0 && p < low ? p : low), 1)
  const top = -Math.log10(least) * 1.05
  const sure = padj.map((p) => (p > 0 ? -Math.log10(p) : p === 0 ? top : NaN))
  const log = (v) => v.map((x) => (x > 0 ? Math.log10(x) : NaN))
  const of = [colours.none, colours.up, colours.down, colours.untold]
  const layer = (x, y) => ({ x, y, colour: (i) => called[i], palette: of, order: [3, 0, 2, 1] })
  const plots = [
    scatter({
      title: "Volcano",
      layers: [layer(change, sure)],
      marked: { x: change, y: sure },
      across: "log₂ fold change",
      up: "−log₁₀ adjusted p",
      symmetric: true,
      rule: () => -Math.log10(sheet.state.level),
    }),
    scatter({
      title: "MA",
      layers: [layer(log(mean), change)],
      marked: { x: log(mean), y: change },
      across: "mean of normalised counts",
      up: "log₂ fold change",
      logAcross: true,
      rule: () => 0,
    }),
  ]
  if (column("dispersion")) {
    const x = log(mean)
    const [own, fit, used] = ["dispGeneEst", "dispFit", "dispersion"].map((k) =>
      log(column(k) ?? new Float64Array(n).fill(NaN)),
    )
    const told = own.map((v) => (v < -7.5 ? NaN : v)) // so small means: none, and says where the axis ends
    plots.push(
      scatter({
        title: "Dispersion",
        marked: { x, y: used },
        across: "mean of normalised counts",
        up: "dispersion α",
        layers: [
          { x, y: told, colour: () => 0, palette: [colours.own], order: [0] },
          { x, y: used, colour: () => 0, palette: [colours.used], order: [0] },
        ],
        line: { x, y: fit, colour: colours.line },
        logAcross: true,
        logUp: true,
        keys: { "by itself": colours.own, used: colours.used, trend: colours.line },
      }),
    )
  }
  three.append(...plots.map((p) => p.box))

  const below = make("div", "comparison-below")
  const left = make("div"),
    right = make("aside", "one-gene")
  below.append(left, right)
  sheet.main.append(below)
  const tell = () => {
    const count = (k) => called.reduce((sum, v) => sum + Number(v === k), 0).toLocaleString("en")
    const shown = [1, 2, 0, 3]
    const words = ["not called", "more", "less", "cannot be told"]
    const told = shown.map((k) => `${count(k)} ${words[k]}`)
    said.replaceChildren(
      ...legend(
        told,
        shown.map((k) => of[k]),
      ).children,
    )
  }
  const inner = {
    main: left,
    state: sheet.state,
    note: () => {},
    geneTitle: (g) => `Show the counts of ${g}`,
  }
  const choose = (gene) => {
    sheet.state.chosen = gene
    inner.lines?.()
    left.querySelector("tr.chosen")?.scrollIntoView({ block: "nearest" })
    mark()
    sheet.counts(gene)
  }
  inner.gene = choose
  const mark = () => {
    const i = index.get(sheet.state.chosen)
    const found = sheet.state.text.trim() ? inner.found.slice(0, 400) : []
    const rings = found.map((row) => index.get(row[0]))
    for (const p of plots) p.mark(rings, i === undefined ? -1 : i, sheet.state.chosen)
  }
  inner.searched = mark
  PLOTS.table(c, inner)
  sheet.note(c.contrast?.words)
  for (const p of plots) {
    p.onChoose = (i) => choose(names[i])
    p.nameOf = (i) => names[i]
  }
  level.onchange = () => {
    sheet.state.level = Number(level.value)
    called = classes()
    tell()
    for (const p of plots) p.draw()
  }
  tell()
  mark()
  const one = () => oneGene(right, sheet.geneCounts, sheet.state.chosen, colours)
  sheet.onGene(one)
  // Something is shown before anybody has chosen: the surest gene.
  const first = sheet.state.chosen || inner.found[0]?.[0]
  if (first && index.has(first)) {
    if (sheet.state.chosen) sheet.counts(first)
    else choose(first)
  }
  one()
}

// What is compared, by name: a factor and two of its levels, or a single column of the design.
const comparedWith = (offered, sheet) => {
  const factors = offered?.factors ?? []
  if (!factors.length || (factors.length === 1 && factors[0].levels.length < 2)) return null
  const [name, level, against] = offered.now
  const one = (label, values, value) => {
    const pick = make("select")
    for (const v of values) pick.append(new Option(v.replaceAll("_vs_", " vs "), v))
    pick.value = value
    pick.setAttribute("aria-label", label)
    return pick
  }
  const box = make("div", "comparison-asked")
  const factor = one(
    "Compared",
    factors.map((f) => f.name),
    name,
  )
  const levels = factors.find((f) => f.name === name)?.levels ?? []
  const ask = (level, against) => sheet.compare({ factor: factor.value, level, against })
  factor.onchange = () => {
    const [first = "", second = ""] = factors.find((f) => f.name === factor.value).levels
    ask(second, first)
  }
  box.append(make("span", "", "Compared:"), factor)
  if (!levels.length) return box
  const [up, down] = [one("Level", levels, level), one("Against", levels, against)]
  // The same level on both sides compares nothing: the sides are swapped.
  up.onchange = () => ask(up.value, up.value === against ? level : against)
  down.onchange = () => ask(down.value === level ? against : level, down.value)
  box.append(up, make("span", "", "against"), down)
  return box
}

// The counts of one gene, a dot for each sample, in the groups that are compared.
const oneGene = (box, told, wanted, colours) => {
  box.replaceChildren()
  box.append(make("h4", "", wanted || "Counts by sample"))
  if (!told?.name || told.name !== wanted) {
    box.append(
      make("p", "note", wanted ? "Reading its counts…" : "Choose a gene in the table or a plot."),
    )
    return
  }
  if (told.words) {
    box.append(make("p", "note", told.words))
    return
  }
  const [wide, tall, left, foot] = [300, 190, 44, 24]
  const most = Math.max(...told.values, 1)
  const ticks = niceTicks(0, most, 4)
  const high = Math.max(most, ticks[ticks.length - 1])
  const y = (v) => 8 + (tall - 8) * (1 - v / high)
  const step = (wide - left) / told.groups.length
  const hues = [colours.down, colours.up, "#d97706", "#7c3aed", "#0d9488", "#db2777"]
  let svg = ""
  for (const t of ticks)
    svg += `<line class="grid" x1="${left}" x2="${wide}" y1="${y(t)}" y2="${y(t)}"/><text x="${left - 6}" y="${y(t) + 4}" text-anchor="end">${shortNumber(t)}</text>`
  const seen = told.groups.map(() => 0)
  const size = told.groups.map((_, g) => told.group.filter((k) => k === g).length)
  told.values.forEach((v, i) => {
    const g = told.group[i]
    const off = size[g] > 1 ? (seen[g]++ / (size[g] - 1) - 0.5) * Math.min(0.6, 0.12 * size[g]) : 0
    svg += `<circle data-i="${i}" cx="${left + step * (g + 0.5 + off)}" cy="${y(v)}" r="4.5" fill="${hues[g % hues.length]}"/>`
  })
  const drawing = make("div", "dots-of-gene")
  drawing.innerHTML = `<svg viewBox="0 0 ${wide} ${tall + foot}" role="img" aria-label="Counts of a gene by sample">${svg}</svg>`
  const picture = drawing.querySelector("svg")
  told.groups.forEach((name, g) => {
    const text = document.createElementNS("http://www.w3.org/2000/svg", "text")
    text.setAttribute("x", String(left + step * (g + 0.5)))
    text.setAttribute("y", String(tall + 16))
    text.setAttribute("text-anchor", "middle")
    const fits = Math.max(4, Math.floor(step / 7))
    text.textContent = name.length > fits ? `${name.slice(0, fits - 1)}…` : name
    picture.append(text)
  })
  for (const dot of picture.querySelectorAll("circle")) {
    const i = Number(dot.dataset.i)
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title")
    title.textContent = `${told.samples[i]}: ${value(told.values[i])}`
    dot.append(title)
  }
  box.append(drawing, make("p", "note", told.unit))
}
