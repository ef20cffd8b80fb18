// A file dropped anywhere on the page is kept until the data panel takes it.
export function render({ model }) {
  const veil = document.createElement("div")
  veil.style.cssText = `position: fixed; inset: 0; z-index: 3000; display: none; place-items: center;
    font: 600 18px var(--db-font); color: var(--db-accent-text); pointer-events: none;
    background: color-mix(in srgb, var(--db-surface) 86%, transparent);
    outline: 3px dashed var(--db-accent); outline-offset: -18px`
  veil.textContent = "Drop to bring this data in"
  let depth = 0
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files")
  const show = (on) => { veil.style.display = on ? "grid" : "none" }
  const hands = {
    dragenter: (event) => { if (files(event)) { depth++; show(true) } },
    dragleave: (event) => { if (files(event) && --depth <= 0) { depth = 0; show(false) } },
    dragover: (event) => { if (files(event)) event.preventDefault() },
    drop: (event) => {
      depth = 0
      show(false)
      if (!files(event) || event.defaultPrevented) return
      event.preventDefault()
      window.diffbioDropped = [...event.dataTransfer.files].map((file) => ({ file, path: file.name }))
      window.dispatchEvent(new Event("diffbio-dropped"))
      model.send_msg({ do: "dropped" })
    },
  }
  for (const [name, hand] of Object.entries(hands)) window.addEventListener(name, hand)
  model.on("remove", () => {
    for (const [name, hand] of Object.entries(hands)) window.removeEventListener(name, hand)
  })
  return veil
}
