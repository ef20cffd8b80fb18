// A file dropped anywhere on the page is kept until the data panel takes it.
// Everything is heard in the capture phase, before a view that takes drops itself can stop it.
export function render({ model }) {
  const veil = document.createElement("div")
  veil.className = "veil"
  veil.style.cssText = `position: fixed; inset: 0; z-index: 3000; display: none; place-items: center;
    font: 600 18px var(--db-font); color: var(--db-accent-text); pointer-events: none;
    background: color-mix(in srgb, var(--db-surface) 86%, transparent);
    outline: 3px dashed var(--db-accent); outline-offset: -18px`
  veil.textContent = "Drop to bring this data in"
  const show = (on) => {
    veil.style.display = on ? "grid" : "none"
  }
  const inside = (event, selector) => event.composedPath().some((el) => el.matches?.(selector))
  // A drag that goes on is told several times a second, its end not always: then the veil goes by itself.
  let resting = 0
  const over = (event) => {
    if (hasFiles(event)) {
      event.preventDefault()
      event.dataTransfer.dropEffect = "copy"
      show(!inside(event, "[data-takes-files]"))
      clearTimeout(resting)
      resting = setTimeout(() => show(false), 1500)
    } else if (
      !inside(event, "input, textarea, [contenteditable=true]") &&
      [...event.dataTransfer.types].includes("text/uri-list")
    ) {
      // A link let go here would take the page away.
      event.preventDefault()
      event.dataTransfer.dropEffect = "none"
    }
  }
  const hands = {
    dragenter: over,
    dragover: over,
    dragleave: (event) => {
      if (!event.relatedTarget) show(false)
    },
    dragend: () => show(false),
    drop: async (event) => {
      show(false)
      if (!hasFiles(event) || inside(event, "[data-takes-files]")) return
      event.preventDefault()
      event.stopPropagation()
      const { found, problems } = await dropped(event.dataTransfer)
      for (const text of problems) model.send_msg({ do: "refused", text })
      if (!found.length) return
      window.diffbioDropped = [...(window.diffbioDropped ?? []), ...found]
      window.dispatchEvent(new Event("diffbio-dropped"))
      model.send_msg({ do: "dropped" })
    },
  }
  for (const [name, hand] of Object.entries(hands)) window.addEventListener(name, hand, true)
  model.on("remove", () => {
    clearTimeout(resting)
    for (const [name, hand] of Object.entries(hands)) window.removeEventListener(name, hand, true)
  })
  return veil
}
