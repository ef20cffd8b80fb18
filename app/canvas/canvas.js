// Keys of the whole page, the fit of the canvas, and the reason of a refused wire.
function deepest(event) {
  return event.composedPath()[0]
}

function typing(event) {
  const at = deepest(event)
  // In a dialog, keys are the dialog's.
  if (event.composedPath().some((el) => el.role === "dialog")) return true
  const field = at?.closest?.("input, textarea, select, [contenteditable=true]")
  if (!field) return false
  return !(field.tagName === "INPUT" && ["range", "checkbox", "button"].includes(field.type))
}

function* everywhere(root, selector) {
  yield* root.querySelectorAll(selector)
  for (const el of root.querySelectorAll("*"))
    if (el.shadowRoot) yield* everywhere(el.shadowRoot, selector)
}

export function render({ model }) {
  const send = (message) => model.send_msg(message)
  const look = () => {
    document.documentElement.dataset.look = model.theme === "dark" ? "dark" : "light"
  }
  model.on("theme", look)
  look()

  // As long as nobody has moved the view by hand, it shows the whole pipeline in a window of any size.
  // Nothing moves under a hand that is at it: a wire that is being pulled would miss its port.
  let whole = true,
    settling = 0,
    pressed = false
  const refit = () => {
    clearTimeout(settling)
    if (pressed) settling = setTimeout(refit, 300)
    else if (whole) fit()
  }
  const fit = () => {
    whole = true
    for (const b of everywhere(document, ".react-flow__controls-fitview")) b.click()
  }
  const resized = new ResizeObserver(() => {
    clearTimeout(settling)
    if (whole) settling = setTimeout(refit, 200)
  })
  const looking = setInterval(() => {
    for (const pane of everywhere(document, ".react-flow__pane")) {
      clearInterval(looking)
      resized.observe(pane)
      ground = pane.getRootNode()
    }
  }, 300)
  // What is on the canvas is compared with what was drawn last; an older picture is asked for anew.
  let ground = null,
    behind = 0
  const comparing = setInterval(() => {
    const data = ground?.querySelector(".react-flow__node[data-id=data]")
    if (!data || pressed) return
    behind = Number(data.style.getPropertyValue("--drawn")) === model.drawn ? 0 : behind + 1
    if (behind === 2 || behind === 10) send({ do: "again" })
  }, 1000)
  const taken = (event) => {
    if (event.type === "pointermove" && !event.buttons) pressed = false // let go outside the window
    const on = event
      .composedPath()
      .map((el) => el.classList)
      .filter(Boolean)
    const has = (name) => on.some((list) => list.contains(name))
    if (has("react-flow__controls")) whole = has("react-flow__controls-fitview")
    else if (has("react-flow__pane") && (event.type === "wheel" || event.buttons)) whole = false
  }
  const moves = ["wheel", "pointermove", "click"]
  for (const name of moves) document.addEventListener(name, taken, { capture: true, passive: true })

  const folded = () =>
    document.documentElement.style.getPropertyValue("--db-canvas").trim() === "0px"
  const key = (event) => {
    const ctrl = event.ctrlKey || event.metaKey,
      name = event.key.toLowerCase()
    const act = (message) => {
      event.preventDefault()
      event.stopPropagation()
      send(message)
    }
    if (ctrl && event.key === "Enter") {
      act({ do: event.altKey ? "stop" : "run" })
      return
    }
    // A dialog that has just opened may not have the focus yet: its own keys would miss this one.
    if (event.key === "Escape" && !event.composedPath().some((el) => el.role === "dialog"))
      send({ do: "escape" })
    if (typing(event)) return
    // What is chosen on a canvas that is folded away is not deleted unseen.
    if (["delete", "backspace"].includes(name) && folded()) event.stopImmediatePropagation()
    else if (ctrl && name === "z") act({ do: event.shiftKey ? "redo" : "undo" })
    else if (ctrl && name === "y") act({ do: "redo" })
    else if (ctrl && name === "d") act({ do: "duplicate" })
    else if (ctrl && name === "c") send({ do: "copy" })
    else if (ctrl && name === "v") send({ do: "paste" })
    else if (!ctrl && event.key === "?") act({ do: "shortcuts" })
    else if (!ctrl && event.shiftKey && name === "a") act({ do: "tidy" })
    else if (!ctrl && event.key === ".") {
      event.preventDefault()
      fit()
    } else if (
      !ctrl &&
      (event.key === "/" || event.key === " ") &&
      deepest(event).tagName !== "BUTTON"
    ) {
      event.preventDefault()
      document.dispatchEvent(new CustomEvent("diffbio:search"))
    }
  }
  // A wire let go over a port that refuses it: the port still knows the reason.
  let fromPort = false
  const down = (event) => {
    pressed = true
    fromPort = !!deepest(event)?.closest?.(".react-flow__handle")
  }
  const up = (event) => {
    pressed = false
    if (!fromPort) return
    fromPort = false
    const port = deepest(event)?.closest?.(".react-flow__handle.rf-handle-invalid")
    if (port?.dataset.tooltip) send({ do: "refused", reason: port.dataset.tooltip })
  }
  // The row "+5 more" is made as a port is: a press on it folds, and pulls no wire.
  const fold = (event) => {
    const port = deepest(event)?.closest?.(".react-flow__handle")
    if (!port || !/^[+–]/.test(port.dataset.handleid || "")) return
    event.stopPropagation()
    event.preventDefault()
    if (event.type === "click") send({ do: "fold", block: port.dataset.nodeid })
  }
  const presses = ["mousedown", "touchstart", "click"]
  for (const name of presses)
    document.addEventListener(name, fold, { capture: true, passive: false })
  document.addEventListener("keydown", key, true)
  document.addEventListener("pointerdown", down, true)
  document.addEventListener("pointerup", up, true)
  model.on("msg:custom", (message) => {
    if (message?.do === "fit") whole = true
    else if (message?.do !== "refit") return
    // More than once: a large pipeline, or what grew in it, is drawn late on a busy machine.
    for (const wait of [80, 500, 1500]) setTimeout(refit, wait)
  })
  model.on("remove", () => {
    clearInterval(looking)
    clearInterval(comparing)
    clearTimeout(settling)
    resized.disconnect()
    for (const name of moves) document.removeEventListener(name, taken, true)
    for (const name of presses) document.removeEventListener(name, fold, true)
    document.removeEventListener("keydown", key, true)
    document.removeEventListener("pointerdown", down, true)
    document.removeEventListener("pointerup", up, true)
  })
  return document.createElement("div")
}
