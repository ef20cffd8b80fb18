// The histogram of one metric by sample, with limits that can be dragged or moved by keys.

const SVG = "http://www.w3.org/2000/svg"
const shape = (name, attributes) => {
  const node = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}
const inShort = (v) =>
  v >= 1e6 ? `${v / 1e6}M` : v >= 1e4 ? `${v / 1e3}k` : String(+v.toPrecision(6))
// What tells long names apart: without what all of them begin and end with.
const shortened = (names) => {
  const alike = (texts) => {
    const least = Math.min(...texts.map((text) => text.length))
    let n = 0
    while (n < least - 1 && texts.every((text) => text[n] === texts[0][n])) n++
    return n
  }
  const before = names.length > 1 ? alike(names) : 0
  const rest = names.map((name) => [...name.slice(before)].reverse().join(""))
  const after = names.length > 1 ? alike(rest) : 0
  return names.map((name) => {
    if (name.length < 14) return name
    const own = name.slice(before > 3 ? before : 0, after > 3 ? name.length - after : undefined)
    const said = own.length < 14 ? own : `${own.slice(0, 6)}…${own.slice(-6)}`
    return `${before > 3 ? "…" : ""}${said}${after > 3 ? "…" : ""}`
  })
}
let serial = 0

/**
 * @param {any} m The metric: title, axis, heights by sample.
 * @param {string[]} names Of the samples.
 * @param {any} move Is called with the end, the value (null: none) and the sample of a limit that moved.
 * @param {any} choose Is called with the sample that was taken hold of.
 */
