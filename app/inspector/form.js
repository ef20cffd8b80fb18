// Lines of settings: a slider with a number, a switch, a choice or a text each.
const clean = (x) =>
  x === 0
    ? "0"
    : Math.abs(x) >= 1e5 || Math.abs(x) < 1e-3
      ? Number(x)
          .toExponential(2)
          .replace(/\.?0+e/, "e")
      : String(+Number(x).toPrecision(4))

export function render({ model }) {
  const root = document.createElement("div")
  root.className = "lines"
  root.classList.toggle("compact", model.compact)
  const lines = new Map()
  const opened = new Map(),
    MORE = "More settings"
  let shape = ""

  const sender = (name) => {
    let timer = null,
      last = 0,
      waiting
    return (value, final) => {
      waiting = value
      const go = () => {
        timer = null
        last = performance.now()
        model.send_msg({ name, value: waiting })
      }
      clearTimeout(timer)
      const wait = final ? 0 : Math.max(0, 80 - (performance.now() - last))
      if (wait) timer = setTimeout(go, wait)
      else go()
    }
  }

  const slider = (row, line) => {
    const whole = row.kind === "whole",
      send = sender(row.name)
    const low = row.low ?? 0
    const high = row.high ?? 1
    const bounded = row.high != null && row.low != null
    // In equal ratios where declared; finer near zero where the default is small beside the range.
    const power = low === 0 && !whole && row.default < 0.1 * high ? 3 : 1
    const to = row.log
      ? (v) => Math.log(v / low) / Math.log(high / low)
      : (v) => ((v - low) / (high - low)) ** (1 / power)
    const from = row.log ? (t) => low * (high / low) ** t : (t) => low + t ** power * (high - low)
    if (!bounded) line.classList.add("beside")
    line.insertAdjacentHTML(
      "beforeend",
      `<div class="slide">
      ${bounded ? '<input type="range" min="0" max="1" step="any">' : ""}
      <input class="number" type="text" inputmode="decimal" spellcheck="false"></div>`,
    )
    const range = line.querySelector("[type=range]"),
      number = line.querySelector(".number")
    number.setAttribute("aria-label", row.label)
    const paint = (v) =>
      range?.style.setProperty("--share", `${100 * Math.min(1, Math.max(0, to(v)))}%`)
    let moving = false
    if (range) {
      range.setAttribute("aria-label", row.label)
      range.step = whole && !row.log ? 1 / (high - low) : 0.002
      const read = () => {
        const v = from(+range.value)
        return whole ? Math.round(v) : +v.toPrecision(3)
      }
      range.addEventListener("input", () => {
        moving = true
        const v = read()
        number.value = clean(v)
        range.setAttribute("aria-valuetext", clean(v))
        paint(v)
        send(v)
      })
      range.addEventListener("change", () => {
        moving = false
        send(read(), true)
      })
    }
    number.addEventListener("change", () => {
      const text = number.value.trim().replace(",", ".")
      send(text === "" ? null : Number.isFinite(+text) ? +text : text, true)
    })
    number.addEventListener("keydown", (event) => {
      if (event.key === "Enter") number.blur()
    })
    return (value) => {
      if (moving) return
      if (document.activeElement !== number && root.getRootNode().activeElement !== number)
        number.value = value == null ? "" : clean(value)
      if (range && value != null) {
        range.value = to(value)
        paint(value)
        range.setAttribute("aria-valuetext", clean(value))
      }
    }
  }

  const toggle = (row, line) => {
    const send = sender(row.name)
    line.classList.add("beside")
    line.insertAdjacentHTML("beforeend", '<input type="checkbox" role="switch">')
    const box = line.querySelector("[type=checkbox]")
    box.setAttribute("aria-label", row.label)
    box.addEventListener("change", () => send(box.checked, true))
    return (value) => {
      box.checked = !!value
    }
  }

  const choice = (row, line) => {
    const send = sender(row.name)
    const few = row.choices.length <= 4 && row.choices.join("").length <= 30
    const words = (c) => String(c).replaceAll("_", " ")
    if (few) {
      const group = document.createElement("div")
      group.className = "choices"
      group.setAttribute("role", "radiogroup")
      group.setAttribute("aria-label", row.label)
      for (const c of row.choices) {
        const b = document.createElement("button")
        b.type = "button"
        b.textContent = words(c)
        b.setAttribute("role", "radio")
        b.addEventListener("click", () => send(c, true))
        group.append(b)
      }
      line.append(group)
      return (value) => {
        for (const [i, b] of [...group.children].entries())
          b.setAttribute("aria-checked", String(row.choices[i] === value))
      }
    }
    const select = document.createElement("select")
    select.setAttribute("aria-label", row.label)
    for (const [i, c] of row.choices.entries()) select.add(new Option(words(c), i))
    select.addEventListener("change", () => send(row.choices[+select.value], true))
    line.append(select)
    return (value) => {
      select.value = row.choices.indexOf(value)
    }
  }

  const text = (row, line) => {
    const send = sender(row.name),
      list = row.kind === "list"
    const field = document.createElement("input")
    field.type = "text"
    field.className = "text"
    field.spellcheck = false
    field.setAttribute("aria-label", row.label)
    if (list) field.placeholder = "numbers, separated by commas"
    field.addEventListener("change", () => {
      const typed = field.value.trim()
      const parts = typed
        .split(/[\s,;]+/)
        .filter(Boolean)
        .map((x) => (Number.isFinite(+x) ? +x : x))
      send(list ? parts : typed === "" && row.optional ? null : typed, true)
    })
    line.append(field)
    return (value) => {
      field.value = value == null ? "" : list ? value.join(", ") : value
    }
  }

  const build = () => {
    lines.clear()
    root.replaceChildren()
    if (model.title) {
      root.insertAdjacentHTML("beforeend", "<h4></h4>")
      root.querySelector("h4").textContent = model.title
    }
    if (!model.rows.length && model.empty) {
      const p = document.createElement("p")
      p.className = "empty"
      p.textContent = model.empty
      root.append(p)
    }
    // Groups fold; a long one begins folded. What the person opened stays open.
    const groups = new Map()
    const group = (title) => {
      if (!title) return root
      if (!groups.has(title)) {
        const fold = document.createElement("details")
        fold.innerHTML = "<summary></summary>"
        fold.querySelector("summary").textContent = title
        const many = model.rows.filter((r) => r.heading === title).length > 4
        fold.open = opened.get(title) ?? !(many || title === MORE || title === "Next run")
        fold.addEventListener("toggle", () => opened.set(title, fold.open))
        groups.set(title, fold)
      }
      return groups.get(title)
    }
    for (const row of model.rows) {
      const line = document.createElement("div")
      line.className = "line"
      line.dataset.setting = row.name
      line.innerHTML = `<div class="head"><span class="label"></span><span class="unit"></span><span class="mark" title="This takes effect in a new run">restarts the run</span><span class="help" tabindex="0" role="note">?</span></div>`
      line.querySelector(".label").textContent = row.label
      if (row.of) {
        const of = document.createElement("small")
        of.textContent = row.of
        line.querySelector(".label").append(of)
      }
      line.querySelector(".unit").textContent = row.unit
      const help = line.querySelector(".help")
      help.dataset.help = row.help
      help.setAttribute("aria-label", row.help)
      help.hidden = !row.help
      line.querySelector(".label").title = model.compact
        ? `${row.label}${row.unit ? ` (${row.unit})` : ""}: ${row.help}`
        : ""
      const make = { whole: slider, number: slider, switch: toggle, choice, text, list: text }[
        row.kind
      ]
      const set = make(row, line)
      line.insertAdjacentHTML("beforeend", '<div class="note" role="alert"></div>')
      lines.set(row.name, { line, set })
      group(row.advanced ? MORE : row.heading).append(line)
    }
    for (const [title, words] of Object.entries(model.about)) {
      const more = document.createElement("button")
      more.type = "button"
      more.className = "about"
      more.textContent = words
      more.addEventListener("click", () => model.send_msg({ about: title }))
      groups.get(title)?.append(more)
    }
    root.append(...groups.values())
  }

  const draw = () => {
    const now =
      JSON.stringify(model.rows.map(({ value, note, ...rest }) => rest)) + model.title + model.empty
    if (now !== shape) {
      shape = now
      build()
    }
    for (const row of model.rows) {
      const { line, set } = lines.get(row.name)
      const message = model.messages[row.name] || row.note || ""
      if (!model.messages[row.name]) set(row.value)
      line.classList.toggle("wrong", !!message)
      line.classList.toggle("changed", JSON.stringify(row.value) !== JSON.stringify(row.default))
      line.inert = model.locked && !model.free.includes(row.name)
      line.classList.toggle("restarts", model.running && !row.live)
      line.querySelector(".note").textContent = message
    }
  }
  for (const p of ["rows", "messages", "running", "locked", "free", "title", "empty"])
    model.on(p, draw)
  draw()
  return root
}
