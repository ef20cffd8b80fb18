// Three ways to bring data; what a file holds before it is used; which port finds its array where.
const ICON = {
  up: "M12 16V4.500M7.500 8.500 12 4l4.500 4.500M4 15.500V20h16v-4.500",
  folder: "M3.500 6.500h6l2 2.500h9v10.500h-17z",
  file: "M6 3.500h8l4.500 4.500v12.500H6zM14 3.500V8h4.500",
  demo: "M12 3.500l2.600 5.300 5.900.9-4.200 4.100 1 5.800L12 16.900l-5.300 2.700 1-5.800L3.500 9.700l5.900-.9z",
}
const size = (n) => {
  for (const [unit, of] of [["GB", 2 ** 30], ["MB", 2 ** 20], ["kB", 2 ** 10]]) if (n >= of) return `${(n / of).toFixed(1)} ${unit}`
  return `${n} bytes`
}
// Of today the time, else the day: which of two files of one name was the later one.
const day = (seconds) => {
  const then = new Date(1000 * seconds)
  return then.toDateString() === new Date().toDateString()
    ? then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })
    : then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })
}

// What makes a file the same file: besides name and size, when it was changed and how it begins and
// ends; of very many files, the first and last few. Sent as it is: a browser has no hash functions on
// a page without TLS.
const END = 4096, FEW = 8
async function likeness(files) {
  const looked = files.length > 2 * FEW ? [...files.slice(0, FEW), ...files.slice(-FEW)] : files
  const pieces = looked.flatMap((f) => [f.slice(0, END), f.slice(Math.max(0, f.size - END))])
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer())
  let text = ""
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return { changed: files.map((f) => Math.max(0, Math.floor(f.lastModified || 0))), ends: btoa(text) }
}

