// The person's runs: state, steps, the loss as a line, and when.
/** @type {[string, number][]} */
const AGES = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
]
const ago = (seconds) => {
  for (const [unit, of] of AGES) {
    const n = Math.floor(seconds / of)
    if (n >= 1) return `${n} ${unit}${n > 1 ? "s" : ""} ago`
  }
  return "just now"
}
const spark = (values) => {
  const fine = values.filter(Number.isFinite)
  if (fine.length < 2) return ""
  const [low, high] = [Math.min(...fine), Math.max(...fine)]
  const at = fine.map(
    (v, i) =>
      `${((i / (fine.length - 1)) * 96 + 2).toFixed(1)},${(22 - ((v - low) / (high - low || 1)) * 20).toFixed(1)}`,
  )
  return `<svg viewBox="0 0 100 24"><polyline points="${at.join(" ")}"/></svg>`
}

export function render({ model }) {
  const box = document.createElement("div")
  const draw = () => {
    box.replaceChildren()
    if (!model.runs.length) {
      const none = document.createElement("p")
      none.textContent = "No runs yet. Press Run: each run is kept here until you delete it."
      box.append(none)
    }
    for (const run of model.runs) {
      const row = document.createElement("div")
      row.className = "run"
      row.classList.toggle("on", run.id === model.shown)
      row.innerHTML = `<div class="title"><b></b><span></span></div><em class="${run.state}"></em>
        <div class="steps"></div><div class="spark">${spark(run.losses)}</div><div class="loss"></div>
        <button class="onward" title="Goes on from its last checkpoint, ${run.onward}">Continue</button><button class="open">Open</button><button class="bin" title="Delete (to the server's trash)">Delete</button>`
      row.querySelector("b").textContent = run.title
      row.querySelector("span").textContent =
        `${run.dataset ? `${run.dataset} · ` : ""}${ago(run.age)}`
      row.querySelector("em").textContent = run.position
        ? `queued, position ${run.position}`
        : run.state
      row.querySelector("em").title = run.message
      row.querySelector(".steps").textContent = run.total
        ? `${number(run.step)} of ${number(run.total)} steps`
        : run.step || run.state !== "done"
          ? `${number(run.step)} steps`
          : ""
      row.querySelector(".loss").textContent = run.loss
      row.querySelector(".open").onclick = () => model.send_msg({ do: "open", id: run.id })
      row.querySelector(".onward").style.visibility = run.onward ? "visible" : "hidden"
      row.querySelector(".onward").onclick = () => model.send_msg({ do: "onward", id: run.id })
      const bin = row.querySelector(".bin")
      bin.onclick = () => {
        if (bin.dataset.sure) return model.send_msg({ do: "delete", id: run.id })
        bin.dataset.sure = "1"
        bin.textContent = "Really?"
        setTimeout(() => {
          delete bin.dataset.sure
          bin.textContent = "Delete"
        }, 3000)
      }
      box.append(row)
    }
    if (model.used.words) {
      const room = document.createElement("p"),
        empty = document.createElement("button")
      room.className = "room"
      room.textContent = model.used.words
      empty.className = "bin"
      empty.textContent = `Empty the trash (${model.used.trash})`
      empty.onclick = () => {
        if (empty.dataset.sure) return model.send_msg({ do: "empty" })
        empty.dataset.sure = "1"
        empty.textContent = "Really?"
        setTimeout(() => {
          delete empty.dataset.sure
          empty.textContent = `Empty the trash (${model.used.trash})`
        }, 3000)
      }
      if (model.used.trash) room.append(" ", empty)
      box.append(room)
    }
    if (model.more) {
      const more = document.createElement("button")
      more.textContent = `Show ${number(model.more)} older runs`
      more.onclick = () => model.send_msg({ do: "more" })
      box.append(more)
    }
  }
  for (const name of ["runs", "more", "shown", "used"]) model.on(name, draw)
  draw()
  return box
}
