// The chosen block: what it is, its ports, its help. Formulas stand in code, as they are declared.
function paragraph(text) {
  const p = document.createElement("p")
  for (const [i, part] of text.split(/``?([^`]+)``?/g).entries()) {
    if (i % 2) {
      const c = document.createElement("code")
      c.textContent = part
      p.append(c)
    } else p.append(part)
  }
  return p
}

export function render({ model }) {
  const root = document.createElement("div")
  root.className = "card"
  const draw = () => {
    const card = model.card
    root.replaceChildren()
    root.dataset.kind = card.kind || ""
    if (card.kind === "none") {
      root.append(
        Object.assign(document.createElement("p"), { className: "none", textContent: card.text }),
      )
      return
    }
    if (card.kind === "block" || card.kind === "data") {
      root.innerHTML = `<div class="title"><span class="icon"><svg viewBox="0 0 24 24"><path></path></svg></span>
        <div><b></b><small></small></div><span class="space"></span></div><p class="summary"></p>`
      root.style.setProperty("--kind", card.color)
      root.querySelector("path").setAttribute("d", card.icon)
      root.querySelector("b").textContent = card.title
      root.querySelector("small").textContent = card.id || ""
      root.querySelector(".summary").textContent = card.summary
      for (const text of card.errors || [])
        root.append(
          Object.assign(document.createElement("p"), { className: "error", textContent: text }),
        )
      const actions = document.createElement("div")
      actions.className = "actions"
      const button = (text, message) => {
        const b = document.createElement("button")
        b.type = "button"
        b.textContent = text
        b.addEventListener("click", () => model.send_msg(message))
        actions.append(b)
        return b
      }
      if (card.kind === "data") {
        button("Choose data…", { do: "data" })
        if (card.controlled)
          button("Quality control…", { do: "quality" }).title =
            "Remove broken cells and doublets by limits before training."
        if (card.removable) button("Delete", { do: "remove" }).title = "Delete this block (Del)"
      } else {
        const b = button(card.learns ? "Learns" : "Frozen", { do: "learns", value: !card.learns })
        b.setAttribute("aria-pressed", card.learns)
        b.title = card.learns
          ? "Training changes its weights. Press to freeze it."
          : "Its weights stay as they are. Press to let it learn."
        button("Delete", { do: "remove" }).title = "Delete this block (Del)"
      }
      root.append(actions)
      return
    }
    if (card.kind !== "help") return
    for (const [heading, ports] of [
      ["Inputs", card.inputs],
      ["Outputs", card.outputs],
    ]) {
      if (!ports.length) continue
      root.append(Object.assign(document.createElement("h5"), { textContent: heading }))
      for (const port of ports) {
        const line = document.createElement("div")
        line.className = "port"
        line.title = port.doc
        line.innerHTML = `<i></i><b></b><span></span><small></small>`
        line.querySelector("i").style.background = port.color
        line.querySelector("b").textContent = port.name
        line.querySelector("span").textContent = `${port.kind}, ${port.axes}`
        line.querySelector("small").textContent = port.wired ? `← ${port.wired}` : ""
        root.append(line)
      }
    }
    if (card.doc) {
      root.append(Object.assign(document.createElement("h5"), { textContent: "Help" }))
      const doc = document.createElement("div")
      doc.className = "doc"
      for (const part of card.doc.split(
        /\n\s*\n|\n(?=(?:Softens|Hard limit|Gradients|Cost|References):)/,
      ))
        doc.append(paragraph(part.trim().replace(/^([A-Z][a-z ]+):\s*/, "$1: ")))
      for (const p of doc.children) {
        const m = /^(Softens|Hard limit|Gradients|Cost|References|Formula): /.exec(
          p.firstChild?.textContent || "",
        )
        if (m) {
          const b = document.createElement("b")
          b.textContent = m[1]
          p.firstChild.textContent = p.firstChild.textContent.slice(m[1].length + 1)
          p.prepend(b)
        }
      }
      root.append(doc)
    }
    for (const text of card.sizes)
      root.append(
        Object.assign(document.createElement("p"), { className: "size", textContent: text }),
      )
    if (card.operator)
      root.append(
        Object.assign(document.createElement("p"), {
          className: "size",
          textContent: card.operator,
        }),
      )
  }
  model.on("card", draw)
  draw()
  return root
}