const histogram = (m, names, move, choose) => {
  const several = names.length > 1
  const short = shortened(names)
  const left = several ? 92 : 14
  const right = 16
  const top = 20
  const high = several ? Math.max(17, Math.min(38, 150 / names.length)) : 104
  const bottom = top + high * names.length
  const inside = (v) => (m.whole ? Math.log1p(v) : v)
  const outside = (t) => (m.whole ? Math.expm1(t) : t)
  const rounded = (v) => {
    if (m.whole) return Math.round(v)
    return m.unit === "%" ? Math.round(v * 10) / 10 : Math.round(v * 1000) / 1000
  }
  const svg = shape("svg", { class: "chart", height: bottom + 24, role: "group" })
  svg.setAttribute("aria-label", `${m.title}: distribution of each sample, with its limits`)
  const id = `quality-${++serial}`
  let width = 0
  let shown = {}
  let held = null
  const x = (v) => left + ((inside(v) - m.low) / (m.high - m.low)) * (width - left - right)
  const back = (px) => outside(m.low + ((px - left) / (width - left - right)) * (m.high - m.low))
  const clips = new Map()
  const lines = new Map()

  const outline = (counts, middle) => {
    const most = Math.max(1, ...counts)
    const step = (width - left - right) / counts.length
    const tall = several ? high * 0.44 : high * 0.94
    const above = counts.map((n, i) => {
      const y = middle - (n / most) * tall
      return `${i ? "L" : "M"}${left + i * step},${y}L${left + (i + 1) * step},${y}`
    })
    if (!several) return `${above.join("")}L${width - right},${middle}L${left},${middle}Z`
    const below = counts
      .map((n, i) => {
        const y = middle + (n / most) * tall
        return `L${left + (i + 1) * step},${y}L${left + i * step},${y}`
      })
      .reverse()
    return `${above.join("")}${below.join("")}Z`
  }
  const ticks = () => {
    if (m.whole) {
      const all = [0, 10, 30, 100, 300, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6]
      return all.filter((v) => inside(v) <= m.high && (v < 10 || inside(v) >= m.low))
    }
    const raw = (m.high - m.low) / 5
    const base = 10 ** Math.floor(Math.log10(raw))
    const step = base * [1, 2, 5, 10].find((k) => k * base >= raw)
    const first = Math.ceil(m.low / step) * step
    const n = Math.floor((m.high - first) / step + 1e-9) + 1
    return Array.from({ length: n }, (_, i) => +(first + i * step).toPrecision(8))
  }
  // Where the limit of a sample stands; "" is the one of all.
  const handle = (end, sample, row) => {
    const g = shape("g", { class: `limit ${end}`, tabindex: 0, role: "slider" })
    const from = row === null ? top : top + row * high
    const to = row === null ? bottom : top + (row + 1) * high
    g.append(
      shape("rect", { class: "hit", x: -7, y: from, width: 14, height: to - from }),
      shape("line", { class: "line", x1: 0, x2: 0, y1: from, y2: to }),
      shape("rect", {
        class: "grip",
        x: -3.5,
        y: (from + to) / 2 - 7,
        width: 7,
        height: 14,
        rx: 3,
      }),
    )
    const label = shape("text", { class: "value", y: top - 6, "text-anchor": "middle" })
    if (row === null) g.append(label)
    const which = end === "least" ? "at least" : "at most"
    g.setAttribute("aria-label", `${m.title}, ${which}${sample ? `, sample ${sample}` : ""}`)
    g.setAttribute("aria-valuemin", String(rounded(outside(m.low))))
    g.setAttribute("aria-valuemax", String(rounded(outside(m.high))))
    const at = () => {
      const both = shown[sample] || [null, null]
      return end === "least" ? both[0] : both[1]
    }
    const put = (value) => {
      shown = { ...shown, [sample]: [...(shown[sample] || [null, null])] }
      shown[sample][end === "least" ? 0 : 1] = value
      draw()
      move(end, value, sample)
    }
    g.onpointerdown = (event) => {
      event.preventDefault()
      event.stopPropagation()
      g.setPointerCapture(event.pointerId)
      g.focus()
      choose(sample)
      held = g
    }
    g.onpointermove = (event) => {
      if (held !== g) return
      const px = event.clientX - svg.getBoundingClientRect().left
      const gone = end === "least" ? px <= left : px >= width - right
      put(gone ? null : rounded(back(Math.max(left, Math.min(width - right, px)))))
    }
    g.onpointerup = g.onpointercancel = () => {
      held = null
    }
    g.onkeydown = (event) => {
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key]
      const takenAway = event.key === "Delete" || event.key === "Backspace"
      if (!way && !takenAway) return
      event.preventDefault()
      event.stopPropagation()
      if (takenAway) return put(null)
      const now = at() ?? outside(end === "least" ? m.low : m.high)
      const t = inside(now) + (way * (m.high - m.low) * (event.shiftKey ? 10 : 1)) / 200
      const least = m.whole ? 1 : m.unit === "%" ? 0.1 : 0.001
      let next = rounded(outside(t))
      if (next === now) next = rounded(now + way * least)
      if (end === "least" ? inside(next) <= m.low : inside(next) >= m.high) return put(null)
      put(next)
    }
    return { g, label, at, end, row }
  }

  const build = () => {
    width = Math.max(220, svg.clientWidth || 420)
    svg.replaceChildren()
    clips.clear()
    lines.clear()
    for (const [row, name] of names.entries()) {
      const middle = several ? top + (row + 0.5) * high : bottom
      const path = outline(m.heights[row], middle)
      const clip = shape("clipPath", { id: `${id}-${row}` })
      const inLimits = shape("rect", { y: top + row * high, height: high })
      clip.append(inLimits)
      clips.set(row, inLimits)
      const kept = shape("path", { class: "kept", d: path, "clip-path": `url(#${id}-${row})` })
      svg.append(clip, shape("path", { class: "gone", d: path }), kept)
      if (!several) continue
      const text = shape("text", {
        class: "name",
        x: left - 9,
        y: middle + 4,
        "text-anchor": "end",
      })
      text.textContent = short[row]
      const full = shape("title", {})
      full.textContent = name
      text.append(full)
      text.onclick = () => choose(name)
      svg.append(text)
    }
    svg.append(
      shape("line", { class: "axis", x1: left, x2: width - right, y1: bottom, y2: bottom }),
    )
    let last = -99
    for (const v of ticks()) {
      const px = x(v)
      if (px - last < 34) continue
      last = px
      const text = shape("text", { class: "tick", x: px, y: bottom + 15, "text-anchor": "middle" })
      text.textContent = inShort(v)
      svg.append(shape("line", { class: "axis", x1: px, x2: px, y1: bottom, y2: bottom + 4 }), text)
    }
    const own = names.filter((name) => name in shown)
    const groups = own.length ? own.map((name) => [name, names.indexOf(name)]) : [["", null]]
    for (const [sample, row] of groups)
      for (const end of ["least", "most"]) {
        const made = handle(end, sample, row)
        lines.set(`${end} ${sample}`, made)
        svg.append(made.g)
      }
    draw()
  }
  const draw = () => {
    for (const made of lines.values()) {
      const value = made.at()
      const px = value === null ? (made.end === "least" ? left : width - right) : x(value)
      const held_in = Math.max(left, Math.min(width - right, px))
      made.g.setAttribute("transform", `translate(${held_in} 0)`)
      made.g.classList.toggle("none", value === null)
      made.g.setAttribute("aria-valuenow", String(value ?? rounded(back(held_in))))
      made.g.setAttribute("aria-valuetext", value === null ? "no limit" : `${value} ${m.unit}`)
      made.label.textContent = value === null ? "" : number(value)
    }
    for (const [row, name] of names.entries()) {
      const [least, most] = shown[name] || shown[""] || [null, null]
      const a = least === null ? left : Math.max(left, x(least))
      const b = most === null ? width - right : Math.min(width - right, x(most))
      const rect = clips.get(row)
      if (!rect) continue
      rect.setAttribute("x", String(a))
      rect.setAttribute("width", String(Math.max(0, b - a)))
    }
  }
  const watcher = new ResizeObserver(() => {
    if (Math.abs(svg.clientWidth - width) > 1) build()
  })
  watcher.observe(svg)
  return {
    svg,
    stop: () => watcher.disconnect(),
    called: (name) => short[names.indexOf(name)] ?? name,
    // What the server says; while a limit is held, the hand knows better.
    show: (limits) => {
      if (held) return
      const before = Object.keys(shown).join("\n")
      shown = limits
      if (before !== Object.keys(shown).join("\n") || !lines.size) build()
      else draw()
    },
  }
}
