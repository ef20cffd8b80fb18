// The header, its menu, the notices in the corner, and reading and writing pipeline files.
const DATA =
  "M4 6c0-1.700 3.600-3 8-3s8 1.300 8 3-3.600 3-8 3-8-1.300-8-3zM4 6v12c0 1.700 3.600 3 8 3s8-1.300 8-3V6M4 12c0 1.700 3.600 3 8 3s8-1.300 8-3"
const SUN =
  "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.500 1.500M17.500 17.500 19 19M5 19l1.500-1.500M17.500 6.500 19 5"
const MOON = "M20 14A8.500 8.500 0 0 1 10 4a8.500 8.500 0 1 0 10 10z"

export function render({ model }) {
  const root = document.createElement("div")
  root.className = "header"
  root.innerHTML = `
    <input class="name" aria-label="Name of the pipeline" spellcheck="false" maxlength="80">
    <span class="saved" role="status"></span>
    <button class="take-over" hidden title="Edit it here; the other tab or browser looks on. Nothing is lost.">Take over</button>
    <button class="menu-button" aria-haspopup="menu" aria-label="Pipeline menu" title="New, open, earlier versions, import, export">Pipeline${icon("M6 9l6 6 6-6")}</button>
    <div class="menu" role="menu" hidden>
      <button role="menuitem" data-do="new">New pipeline</button>
      <button role="menuitem" data-show="saved">Saved pipelines and versions…</button>
      <button role="menuitem" data-show="presets">Open a ready pipeline…</button>
      <button role="menuitem" data-do="open">Import from a file…</button>
      <button role="menuitem" data-do="export">Export to a file</button>
    </div>
    <button class="data" data-show="data">${icon(DATA)}<span><b></b><i></i></span></button>
    <span class="space"></span>
    <span class="layouts" role="group" aria-label="Layout of the page">
      <button data-layout="build" title="Build: blocks, canvas and inspector (1)">Build</button>
      <button data-layout="explore" title="Explore: the map has the window (2)">Explore</button>
      <button data-layout="train" title="Train: map, losses and dials (3)">Train</button></span>
    <span class="space"></span>
    <button data-show="runs" class="plain">Runs</button>
    <button data-show="findings" class="plain" title="Gene tables, networks, plans and compositions of the run">Results</button>
    <button data-show="exports" class="plain">Export</button>
    <button data-show="softness" class="plain" title="From hard to soft: what temperature does">Help</button>
    <span class="device" title="Where runs compute"></span>
    <a class="owner" href="logout" title="Signed in. Press to sign out."></a>
    <button class="round theme" aria-label="Light or dark"></button>
    <button class="round" data-show="shortcuts" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)">?</button>
    <input class="file" type="file" accept=".json,application/json" hidden>`
  const toasts = document.createElement("div")
  toasts.className = "toasts"
  toasts.setAttribute("role", "alert")
  toasts.popover = "manual" // the top layer: over dialogs, too
  root.append(toasts)
  const $ = (selector) => root.querySelector(selector)
  const menu = $(".menu"),
    name = $(".name"),
    file = $(".file")

  const close = () => {
    menu.hidden = true
  }
  $(".menu-button").addEventListener("click", (event) => {
    event.stopPropagation()
    menu.hidden = !menu.hidden
  })
  document.addEventListener("click", close)
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close()
  })
  for (const b of root.querySelectorAll("[data-show]"))
    b.addEventListener("click", () => model.send_msg({ do: "show", what: b.dataset.show }))
  const layouts = root.querySelectorAll("[data-layout]")
  for (const b of layouts)
    b.addEventListener("click", () => model.send_msg({ do: "layout", layout: b.dataset.layout }))
  $(".take-over").addEventListener("click", () => model.send_msg({ do: "take_over" }))
  $("[data-do=new]").addEventListener("click", () => model.send_msg({ do: "new" }))
  $("[data-do=export]").addEventListener("click", () => model.send_msg({ do: "export" }))
  $("[data-do=open]").addEventListener("click", () => file.click())
  file.addEventListener("change", async () => {
    // No pipeline is so large: data, say, would be too much for the line.
    const chosen = file.files[0]
    if (chosen) model.send_msg({ do: "import", text: chosen.size > 4e6 ? "" : await chosen.text() })
    file.value = ""
  })
  model.on("msg:custom", (message) => {
    if (message?.do !== "download") return
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([message.text], { type: "application/json" }))
    link.download = message.name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 5000)
  })
  name.addEventListener("change", () => model.send_msg({ do: "rename", name: name.value }))
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") name.blur()
    if (event.key === "Escape") {
      name.value = model.pipeline
      name.blur()
    }
  })
  const wide = () => {
    name.style.width = `${Math.min(34, Math.max(8, name.value.length + 1))}ch`
  }
  name.addEventListener("input", wide)

  $(".theme").addEventListener("click", () => {
    const theme = model.theme === "dark" ? "default" : "dark"
    // A cookie, so that the server draws the next page in it at once.
    // biome-ignore lint/suspicious/noDocumentCookie: the other interface is missing in Firefox
    document.cookie = `diffbio-theme=${theme}; path=/; max-age=31536000; SameSite=Lax`
    model.send_msg({ do: "theme", theme })
  })

  let told = model.notice?.n ?? 0
  const tell = () => {
    const { text, kind, n } = model.notice
    if (!text || n === told) return
    told = n
    const toast = document.createElement("div")
    toast.className = `toast ${kind}`
    toast.innerHTML = `<span></span><button aria-label="Close">×</button>`
    toast.querySelector("span").textContent = text
    toast.querySelector("button").addEventListener("click", () => toast.remove())
    toasts.prepend(toast)
    // Shown anew, so that it also lies over what has been opened since.
    if (toasts.matches(":popover-open")) toasts.hidePopover()
    toasts.showPopover?.()
    while (toasts.children.length > 4) toasts.lastChild.remove()
    if (kind !== "error") setTimeout(() => toast.remove(), 4000 + 60 * text.length)
  }
  // Where the page moves it, it drops out of the top layer, under the dialog that opens then.
  const above = setInterval(() => {
    if (toasts.children.length && toasts.isConnected && !toasts.matches(":popover-open"))
      toasts.showPopover?.()
  }, 250)

  const draw = () => {
    for (const b of layouts)
      b.setAttribute("aria-pressed", String(b.dataset.layout === model.layout))
    if (document.activeElement !== name && root.getRootNode().activeElement !== name)
      name.value = model.pipeline
    wide()
    const good =
      !model.read_only && !model.looks && (model.saved === "saved" || model.saved === "saving")
    name.readOnly = model.read_only || model.looks
    $(".take-over").hidden = !model.read_only || model.looks
    $(".saved").textContent = model.looks
      ? "As a run had it"
      : model.read_only
        ? "Read-only: edited in another tab"
        : model.saved === "saved"
          ? "Saved"
          : model.saved === "saving"
            ? "Saving…"
            : model.saved
    $(".saved").classList.toggle("bad", !good)
    $(".saved").classList.toggle("elsewhere", model.read_only || model.looks)
    const [title, size] = model.dataset.split("\n")
    $(".data b").textContent = title || "Choose data"
    $(".data i").textContent = size || ""
    $(".data").classList.toggle("empty", !title)
    $(".device").textContent = model.device
    $(".device").title = model.where
    $(".owner").textContent = model.owner
    $(".theme").innerHTML = icon(model.theme === "dark" ? SUN : MOON)
    $(".theme").title = model.theme === "dark" ? "Light" : "Dark"
  }
  for (const p of [
    "pipeline",
    "dataset",
    "saved",
    "device",
    "where",
    "theme",
    "owner",
    "read_only",
    "looks",
    "layout",
  ])
    model.on(p, draw)
  model.on("notice", tell)
  model.on("remove", () => {
    document.removeEventListener("click", close)
    clearInterval(above)
  })
  draw()
  return root
}
