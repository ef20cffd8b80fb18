// Results: a list of sheets on the left, the chosen one on the right, in its form (app/plots).
export function render({ model }) {
  const root = make("div", "findings")
  const list = make("nav"),
    main = make("section")
  const sides = make("div")
  sides.append(list, main)
  root.append(sides)
  // What the person did to a table stays when its numbers are renewed.
  let state = { id: "", text: "", sort: null, down: true, slice: 0 }

  const drawList = () => {
    list.replaceChildren()
    let last = ""
    for (const sheet of model.sheets) {
      if (sheet.block !== last) list.append(make("h4", "", sheet.block))
      last = sheet.block
      const row = make("button", sheet.id === model.content.id ? "on" : "", sheet.title)
      row.dataset.form = sheet.form
      row.onclick = () => model.send_msg({ do: "show", id: sheet.id })
      list.append(row)
    }
  }

  const head = () => {
    const box = make("header")
    const chosen = model.sheets.find((s) => s.id === model.content.id)
    box.append(make("h3", "", chosen ? `${chosen.block}: ${chosen.title}` : ""))
    const save = make("button", "csv", "Save as CSV")
    save.onclick = () => model.send_msg({ do: "csv", id: model.content.id })
    box.append(save)
    main.append(box)
    if (model.content.about) main.append(make("p", "about", model.content.about))
  }
  const note = (text) => {
    if (text) main.append(make("p", "note", text))
  }

  // What a form draws with.
  const sheet = () => ({
    main,
    state,
    note,
    draw,
    dark: model.theme === "dark",
    colors: model.content.colors,
    compare: (asked) => model.send_msg({ do: "compare", id: model.content.id, ...asked }),
    counts: (name) => model.send_msg({ do: "counts", id: model.content.id, name }),
    onGene: (draws) => {
      heard = draws
    },
    get geneCounts() {
      return model.gene
    },
    gene: (name) => model.send_msg({ do: "gene", id: model.content.id, name }),
  })

  // Who draws the gene that is looked at, where a form does.
  let heard = null
  model.on("gene", () => heard?.())
  const draw = () => {
    heard = null
    const [kept, searching] = [
      main.querySelector(".scroll")?.scrollTop ?? 0,
      main.querySelector("input:focus") !== null,
    ]
    const same = state.id === model.content.id
    if (!same) state = { id: model.content.id, text: "", sort: null, down: true, slice: 0 }
    main.replaceChildren()
    drawList()
    list.hidden = !model.sheets.length
    if (model.words) {
      main.append(make("p", "empty", model.words))
      return
    }
    head()
    PLOTS[model.content.form]?.(model.content, sheet())
    if (same && main.querySelector(".scroll")) main.querySelector(".scroll").scrollTop = kept
    if (same && searching) main.querySelector("input")?.focus()
  }
  let waiting = false
  const later = () => {
    if (!waiting) {
      waiting = true
      queueMicrotask(() => {
        waiting = false
        draw()
      })
    }
  }
  for (const name of ["sheets", "content", "words", "theme"]) model.on(name, later)
  draw()
  return root
}
