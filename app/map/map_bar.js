// The line above the map: which map, what colours it, and what can be done with it.
const ICONS = {
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  fade: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  save: "M12 4v11M7.500 11 12 15.500 16.500 11M5 20h14",
  all: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  sets: "M4 6h10M4 11h10M4 16h6M17 13v8M13 17h8",
  full: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  back: "M20 10h-6V4M14 10l6-6M4 14h6v6M10 14l-6 6",
  drop: "M12 3.500c4 5 6 7.500 6 10.500a6 6 0 0 1-12 0c0-3 2-5.500 6-10.500z",
}

export function render({ model, el }) {
  const bar = document.createElement("div")
  bar.className = "bar"
  bar.innerHTML = `
    <span class="pick"><select class="map" aria-label="Which map"></select></span>
    <button class="all" title="All maps side by side" hidden>${icon(ICONS.all)}</button>
    <label class="by" title="What colours the map">${icon(ICONS.drop)}
      <span class="pick"><select class="colour" aria-label="Colour cells by"></select></span></label>
    <span class="gene"><input placeholder="Colour by a gene" aria-label="Colour by a gene"
      spellcheck="false" autocomplete="off"><div class="found" hidden></div></span>
    <button class="sets" title="Colour by a set of genes: paste or drop a list" aria-label="Gene sets">${icon(ICONS.sets)}<span>Gene set</span></button>
    <span class="space"></span>
    <button class="fade" title="Draw what is undecided fainter">${icon(ICONS.fade)}</button>
    <button class="fit" title="Show the whole map and follow it">${icon(ICONS.fit)}</button>
    <button class="full"></button>
    <span class="menu"><button class="save" title="Save this view" aria-label="Save this view" aria-haspopup="menu">${icon(ICONS.save)}</button>
      <div class="found right" role="menu" hidden>
        <button role="menuitem" data-do="png">Figure as PNG</button>
        <button role="menuitem" data-do="svg">Figure as SVG</button>
        <button role="menuitem" data-do="csv">Coordinates and clusters as CSV</button></div></span>`
  const find = (s) => bar.querySelector(s)
  const send = (message) => model.send_msg(message)
  const [map, colour, gene] = [find(".map"), find(".colour"), find(".gene input")]
  const found = find(".gene .found")
  const menu = find(".menu .found")

  const fill = () => {
    // Where no map can come there is nothing to colour, to fit or to save.
    bar.classList.toggle("without", !model.tools)
    if (!model.tools) menu.hidden = true
    map.replaceChildren(...model.maps.map((m) => new Option(m.title, m.name)))
    map.value = model.map
    map.parentElement.hidden = !model.maps.length
    map.disabled = model.maps.length < 2
    find(".all").hidden = model.maps.length < 2
    fill_options(colour, model.colours)
    const known = [...colour.options].some((o) => o.value === model.colour)
    if (!known && model.colour.startsWith("gene/")) {
      colour.prepend(new Option(model.colour.split("/").slice(1).join("/"), model.colour))
    }
    colour.value = model.colour
    find(".gene").hidden = !model.genes
    find(".sets").hidden = !model.genes
    find(".fade").classList.toggle("on", model.fade)
    find(".fit").classList.toggle("on", model.zoomed)
    find(".full").classList.toggle("on", model.full)
    find(".full").title = model.full
      ? "Back to the page (Esc or F)"
      : "The map in the whole window (F; Esc leaves)"
    const words = model.full ? "Back to the page" : "Full window"
    find(".full").innerHTML = `${icon(model.full ? ICONS.back : ICONS.full)}<span>${words}</span>`
  }
  const show = () => {
    const names = model.suggestions
    found.hidden =
      !names.length ||
      (gene !== el.getRootNode().activeElement &&
        gene !== document.activeElement &&
        !gene.matches(":focus"))
    found.replaceChildren(
      ...names.map((name) => {
        const a = document.createElement("a")
        a.textContent = name
        a.onmousedown = (event) => {
          event.preventDefault()
          pick(name)
        }
        return a
      }),
    )
  }
  const pick = (name) => {
    gene.value = ""
    found.hidden = true
    gene.blur()
    send({ do: "gene", name })
  }
  let wait
  gene.oninput = () => {
    clearTimeout(wait)
    wait = setTimeout(() => send({ do: "suggest", text: gene.value }), 80)
  }
  gene.onkeydown = (event) => {
    event.stopPropagation()
    if (event.key === "Enter" && gene.value.trim()) pick(gene.value.trim())
    if (event.key === "Escape") {
      gene.value = ""
      found.hidden = true
      gene.blur()
    }
  }
  gene.onblur = () => {
    found.hidden = true
  }
  map.onchange = () => send({ do: "map", name: map.value })
  colour.onchange = () => send({ do: "colour", key: colour.value })
  find(".fade").onclick = () => send({ do: "fade" })
  find(".all").onclick = () => send({ do: "maps" })
  find(".sets").onclick = () => send({ do: "gene_sets" })
  find(".full").onclick = () => send({ do: "full", on: !model.full })
  const keys = (event) => {
    const path = event.composedPath(),
      tag = path[0].tagName
    if (path.some((e) => e.role === "dialog") || event.ctrlKey || event.metaKey || event.altKey)
      return
    if (!model.tools && !model.full) return
    if (event.key === "Escape" && model.full) send({ do: "full", on: false })
    else if (
      event.key.toLowerCase() === "f" &&
      !["INPUT", "TEXTAREA", "SELECT"].includes(tag) &&
      !path[0].isContentEditable
    )
      send({ do: "full", on: !model.full })
    else return
    event.preventDefault()
    event.stopImmediatePropagation()
  }
  document.addEventListener("keydown", keys, true)
  model.on("remove", () => document.removeEventListener("keydown", keys, true))
  find(".fit").onclick = () => send({ do: "fit" })
  find(".save").onclick = () => {
    menu.hidden = !menu.hidden
  }
  find(".menu").addEventListener("focusout", (event) => {
    if (!event.currentTarget.contains(event.relatedTarget)) menu.hidden = true
  })
  find(".menu").addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || menu.hidden) return
    event.stopPropagation() // the selection stays
    find(".save").focus()
    menu.hidden = true
  })
  for (const item of menu.querySelectorAll("button"))
    item.onclick = () => {
      menu.hidden = true
      send({ do: item.dataset.do })
    }
  for (const name of [
    "maps",
    "map",
    "colours",
    "colour",
    "genes",
    "fade",
    "zoomed",
    "full",
    "tools",
  ])
    model.on(name, fill)
  model.on("suggestions", show)
  fill()
  return bar
}
