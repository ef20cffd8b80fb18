// A bar between two parts of the page. It asks for a size; the layout sets it (layout.js).
const STEP = 24

export function render({ model, el }) {
  const box = make("div", model.lies ? "divider lies" : "divider")
  const bar = make("div", "bar")
  bar.tabIndex = 0
  bar.setAttribute("role", "separator")
  bar.setAttribute("aria-orientation", model.lies ? "horizontal" : "vertical")
  bar.setAttribute("aria-valuemin", "0")
  bar.setAttribute("aria-label", `Size of: ${model.title}`)
  bar.title = "Drag to resize, double-click to reset; arrow keys move it, Enter folds"
  const fold = make("button", "fold")
  box.append(bar, fold)
  const tell = (detail) =>
    document.dispatchEvent(
      new CustomEvent("diffbio:size", { detail: { part: model.part, ...detail } }),
    )

  // The part is what stands beside this component; it may have been put there after it.
  const host = () => el.getRootNode().host ?? el
  const part = () => (model.after ? host().nextElementSibling : host().previousElementSibling)
  const length = () => {
    const room = part()?.getBoundingClientRect()
    return room ? Math.round(model.lies ? room.height : room.width) : 0
  }
  const most = () => {
    const room = host().parentElement?.getBoundingClientRect() ?? document.body
    const whole = host().getRootNode().host?.getBoundingClientRect() ?? room
    return Math.min(model.high, Math.round(model.lies ? whole.height : whole.width) - 200)
  }
  const draw = () => {
    const now = length(),
      away = now === 0,
      beside = part()
    box.classList.toggle("away", away)
    if (beside) beside.inert = away // what is folded away is out of the way of the Tab key, too
    bar.setAttribute("aria-valuenow", String(now))
    bar.setAttribute("aria-valuemax", String(Math.max(most(), now)))
    bar.setAttribute("aria-valuetext", away ? "folded away" : `${now} pixels`)
    const forward = away === model.after // which way the part moves when pressed
    const arrow = model.lies
      ? away
        ? "M6 9l6 6 6-6"
        : "M6 15l6-6 6 6"
      : forward
        ? "M15 6l-6 6 6 6"
        : "M9 6l6 6-6 6"
    fold.innerHTML = `${icon(arrow)}<span></span>`
    fold.querySelector("span").textContent = away ? model.title : ""
    fold.title = away ? `Show: ${model.title}` : `Fold away: ${model.title}`
    fold.setAttribute("aria-label", fold.title)
    fold.setAttribute("aria-expanded", String(!away))
  }
  const put = (pixels, rests) => {
    const kept = pixels < model.low / 2 ? 0 : Math.min(Math.max(pixels, model.low), most())
    // Side panels hold words, which need the same room on any screen; the others are pictures.
    const own = model.part === "losses" || model.part === "canvas"
    const unit = model.lies ? "vh" : "vw"
    const whole = model.lies ? window.innerHeight : window.innerWidth
    const size = kept && own ? `${((100 * kept) / whole).toFixed(2)}${unit}` : `${kept}px`
    tell({ size, rests })
  }

  let from = null
  const at = (event) => (model.lies ? event.clientY : event.clientX)
  bar.onpointerdown = (event) => {
    if (event.button) return
    event.preventDefault()
    bar.focus()
    bar.setPointerCapture(event.pointerId)
    from = { at: at(event), length: length(), moved: false }
    box.classList.add("held")
  }
  bar.onpointermove = (event) => {
    if (!from) return
    const by = (at(event) - from.at) * (model.after ? -1 : 1)
    if (!from.moved && Math.abs(by) < 3) return
    from.moved = true
    put(from.length + by, false)
  }
  const let_go = () => {
    if (from?.moved) put(length(), true)
    from = null
    box.classList.remove("held")
  }
  bar.onpointerup = let_go
  bar.onpointercancel = let_go
  bar.ondblclick = () => tell({ reset: true, rests: true })
  fold.onclick = () => tell({ fold: true, rests: true })
  bar.onkeydown = (event) => {
    const [less, more] = model.lies ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"]
    const way = { [less]: -1, [more]: 1 }[event.key]
    if (way) put(length() + way * STEP * (event.shiftKey ? 4 : 1) * (model.after ? -1 : 1), true)
    else if (event.key === "Home") put(0, true)
    else if (event.key === "End") put(most(), true)
    else if (event.key === "Enter") tell({ fold: true, rests: true })
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  const sizes = new ResizeObserver(draw)
  const soon = () => {
    const beside = part()
    if (beside) sizes.observe(beside)
    draw()
  }
  document.addEventListener("diffbio:laid-out", draw)
  const waiting = requestAnimationFrame(soon)
  model.on(["part", "title", "after", "lies", "low", "high"], draw)
  model.on("remove", () => {
    cancelAnimationFrame(waiting)
    sizes.disconnect()
    document.removeEventListener("diffbio:laid-out", draw)
  })
  return box
}
