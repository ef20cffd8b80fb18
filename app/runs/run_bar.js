// The bar above the canvas. It only shows parameters and sends what was pressed.
const ICONS = {
  run: '<path d="M7 4.500v15l12-7.500z" fill="currentColor" stroke="none"/>',
  pause: '<path d="M8 5v14M16 5v14" stroke-width="3.500"/>',
  step: '<path d="M5 5v14l9-7z" fill="currentColor" stroke="none"/><path d="M18 5v14" stroke-width="3"/>',
  stop: '<rect x="6" y="6" width="12" height="12" rx="2" fill="currentColor" stroke="none"/>',
  undo: '<path d="M4 9h10a5.500 5.500 0 0 1 0 11h-4M8 4.500 3.500 9 8 13.500"/>',
  redo: '<path d="M20 9H10a5.500 5.500 0 0 0 0 11h4M16 4.500 20.500 9 16 13.500"/>',
  tidy: '<path d="M3 4h6v6H3zM15 3h6v5h-6zM15 15h6v6h-6zM9 7h6M12 7v11h3"/>',
  fit: '<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/>',
  scissors:
    '<path d="M6 8.500a2.500 2.500 0 1 0 0-.01M6 20.500a2.500 2.500 0 1 0 0-.01M8 7.500 20 18M8 17 20 6"/>',
}

