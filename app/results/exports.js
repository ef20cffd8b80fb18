// What can be taken home: each with what it is, and why it cannot be had yet.
export function render({ model }) {
  const box = document.createElement("div")
  box.className = "exports"
  const draw = () => {
    box.replaceChildren()
    for (const item of model.items) {
      const row = document.createElement("div")
      row.className = "row"
      row.classList.toggle("off", !!item.why)
      row.innerHTML = `<div><b></b><span></span></div><div class="acts"></div>`
      row.querySelector("b").textContent = item.title
      row.querySelector("span").textContent = item.why || item.sentence
      for (const [what, label] of item.acts) {
        const act = document.createElement("button")
        act.textContent = label
        act.disabled = !!item.why
        if (item.why) act.title = item.why
        act.onclick = () => model.send_msg({ do: what })
        row.querySelector(".acts").append(act)
      }
      box.append(row)
    }
    const line = document.createElement("div")
    line.className = "line"
    line.innerHTML = `<b>The same without the page</b><pre></pre><button>Copy</button>`
    line.querySelector("pre").textContent = model.command
    line.querySelector("button").onclick = (event) => {
      const range = document.createRange()
      range.selectNodeContents(line.querySelector("pre"))
      getSelection().removeAllRanges()
      getSelection().addRange(range)
      navigator.clipboard?.writeText(model.command)
      event.target.textContent = "Copied"
    }
    box.append(line)
  }
  for (const name of ["items", "command"]) model.on(name, draw)
  draw()
  return box
}
