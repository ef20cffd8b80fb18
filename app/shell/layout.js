// Sizes of the parts of the page as CSS variables of its root; what the person has set is kept.
const PARTS = [
  ["palette", "--db-palette"],
  ["canvas", "--db-canvas"],
  ["losses", "--db-losses"],
  ["inspector", "--db-inspector"],
]

export function render({ model, view }) {
  const { document: page } = view.model
  name_by_id(page)
  const root = document.documentElement
  const place = `diffbio-layout:${model.person}`
  let kept = { layout: "", sizes: {} }
  try {
    kept = { ...kept, ...JSON.parse(localStorage.getItem(place) || "{}") }
  } catch {
    // Kept by another version, or the browser keeps nothing: as each layout is.
  }
  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify(kept))
    } catch {
      // A window that may keep nothing works all the same.
    }
  }
  const known = (layout) => Object.hasOwn(model.layouts, layout)
  let layout = known(kept.layout) ? kept.layout : model.layout
  const own = () => {
    kept.sizes[layout] ??= {}
    return kept.sizes[layout]
  }
  const size = (part) => own()[part] ?? model.layouts[layout][part]
  // Plots are laid out anew by the library only where their column changes, and not every time.
  let due = 0
  const draw = () => {
    for (const [part, variable] of PARTS) {
      const is = size(part)
      if (is) root.style.setProperty(variable, is)
      else root.style.removeProperty(variable)
    }
    document.dispatchEvent(new CustomEvent("diffbio:laid-out"))
    cancelAnimationFrame(due)
    due = requestAnimationFrame(() => view.root.compute_layout())
  }
  const folded = (part) => size(part) === "0px"
  const choose = (wanted, was_kept = false) => {
    if (!known(wanted)) return
    layout = wanted
    draw()
    if (model.layout !== layout) model.send_msg({ layout, kept: was_kept })
  }

  // A bar tells of its part: {part, size}, or {part, reset}, or {part, fold}; `rests` when let go.
  const change = (detail) => {
    const mine = own(),
      { part } = detail
    if (detail.reset) delete mine[part]
    else if (detail.fold) {
      const before = `${part} before`
      if (folded(part)) {
        const usual = model.layouts[layout][part]
        mine[part] = mine[before] ?? (usual === "0px" ? model.layouts.build[part] || "40vh" : usual)
        if (!mine[part]) delete mine[part]
      } else {
        mine[before] = size(part)
        mine[part] = "0px"
      }
    } else mine[part] = detail.size
    draw()
    if (detail.rests) keep()
  }
  const told = (event) => change(event.detail)
  // Who searches a block looks at blocks: the palette is unfolded, and the canvas is there.
  const search = () => {
    if (layout !== "build") choose("build")
    if (folded("palette")) change({ part: "palette", fold: true, rests: true })
  }
  const keys = (event) => {
    const path = event.composedPath()
    const wanted = { 1: "build", 2: "explore", 3: "train" }[event.key]
    if (!wanted || event.ctrlKey || event.metaKey || event.altKey) return
    if (path.some((e) => e.role === "dialog" || e.isContentEditable)) return
    if (["INPUT", "TEXTAREA", "SELECT"].includes(path[0].tagName)) return
    event.preventDefault()
    choose(wanted)
  }
  document.addEventListener("diffbio:size", told)
  document.addEventListener("diffbio:search", search, true)
  document.addEventListener("keydown", keys)
  model.on("layout", () => {
    if (layout !== model.layout) choose(model.layout)
    kept.layout = layout
    keep()
  })
  model.on("msg:custom", (message) => choose(message?.layout))
  model.on(["layouts", "person"], draw)
  model.on("remove", () => {
    cancelAnimationFrame(due)
    document.removeEventListener("diffbio:size", told)
    document.removeEventListener("diffbio:search", search, true)
    document.removeEventListener("keydown", keys)
  })
  choose(layout, true)
  return document.createElement("div")
}