function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return ""
  if (seconds < 60) return `${Math.ceil(seconds)} s left`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min left`
  return `${(seconds / 3600).toFixed(1)} h left`
}

export function render({ model }) {
  const bar = document.createElement("div")
  bar.className = "bar"
  const button = (name, text, title) =>
    `<button data-do="${name}" title="${title}" aria-label="${title}"><svg viewBox="0 0 24 24">${ICONS[name]}</svg>${text}</button>`
  bar.innerHTML = `
    <div class="group run">
      ${button("run", "<span>Run</span>", "Run (Ctrl+Enter)")}
      ${button("pause", "", "Pause after this step")}
      ${button("step", "", "One step")}
      ${button("stop", "", "Stop and keep the result (Ctrl+Alt+Enter)")}
    </div>
    <div class="status" role="status" aria-live="polite">
      <span class="chip"><i></i><b><span class="of"></span><span class="is"></span></b></span><span class="message"></span>
      <button data-do="onward" hidden>Continue</button><button data-do="takes" hidden>Take results</button>
      <button data-do="back" hidden></button><button data-do="leave" hidden></button>
      <span class="numbers"></span>
    </div>
    <div class="group">
      ${button("scissors", "<span></span>", "Stop the gradient in this wire")}
      ${button("undo", "", "Undo")}${button("redo", "", "Redo")}
      <hr>${button("tidy", "", "Tidy up (Shift+A)")}${button("fit", "", "Show everything (.)")}
    </div>
    <div class="progress"><div></div></div>
    <div class="problem" role="alert" hidden><b></b><span></span>
      <button data-do="block">Show the block</button><button class="shut" aria-label="Close">×</button></div>`
  const $ = (selector) => bar.querySelector(selector)
  const press = (name) => $(`[data-do=${name}]`)
  let shut = ""
  $(".shut").addEventListener("click", () => {
    shut = model.problem
    draw()
  })
  for (const b of bar.querySelectorAll("button[data-do]"))
    b.addEventListener("click", () =>
      model.send_msg({ do: b.dataset.do, narrow: window.innerWidth < 1500 }),
    )

  // What takes longer says for how long: a number that moves is no page that hangs.
  let doing = "",
    began = performance.now()
  const WAITS = ["queued", "starting", "preparing", "pausing", "stopping"]
  const tell = () => {
    const seconds = Math.floor((performance.now() - began) / 1000)
    const long = WAITS.includes(model.state) && model.message && seconds >= 2
    $(".message").textContent = `${model.message || ""}${long ? ` · ${seconds} s` : ""}`
  }
  const clock = setInterval(tell, 1000)
  model.on("remove", () => clearInterval(clock))

  const draw = () => {
    const { state, step, total } = model
    const live = [
      "queued",
      "starting",
      "preparing",
      "running",
      "pausing",
      "paused",
      "stopping",
    ].includes(state)
    bar.dataset.state = state || "ready"
    bar.classList.toggle("live", live)
    const run = press("run")
    // A run of another pipeline is in nobody's way: it goes on, and this one waits its turn.
    const own = live && !model.other,
      paused = own && state === "paused"
    run.querySelector("span").textContent = paused ? "Resume" : "Run"
    run.disabled = own && !paused
    run.title = run.disabled
      ? `Run: not while this run is at work (${model.words.toLowerCase()}). Stop it, or wait until it has ended.`
      : model.ready && !own
        ? model.ready
        : paused
          ? "Resume (Ctrl+Enter)"
          : ["Run (Ctrl+Enter)", model.length].filter(Boolean).join("\n")
    run.setAttribute("aria-label", run.title)
    run.classList.toggle("hindered", !!model.ready && !own)
    $(".chip").title = [model.words, model.message].filter(Boolean).join(". ")
    if (!model.problem) shut = ""
    const hidden = !model.problem || model.problem === shut
    if ($(".problem span").textContent !== model.problem)
      $(".problem span").textContent = model.problem
    $(".problem b").textContent = `${model.words}.`
    press("block").hidden = !model.place
    if ($(".problem").hidden !== hidden) $(".problem").hidden = hidden
    const back = press("back")
    for (const [way, [whole, few]] of [
      [back, model.back],
      [press("leave"), model.leave],
    ]) {
      way.hidden = !whole
      way.title = whole || ""
      way.innerHTML = `<span class="whole"></span><span class="few"></span>`
      way.querySelector(".whole").textContent = whole || ""
      way.querySelector(".few").textContent = few || ""
    }
    press("onward").hidden = !model.onward
    press("onward").title = `Goes on from its last checkpoint, ${model.onward}`
    press("takes").hidden = !model.takes
    press("takes").title = `Writes result and bundle as of ${model.onward}; nothing is trained`
    bar.dataset.ways = String(bar.querySelectorAll(".status button:not([hidden])").length)
    press("pause").disabled = !["running", "preparing", "starting"].includes(state)
    press("step").disabled = state !== "paused"
    press("stop").disabled = !live || state === "stopping"
    $(".chip .of").textContent = model.of
    $(".chip .is").textContent = model.words.slice(model.of.length)
    if (doing !== model.message) {
      doing = model.message
      began = performance.now()
    }
    tell()
    $(".message").classList.toggle("long", (model.message || "").length > 40)
    $(".message").title = [model.message, model.why].filter(Boolean).join(". ")
    const n = (x) => x.toLocaleString("en").replaceAll(",", "\u202f")
    const parts = []
    if (state && total && (live || !model.other)) parts.push(`step ${n(step)} / ${n(total)}`)
    else if (state && step) parts.push(`step ${n(step)}`)
    if (state === "running" && !model.other) parts.push(duration(model.eta))
    $(".numbers").textContent = parts.filter(Boolean).join("  ·  ")
    const share = total ? Math.min(1, step / total) : 0
    $(".progress div").style.width = `${100 * share}%`
    $(".progress").classList.toggle(
      "unknown",
      ["queued", "starting", "preparing"].includes(state) && !step,
    )
    $(".progress").style.visibility = state ? "visible" : "hidden"
    for (const [name, label] of [
      ["undo", model.undo],
      ["redo", model.redo],
    ]) {
      press(name).disabled = !label
      press(name).title =
        `${name === "undo" ? "Undo" : "Redo"}${label ? `: ${label}` : ""} (Ctrl+${name === "undo" ? "Z" : "Y"})`
    }
    const chosen = "stopped" in model.wire,
      stopped = model.wire.stopped
    press("scissors").hidden = !chosen
    press("scissors").classList.toggle("on", !!stopped)
    press("scissors").querySelector("span").textContent = stopped
      ? "Gradient stopped"
      : "Stop gradient"
    press("scissors").title = stopped
      ? "Values pass, learning does not. Let it through again."
      : "Values pass, learning does not"
  }
  for (const name of [
    "state",
    "words",
    "of",
    "message",
    "step",
    "total",
    "eta",
    "undo",
    "redo",
    "wire",
    "ready",
    "other",
    "back",
    "leave",
    "problem",
    "place",
    "why",
    "onward",
    "takes",
    "length",
  ])
    model.on(name, draw)
  draw()
  return bar
}
