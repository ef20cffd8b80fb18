// From hard to soft: operations on the left, the temperature over the curves, words on the right.
const clean = (x) => (x < 0.001 ? x.toExponential(1) : String(+x.toPrecision(2)))
const MARKS = [0.001, 0.01, 0.1, 1, 10]

export function render({ model }) {
  const [low, high] = model.bounds
  const to = (v) => Math.log(v / low) / Math.log(high / low)
  const from = (t) => low * (high / low) ** t
  const root = document.createElement("div")
  root.className = "sheet"
  root.innerHTML = `<div class="grid">
    <p class="intro">Counting, choosing and sorting answer in jumps, and from a jump nothing can be learned. A soft operation rounds the
      jump off, so that a gradient says which way is better. The temperature says how far: near zero it is the classical operation.</p>
    <div class="list" role="radiogroup" aria-label="Operation"></div><select aria-label="Operation"></select>
    <div class="turn"><label for="t">Temperature (softness) <i></i><span class="busy" role="status">drawing…</span></label>
      <div class="slide"><div class="track"><input id="t" type="range" min="0" max="1" step="0.0025"></div>
      <input class="number" type="text" inputmode="decimal" aria-label="Temperature (softness), number" spellcheck="false"></div></div>
    <div class="curves"></div>
    <div class="words"><div class="title"><h3></h3><code></code></div>
      <dl><div class="is-hard"><dt>Hard</dt><dd></dd></div><div class="is-cold"><dt>Low temperature</dt><dd></dd></div><div class="is-warm"><dt>High temperature</dt><dd></dd></div></dl>
      <div class="modes"><h4>Ways to soften</h4><div class="rows"></div></div></div></div>`
  const $ = (selector) => root.querySelector(selector)
  const range = $("#t"),
    number = $(".number"),
    select = $("select"),
    list = $(".list")
  $(".curves").append(model.get_child("curves"))

  const choose = (name) => model.send_msg({ do: "choose", name })
  for (const group of model.groups) {
    const heading = document.createElement("h4"),
      inside = document.createElement("optgroup")
    heading.textContent = inside.label = group.title
    list.append(heading)
    select.append(inside)
    for (const { name, title } of group.operations) {
      const b = document.createElement("button")
      b.type = "button"
      b.dataset.name = name
      b.setAttribute("role", "radio")
      b.textContent = title
      b.append(Object.assign(document.createElement("small"), { textContent: name }))
      b.addEventListener("click", () => choose(name))
      list.append(b)
      inside.append(new Option(`${title}  (${name})`, name))
    }
  }
  select.addEventListener("change", () => choose(select.value))
  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!by) return
    event.preventDefault()
    const all = [...list.querySelectorAll("button")]
    const next = all[all.findIndex((b) => b.dataset.name === model.chosen) + by]
    if (next) {
      next.focus()
      choose(next.dataset.name)
    }
  })

  // The canvas below would take away its chosen block.
  root.addEventListener("keydown", (event) => {
    if (["Delete", "Backspace"].includes(event.key)) event.stopPropagation()
  })

  // At most one message in 40 ms; the last always arrives.
  let timer = null,
    last = 0,
    moving = false
  const send = (value, now) => {
    clearTimeout(timer)
    const go = () => {
      last = performance.now()
      model.send_msg({ do: "softness", value })
    }
    const wait = now ? 0 : Math.max(0, 40 - (performance.now() - last))
    if (wait) timer = setTimeout(go, wait)
    else go()
  }
  const show = (value) => {
    if (root.getRootNode().activeElement !== number) number.value = clean(value)
    range.setAttribute("aria-valuetext", clean(value))
    $(".is-cold").classList.toggle("now", value < model.words.soft_from)
    $(".is-warm").classList.toggle("now", value >= model.words.soft_from)
  }
  range.addEventListener("input", () => {
    moving = true
    const v = from(+range.value)
    show(v)
    send(v, false)
  })
  range.addEventListener("change", () => {
    moving = false
    send(from(+range.value), true)
  })
  number.addEventListener("change", () => {
    const v = +number.value.trim().replace(",", ".")
    if (v > 0) send(Math.min(high, Math.max(low, v)), true)
    else number.value = clean(model.softness)
  })
  number.addEventListener("keydown", (event) => {
    if (event.key === "Enter") number.blur()
  })
  for (const mark of MARKS) {
    const at = document.createElement("span")
    at.textContent = String(mark)
    at.style.left = `${100 * to(mark)}%`
    at.addEventListener("click", () => send(mark, true))
    range.after(at)
  }
  $(".track").append(...[...root.querySelectorAll(".track span")].reverse())

  const draw = () => {
    for (const b of list.querySelectorAll("button"))
      b.setAttribute("aria-checked", b.dataset.name === model.chosen)
    select.value = model.chosen
    const w = model.words
    $("h3").textContent = w.title
    $("code").textContent = w.name
    $(".turn i").textContent = w.unit
    for (const key of ["hard", "cold", "warm"]) {
      $(`.is-${key} dd`).textContent = w[key]
      $(`.is-${key}`).hidden = !w[key]
    }
    if (!moving) {
      range.value = to(model.softness)
      show(model.softness)
    }
    $(".busy").classList.toggle("on", model.busy)
  }
  const drawModes = () => {
    $(".rows").replaceChildren(
      ...model.modes.map((m) => {
        const b = document.createElement("button")
        b.type = "button"
        b.className = "mode"
        b.dataset.mode = m.name
        b.setAttribute("aria-pressed", m.on && m.there)
        b.disabled = !m.there
        b.title = m.there
          ? m.on
            ? "Click to hide"
            : "Click to show"
          : "This operation has no such mode"
        b.innerHTML = `<svg viewBox="0 0 34 10"><line x1="1" x2="33" y1="5" y2="5" stroke-width="${m.width}" stroke-dasharray="${m.dash}"/></svg><b></b><span></span>`
        b.style.setProperty("--light", m.light)
        b.style.setProperty("--dark", m.dark)
        b.querySelector("b").textContent = m.name
        b.querySelector("span").textContent = m.text
        b.addEventListener("click", () => model.send_msg({ do: "toggle", mode: m.name }))
        return b
      }),
    )
  }
  for (const p of ["chosen", "words", "softness", "busy"]) model.on(p, draw)
  model.on("modes", drawModes)
  draw()
  drawModes()
  const look = () => root.classList.toggle("dark", document.documentElement.dataset.look === "dark")
  const watcher = new MutationObserver(look)
  watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-look"] })
  model.on("remove", () => {
    watcher.disconnect()
    clearTimeout(timer)
  })
  look()
  // Opened again, the list begins at what was chosen.
  setTimeout(() => {
    const b = list.querySelector("[aria-checked=true]")
    if (b) list.scrollTop = b.offsetTop - list.offsetTop - 80
  }, 50)
  return root
}
