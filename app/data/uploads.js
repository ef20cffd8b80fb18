// Sends files in pieces, each shown with its progress; what was broken off goes on where it was.

// What makes a file the same file: besides name and size, when it was changed and how it begins and
// ends; of very many files, the first and last few. Sent as it is: a browser has no hash functions on
// a page without TLS.
const END = 4096,
  FEW = 8
async function likeness(files) {
  const looked = files.length > 2 * FEW ? [...files.slice(0, FEW), ...files.slice(-FEW)] : files
  const pieces = looked.flatMap((f) => [f.slice(0, END), f.slice(Math.max(0, f.size - END))])
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer())
  let text = ""
  for (let i = 0; i < bytes.length; i += 8192)
    text += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return {
    changed: files.map((f) => Math.max(0, Math.floor(f.lastModified || 0))),
    ends: btoa(text),
  }
}

/** @param {any} model @param {HTMLElement} list Where the uploads are shown. */
const uploader = (model, list) => {
  const address = (path) => new URL(`transfer/${path}`, document.baseURI)
  // The server takes it only from a page of its own: another site cannot read this cookie.
  const mark = () =>
    document.cookie
      .split("; ")
      .find((c) => c.startsWith(`${model.mark}=`))
      ?.slice(model.mark.length + 1) ?? ""
  const headers = {
    "X-Desk": model.desk,
    get "X-XSRFToken"() {
      return decodeURIComponent(mark())
    },
  }
  const send = async (group, more) => {
    const total = group.files.reduce((n, f) => n + f.size, 0)
    const row = make("div", "upload")
    row.innerHTML = `<b></b><span></span><button>Stop</button><i></i>`
    row.querySelector("b").textContent = group.name
    list.append(row)
    const say = (text) => {
      row.querySelector("span").textContent = text
    }
    const fail = (text) => {
      row.classList.add("bad")
      say(text)
      row.querySelector("button").textContent = "Close"
      row.querySelector("button").onclick = () => row.remove()
    }
    const whole = group.files.length > 1 ? new Blob(group.files) : group.files[0]
    const control = new AbortController()
    let id
    row.querySelector("button").onclick = async () => {
      control.abort()
      if (id) await fetch(address(`uploads/${id}`), { method: "DELETE", headers })
      row.remove()
    }
    const parts =
      group.files.length > 1 ? group.files.map((f, i) => [group.paths?.[i] ?? f.name, f.size]) : []
    let answer, told
    try {
      told = JSON.stringify({
        name: group.name,
        size: total,
        parts,
        ...(await likeness(group.files)),
      })
    } catch {
      return fail(
        `${group.name} cannot be read on this computer: it is a folder, or was moved or changed. Drop it again.`,
      )
    }
    try {
      answer = await fetch(address("uploads"), {
        method: "POST",
        headers,
        signal: control.signal,
        body: told,
      })
      if (!answer.ok) return fail(await words(answer))
    } catch (error) {
      return control.signal.aborted ? undefined : fail("The server did not answer. Try again.")
    }
    const start = await answer.json()
    id = start.id
    let offset = start.offset,
      pauses = 0
    const began = performance.now(),
      first = offset
    while (offset < total) {
      row.querySelector("i").style.setProperty("--share", offset / total)
      const speed = ((offset - first) / Math.max(performance.now() - began, 1)) * 1000
      say(`${size(offset)} of ${size(total)}${speed > 0 ? `, ${size(speed)}/s` : ""}`)
      // Read apart from sending: a file that was moved or changed meanwhile is no lost connection.
      let slice
      try {
        slice = await whole.slice(offset, offset + start.slice).arrayBuffer()
      } catch {
        await fetch(address(`uploads/${id}`), { method: "DELETE", headers }).catch(() => null)
        return fail(
          `${group.name} can no longer be read on this computer: it is a folder, or was moved or changed. Drop it again.`,
        )
      }
      try {
        const piece = await fetch(address(`uploads/${id}?offset=${offset}`), {
          method: "PUT",
          headers,
          signal: control.signal,
          body: slice,
        })
        if (piece.ok || piece.status === 409) {
          const got = await piece.json()
          if (piece.status === 409) await new Promise((ok) => setTimeout(ok, 300))
          if (piece.status === 409 && ++pauses > 40)
            return fail("Another window sends the same file.")
          if (piece.ok) pauses = 0
          offset = got.offset
          if (got.done) break
        } else return fail(await words(piece))
      } catch (error) {
        if (control.signal.aborted) return
        if (++pauses > 20)
          return fail("The connection was lost. Drop the file again: it goes on where it was.")
        say("Connection lost, trying again")
        await new Promise((ok) => setTimeout(ok, Math.min(500 * pauses, 5000)))
        const again = await fetch(address("uploads"), {
          method: "POST",
          headers,
          body: told,
        }).catch(() => null)
        if (again?.ok) ({ id, offset } = await again.json())
      }
    }
    row.remove()
    model.send_msg({ do: "uploaded", id, path: group.path ?? group.name, ...more })
  }
  const words = async (answer) => {
    try {
      return (await answer.json()).sentence
    } catch {
      if (answer.status === 404)
        return "This server takes no files: whoever runs it starts it by `python -m app.serve app`."
      return answer.statusText || `The server answered ${answer.status}.`
    }
  }
  // Several at once are several samples; one that was let go on a row takes its place.
  return async (files, row = 0) => {
    const all = groups(files, model.endings)
    for (const group of all) await send(group, { of: all.length, row: all.length > 1 ? 0 : row })
  }
}
