// The palette: search, headings, items that can be dragged onto the canvas.
export function render({ model }) {
  const root = document.createElement("div")
  root.className = "palette"
  root.innerHTML = `
    <div class="search">
      <svg viewBox="0 0 24 24"><path d="M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5"/></svg>
      <input type="search" placeholder="Search blocks" aria-label="Search blocks" spellcheck="false">
      <kbd>/</kbd>
    </div>
    <div class="list" role="list"></div>`
  const search = root.querySelector("input")
  const list = root.querySelector(".list")

  const tell = (what) => document.dispatchEvent(new CustomEvent(what))
  const item = (block) => {
    const row = document.createElement("div")
    row.className = "item"
    row.draggable = true
    row.tabIndex = 0
    row.setAttribute("role", "listitem")
    row.dataset.operator = block.id
    row.title = block.summary
    row.style.setProperty("--kind", block.color)
    row.innerHTML = `<span class="icon"><svg viewBox="0 0 24 24"><path></path></svg></span>
      <span class="words"><b></b><i></i></span>`
    row.querySelector("path").setAttribute("d", block.icon)
    row.querySelector("b").textContent = block.title
    row.querySelector("i").textContent = block.summary
    const add = () => model.send_msg({ do: "add", operator: block.id })
    row.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData(model.mime, JSON.stringify({ operator: block.id }))
      event.dataTransfer.effectAllowed = "copy"
      row.classList.add("dragged")
    })
    // From the press on, what lies over the canvas makes room.
    row.addEventListener("pointerdown", () => tell("diffbio:lifted"))
    row.addEventListener("pointerup", () => tell("diffbio:let-go"))
    row.addEventListener("dragend", () => {
      row.classList.remove("dragged")
      tell("diffbio:let-go")
    })
    row.addEventListener("dblclick", add)
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter") add()
      if (event.key === "ArrowDown") row.nextElementSibling?.focus()
      if (event.key === "ArrowUp") (row.previousElementSibling ?? search).focus()
    })
    return row
  }

  const draw = () => {
    const asked = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean)
    const has = (text, word) => text.toLowerCase().includes(word)
    // A name that begins with what was asked comes first, then names, then what is said of a block.
    const rank = (b) => {
      const title = b.title.toLowerCase(),
        parts = title.split(/[^a-z0-9]+/)
      if (title.startsWith(asked.join(" "))) return 0
      if (asked.every((word) => parts.some((part) => part.startsWith(word)))) return 1
      return asked.every((word) => has(title, word)) ? 2 : 3
    }
    let found = model.blocks.filter((b) => asked.every((word) => has(b.words, word)))
    if (asked.length) {
      found = found.map((b) => ({ ...b, rank: rank(b) })).sort((a, b) => a.rank - b.rank)
      for (const b of found) b.heading = b.rank < 3 ? "By name" : "By what it does"
    }
    list.replaceChildren()
    let heading = null,
      group = null
    for (const block of found) {
      if (block.heading !== heading) {
        heading = block.heading
        const title = document.createElement("h3")
        title.textContent = heading
        group = document.createElement("div")
        group.className = "group"
        list.append(title, group)
      }
      group.append(item(block))
    }
    if (!found.length) {
      const none = document.createElement("p")
      none.textContent = `No block matches "${search.value}".`
      list.append(none)
    }
  }

  search.addEventListener("input", draw)
  search.addEventListener("keydown", (event) => {
    const first = list.querySelector(".item")
    if (event.key === "Enter" && first)
      model.send_msg({ do: "add", operator: first.dataset.operator })
    if (event.key === "ArrowDown") first?.focus()
    if (event.key === "Escape") {
      search.value = ""
      draw()
      search.blur()
    }
  })
  model.on("blocks", draw)
  const focus = () => search.focus()
  document.addEventListener("diffbio:search", focus)
  model.on("remove", () => document.removeEventListener("diffbio:search", focus))
  draw()
  return root
}
