// A lane for each record: what was measured along it, at every position the shares of the states,
// one on the other, and where that lies.
const MARKS = 4
const placeOf = (v) => Math.round(v).toLocaleString("en-US")

// Marks of an axis from the first place to the end, as shares of its width.
const rulerOf = (first, step, length, about) => {
  const box = make("div", "ruler")
  const end = step > 1 ? first + step * length : first + length - 1
  const span = step * length
  for (const t of niceTicks(first, end, Math.max(1, about))) {
    if (t !== Math.round(t)) continue
    const at = step > 1 ? (t - first) / span : (t - first + 0.5) / span
    const mark = make("span", at > 0.88 ? "last" : at < 0.06 ? "first" : "", placeOf(t))
    mark.style.left = `${(100 * at).toFixed(2)}%`
    box.append(mark)
  }
  return box
}

// A signal as an area, cut at the top that all lanes share.
const areaOf = (signal, top) => {
  const points = signal.map((v, i) => {
    const y = (30 * (1 - Math.max(0, Math.min(1, v / top)))).toFixed(1)
    return `${i},${y} ${i + 1},${y}`
  })
  const box = make("div", "signal")
  box.innerHTML = `<svg viewBox="0 0 ${signal.length} 30" preserveAspectRatio="none" aria-hidden="true"><polygon></polygon></svg>`
  box
    .querySelector("polygon")
    .setAttribute("points", `0,30 ${points.join(" ")} ${signal.length},30`)
  return box
}

const stripOf = (shares, colors) => {
  const canvas = document.createElement("canvas")
  canvas.width = shares.length
  canvas.height = 20
  const pen = canvas.getContext("2d")
  for (const [i, row] of shares.entries()) {
    let top = 0
    for (const [k, share] of row.entries()) {
      pen.fillStyle = colors[k]
      pen.fillRect(i, 20 * top, 1, 20 * share)
      top += share
    }
  }
  return canvas
}

PLOTS.strips = (c, sheet) => {
  const box = make("div", "strips")
  const usual = "Point at a lane to read it."
  const said = make("p", "said", usual)
  const longest = Math.max(1, ...c.values.map((row) => row.length))
  const [, first, step] = c.ruler[0] ?? ["", 1, 1]
  const alike = c.ruler.every(([, at, by]) => at === first && by === step)
  for (const [r, name] of c.names.entries()) {
    const row = c.values[r]
    if (!row.length) continue
    const [title, start, by] = c.ruler[r]
    const lane = make("div", "lane")
    lane.style.width = `${((100 * row.length) / longest).toFixed(2)}%`
    if (c.signal) lane.append(areaOf(c.signal[r], c.top))
    const strip = stripOf(row, sheet.colors)
    strip.setAttribute("role", "img")
    strip.setAttribute("aria-label", `${name}: ${c.classes.join(", ")}`)
    lane.append(strip)
    if (!alike) lane.append(rulerOf(start, by, row.length, (MARKS * row.length) / longest))
    lane.onmousemove = (event) => {
      const at = strip.getBoundingClientRect()
      const share = (event.clientX - at.left) / at.width
      const i = Math.max(0, Math.min(row.length - 1, Math.floor(share * row.length)))
      const low = start + i * by
      const where =
        by > 1
          ? `${placeOf(low)}–${placeOf(low + by)}`
          : `${c.axis.replace(/s$/, "")} ${placeOf(low)}`
      const seen = c.signal ? `${c.seen.toLowerCase()} ${value(c.signal[r][i])}, ` : ""
      const states = c.classes.map((state, k) => `${state} ${(100 * row[i][k]).toFixed(0)} %`)
      said.textContent = `${title}, ${where}: ${seen}${states.join(", ")}`
    }
    lane.onmouseleave = () => {
      said.textContent = usual
    }
    const label = make("span", "name", title)
    label.title = name
    if (by > 1)
      label.append(make("small", "", `${placeOf(start)}–${placeOf(start + by * row.length)}`))
    box.append(label, lane)
  }
  if (alike) {
    const below = make("div", "lane below")
    below.append(rulerOf(first, step, longest, MARKS))
    box.append(make("span"), below)
  }
  sheet.main.append(legend(c.classes, sheet.colors), said, box)
  const scale = c.signal
    ? ` ${c.seen} from 0 to ${value(c.top)} in every lane${c.largest > c.top ? `, higher ones (to ${value(c.largest)}) cut off` : ""}.`
    : ""
  sheet.note(
    `Along each lane: ${c.one}s, ${c.one === "base" ? "counted from 0" : "counted from 1"}.${scale} ${c.note}`,
  )
}
