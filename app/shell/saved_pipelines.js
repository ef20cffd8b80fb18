// Saved pipelines; under the one that is looked at, its versions.
const when = (seconds) => {
  const then = new Date(1000 * seconds)
  const day =
    then.toDateString() === new Date().toDateString()
      ? ""
      : `${then.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, `
  return (
    day +
    then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
  )
}

export function render({ model }) {
  const box = make("div", "saved")
  const button = (text, name, message) => {
    const b = make("button", name, text)
    b.onclick = (event) => {
      event.stopPropagation()
      model.send_msg(message)
    }
    return b
  }
  const version = (v, of, newest) => {
    const row = make("div", "version")
    const blocks = `${v.n_blocks} ${v.n_blocks === 1 ? "block" : "blocks"}`
    row.append(
      make("span", "when", when(v.saved)),
      make("span", "what", v.change || "Saved"),
      make("span", "blocks", blocks),
    )
    if (newest && of === model.shown) row.append(make("span", "now", "as it is now"))
    else
      row.append(
        button("Restore", "open", {
          do: "restore",
          name: of,
          version: v.version,
          words: when(v.saved),
        }),
      )
    return row
  }
  const draw = () => {
    box.replaceChildren()
    if (!model.pipelines.length)
      box.append(
        make(
          "p",
          "",
          "Nothing is saved yet. A pipeline is saved by itself, shortly after each change.",
        ),
      )
    for (const p of model.pipelines) {
      const row = make("div", "pipeline")
      row.classList.toggle("on", p.name === model.shown)
      const title = make("div", "title")
      title.append(
        make("b", "", p.name),
        make(
          "span",
          "",
          `saved ${when(p.saved)}${p.name === model.shown ? " · on the canvas" : ""}`,
        ),
      )
      const opened = p.name === model.opened
      const look = button(
        `${p.n} ${p.n === 1 ? "version" : "versions"} ${opened ? "▴" : "▾"}`,
        "look",
        { do: "look", name: p.name },
      )
      look.setAttribute("aria-expanded", opened)
      row.append(title, look)
      if (p.name !== model.shown) row.append(button("Open", "open", { do: "open", name: p.name }))
      box.append(row)
      if (!opened) continue
      const list = make("div", "versions")
      list.append(...model.versions.map((v, i) => version(v, p.name, i === 0)))
      box.append(list)
    }
    if (model.more)
      box.append(make("p", "", `${model.more.toLocaleString("en")} older ones are not listed.`))
  }
  for (const name of ["pipelines", "versions", "shown", "opened", "more"]) model.on(name, draw)
  draw()
  return box
}