export function render({ model }) {
  const box = make("div", "data")
  box.innerHTML = `<div class="ways">
      <label class="drop" tabindex="0" data-takes-files><input type="file" multiple hidden>${icon(ICON.up)}
        <b>Drop files or a folder here</b><span class="takes"></span></label>
      <div class="uploads"></div>
      <div class="mine"><h4>Your data sets</h4><div class="recent"></div>
        <p class="room"><span></span> <button></button></p></div>
      <h4>One-click demo</h4><div class="demos"></div>
      <div class="server"><h4>On the server <span class="where"></span></h4><div class="listing"></div></div>
    </div><div class="look"></div>`
  const find = (s) => box.querySelector(s)
  find(".takes").textContent = model.takes
  const address = (path) => new URL(`transfer/${path}`, document.baseURI)
  // The server takes it only from a page of its own: another site cannot read this cookie.
  const mark = () =>
    document.cookie.split("; ").find(c => c.startsWith(`${model.mark}=`))?.slice(model.mark.length + 1) ?? ""
  const headers = { "X-Desk": model.desk, get "X-XSRFToken"() { return decodeURIComponent(mark()) } }
  const running = new Map()

  const send = async (group) => {
    const total = group.files.reduce((n, f) => n + f.size, 0)
    const row = make("div", "upload")
    row.innerHTML = `<b></b><span></span><button>Stop</button><i></i>`
    row.querySelector("b").textContent = group.name
    find(".uploads").append(row)
    const say = (text) => { row.querySelector("span").textContent = text }
    const fail = (text) => { row.classList.add("bad"); say(text); row.querySelector("button").textContent = "Close"; row.querySelector("button").onclick = () => row.remove() }
    const whole = group.files.length > 1 ? new Blob(group.files) : group.files[0]
    const control = new AbortController()
    let id
    row.querySelector("button").onclick = async () => {
      control.abort()
      if (id) await fetch(address(`uploads/${id}`), { method: "DELETE", headers })
      row.remove()
    }
    const parts = group.files.length > 1 ? group.files.map((f, i) => [group.paths?.[i] ?? f.name, f.size]) : []
    let answer, told
    try { told = JSON.stringify({ name: group.name, size: total, parts, ...await likeness(group.files) }) } catch {
      return fail(`${group.name} cannot be read on this computer: it is a folder, or was moved or changed. Drop it again.`)
    }
    try {
      answer = await fetch(address("uploads"), { method: "POST", headers, signal: control.signal, body: told })
      if (!answer.ok) return fail(await words(answer))
    } catch (error) { return control.signal.aborted ? undefined : fail("The server did not answer. Try again.") }
    const start = await answer.json()
    id = start.id
    let offset = start.offset, pauses = 0
    const began = performance.now(), first = offset
    while (offset < total) {
      row.querySelector("i").style.setProperty("--share", offset / total)
      const speed = (offset - first) / Math.max(performance.now() - began, 1) * 1000
      say(`${size(offset)} of ${size(total)}${speed > 0 ? `, ${size(speed)}/s` : ""}`)
      // Read apart from sending: a file that was moved or changed meanwhile is no lost connection.
      let slice
      try { slice = await whole.slice(offset, offset + start.slice).arrayBuffer() } catch {
        await fetch(address(`uploads/${id}`), { method: "DELETE", headers }).catch(() => null)
        return fail(`${group.name} can no longer be read on this computer: it is a folder, or was moved or changed. Drop it again.`)
      }
      try {
        const piece = await fetch(address(`uploads/${id}?offset=${offset}`), { method: "PUT", headers,
          signal: control.signal, body: slice })
        if (piece.ok || piece.status === 409) {
          const got = await piece.json()
          if (piece.status === 409) await new Promise((ok) => setTimeout(ok, 300))
          if (piece.status === 409 && ++pauses > 40) return fail("Another window sends the same file.")
          if (piece.ok) pauses = 0
          offset = got.offset
          if (got.done) break
        } else return fail(await words(piece))
      } catch (error) {
        if (control.signal.aborted) return
        if (++pauses > 20) return fail("The connection was lost. Drop the file again: it goes on where it was.")
        say("Connection lost, trying again")
        await new Promise((ok) => setTimeout(ok, Math.min(500 * pauses, 5000)))
        const again = await fetch(address("uploads"), { method: "POST", headers, body: told }).catch(() => null)
        if (again?.ok) ({ id, offset } = await again.json())
      }
    }
    row.remove()
    model.send_msg({ do: "uploaded", id })
  }
  const words = async (answer) => {
    try { return (await answer.json()).sentence } catch {
      if (answer.status === 404) return "This server takes no files: whoever runs it starts it by `python -m app.serve app`."
      return answer.statusText || `The server answered ${answer.status}.`
    }
  }
  const take = async (files) => {
    const made = groups(files)
    for (const group of made) await send(group)
  }

  const drop = find(".drop")
  drop.ondragover = (event) => { if (hasFiles(event)) { event.preventDefault(); drop.classList.add("over") } }
  drop.ondragleave = () => drop.classList.remove("over")
  drop.ondrop = async (event) => {
    drop.classList.remove("over")
    if (!hasFiles(event)) return
    event.preventDefault()
    const { found, problems } = await dropped(event.dataTransfer)
    for (const text of problems) model.send_msg({ do: "refused", text })
    take(found)
  }
  drop.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") drop.querySelector("input").click() }
  drop.querySelector("input").onchange = (event) => {
    take([...event.target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })))
    event.target.value = ""
  }
  // Files that were dropped elsewhere on the page wait here.
  const waiting = () => { const files = window.diffbioDropped; window.diffbioDropped = null; if (files) take(files) }
  const listen = () => waiting()
  window.addEventListener("diffbio-dropped", listen)
  model.on("remove", () => window.removeEventListener("diffbio-dropped", listen))
  waiting()

  const row = (picture, name, more, act) => {
    const item = make("button", "row")
    item.innerHTML = icon(picture) + "<b></b><span></span>"
    // Long names differ in their ends as often as in their beginnings: the midst gives way.
    const tail = name.length > 30 ? 14 : 0
    item.querySelector("b").append(make("span", "head", name.slice(0, name.length - tail)), make("span", "tail", tail ? name.slice(-tail) : ""))
    item.querySelector(":scope > span").textContent = more
    item.title = name
    item.onclick = act
    return item
  }
  // What cannot be undone is asked twice.
  const surely = (button, message) => {
    if (button.dataset.sure) return model.send_msg(message)
    const before = button.textContent
    button.dataset.sure = "1"
    button.textContent = "Really?"
    setTimeout(() => { delete button.dataset.sure; button.textContent = before }, 3000)
  }
  const tell = (text) => () => model.send_msg({ do: "refused", text })
  const lists = () => {
    find(".demos").replaceChildren(...model.demos.map((d) => {
      const item = row(ICON.demo, d.title, d.sentence, () => model.send_msg({ do: "demo", id: d.id }))
      item.title = d.sentence
      return item
    }))
    find(".mine").hidden = !model.recent.length && !model.used.trash
    find(".recent").replaceChildren(...model.recent.map((d) => {
      const line = make("div", "own")
      const item = d.damaged ? row(ICON.file, d.name, "damaged", tell("It cannot be read any more: delete it, and bring the file again."))
        : d.unfinished ? row(ICON.file, d.name, `unfinished, ${size(d.size)} arrived`, tell("Its upload was broken off: drop the same file again, and it goes on where it was."))
        : row(ICON.file, d.name, `${size(d.size)} · ${day(d.added)}`, () => model.send_msg({ do: "look", id: d.id }))
      item.classList.toggle("on", d.id === model.preview.id)
      const bin = make("button", "bin", d.ours ? "Delete" : "Remove")
      bin.title = d.unfinished ? "Deletes what has arrived. To carry the upload on, drop the same file again." : d.ours ? "Deletes the file for good. Runs that used it keep their maps and results." : "Takes it off your list; the file on the server stays."
      bin.onclick = () => surely(bin, { do: "delete", id: d.id })
      line.append(item, bin)
      return line
    }))
    const room = find(".room"), empty = room.querySelector("button")
    room.querySelector("span").textContent = model.used.words || ""
    empty.hidden = !model.used.trash
    empty.textContent = `Empty the trash (${model.used.trash})`
    empty.onclick = () => surely(empty, { do: "empty" })
    find(".where").textContent = model.folder
    find(".server").hidden = !model.listing.length
    find(".listing").replaceChildren(...model.listing.map((f) =>
      row(f.folder ? ICON.folder : ICON.file, f.name, f.folder ? "" : size(f.size),
        () => model.send_msg({ do: f.folder && !f.tenx ? "enter" : "server", path: f.path }))))
  }

  const chooser = (field, message) => {
    const line = make("label", "field")
    line.append(make("b", "", field.title), make("span", "", field.help))
    const select = make("select")
    for (const o of field.options) select.append(new Option(o.title, o.place))
    select.value = field.place
    select.setAttribute("aria-label", field.title)
    select.onchange = () => model.send_msg(message ? { ...message, value: select.value } : { do: "field", port: field.port, place: select.value })
    line.append(select)
    return line
  }
  const look = () => {
    const pane = find(".look"), p = model.preview
    pane.replaceChildren()
    pane.classList.toggle("busy", !!model.busy)
    if (model.busy) {
      const stop = make("button", "stop", "Stop")
      stop.onclick = () => model.send_msg({ do: "stop" })
      return pane.append(make("p", "hint", model.busy), stop)
    }
    if (model.problem.what) {
      const bad = make("div", "problem")
      bad.append(make("b", "", model.problem.what), make("span", "", model.problem.fix || ""))
      pane.append(bad)
    }
    if (!p.id) return model.problem.what ? undefined : pane.append(make("p", "hint", "Choose a file: what it holds is shown here before it is used."))
    const head = make("header")
    head.append(make("h3", "", p.name), make("p", "", `${p.kind} · ${size(p.bytes)}`))
    pane.append(head)
    const facts = make("div", "facts")
    for (const [value, what] of [[number(p.n_cells), p.rows], [number(p.n_genes), "genes"], [p.genes, "gene names"]]) {
      const fact = make("div"); fact.append(make("b", "", value), make("span", "", what)); facts.append(fact)
    }
    pane.append(facts)
    if (p.samples.length > 1) pane.append(make("p", "matrix", `Samples: ${p.samples.map((s) => `${s.name} (${number(s.n_cells)} ${p.rows})`).join(", ")}`))
    for (const m of p.matrices) pane.append(make("p", "matrix", m))
    for (const w of p.warnings) pane.append(make("p", "warning", w))
    const ways = make("div", "fields ways-of-reading")
    for (const choice of p.choices) ways.append(chooser({ ...choice, help: choice.why, place: choice.taken,
      options: choice.possible.map((o) => ({ title: o.title, place: o.value })) }, { do: "reading", name: choice.name }))
    if (p.choices.length) pane.append(make("h4", "", "How the file is read"), ways)
    const fields = make("div", "fields")
    for (const field of p.fields) fields.append(chooser(field))
    if (p.fields.length) pane.append(make("h4", "", "Where the pipeline finds what it needs"), fields)
    if (p.columns.length) {
      pane.append(make("h4", "", `Columns of the ${p.rows}`))
      const table = make("div", "columns")
      for (const c of p.columns) table.append(make("b", "", c.name), make("span", "", c.what), make("i", "", c.examples))
      pane.append(table)
    }
    const foot = make("footer")
    const trained = model.applying
    if (trained.title) {
      const said = trained.why || trained.sentence
      if (said) foot.append(make("p", trained.doubtful || trained.why ? "fits warning" : "fits", `${trained.title}, as trained: ${said}`))
      const apply = make("button", "apply", `Apply “${trained.title}” as trained`)
      apply.title = `Places these ${p.rows} by what the shown run has learned; nothing is trained.`
      apply.disabled = !!trained.why
      let sure = !trained.few
      apply.onclick = () => {
        if (sure) return model.send_msg({ do: "apply", sure: !!trained.few })
        sure = true
        apply.textContent = "Few genes match. Apply all the same"
      }
      foot.append(apply)
    }
    const use = make("button", "use", "Use this data set")
    use.onclick = () => model.send_msg({ do: "use" })
    foot.append(use)
    pane.append(foot)
  }
  for (const name of ["demos", "recent", "used", "listing", "folder", "preview"]) model.on(name, lists)
  for (const name of ["preview", "applying", "problem", "busy"]) model.on(name, look)
  lists()
  look()
  return box
}
