// A scatter plot of many points: drawn by the graphics card, with axes, zoom and a choice by click.
/** @param {any} of What is drawn: layers, titles, scales. */
const scatter = (of) => {
  const box = make("figure", "scatter")
  const head = make("figcaption", "", of.title)
  const keys = of.keys ?? {}
  head.append(...legend(Object.keys(keys), Object.values(keys)).children)
  const canvas = make("canvas")
  canvas.tabIndex = 0
  canvas.setAttribute("role", "img")
  canvas.setAttribute("aria-label", `${of.title}: ${of.up} against ${of.across}`)
  const tip = make("div", "tip")
  tip.hidden = true
  box.append(head, canvas, tip)
  const [LEFT, RIGHT, TOP, FOOT] = [46, 8, 6, 38]
  const ends = (layers, axis, symmetric) => {
    let [low, high] = [Infinity, -Infinity]
    for (const l of layers)
      for (const v of l[axis])
        if (v < low || v > high) {
          if (Number.isNaN(v)) continue
          low = Math.min(low, v)
          high = Math.max(high, v)
        }
    if (!(high >= low)) [low, high] = [0, 1]
    if (symmetric) [low, high] = [-Math.max(-low, high), Math.max(-low, high)]
    const room = (high - low || 1) * 0.04
    return [low - room, high + room]
  }
  const drawn = of.line ? [...of.layers, of.line] : of.layers
  const whole = [...ends(of.layers, "x", of.symmetric), ...ends(drawn, "y", false)]
  const me = {
    box,
    onChoose: (_i) => {},
    nameOf: (_i) => "",
    draw: () => {},
    mark: (_i, _name, _over) => {},
  }
  let view = [...whole]
  let [some, chosen, chosenName, over] = [[], -1, "", -1]
  let [edge, wide, tall] = [LEFT, 0, 0] // of the room inside the axes
  const px = (x) => edge + ((x - view[0]) / (view[1] - view[0])) * wide
  const py = (y) => TOP + (1 - (y - view[2]) / (view[3] - view[2])) * tall
  const groupsOf = (l) =>
    l.order.map((k) => {
      const places = []
      for (let i = 0; i < l.x.length; i++)
        if (l.colour(i) === k && !Number.isNaN(l.x[i]) && !Number.isNaN(l.y[i]))
          places.push(l.x[i], l.y[i])
      return [new Float32Array(places), l.palette[k]]
    })
  const line = of.line ? trendLine(of.line) : []
  let groups = null // of the points as they are called now
  let dots = null // all of them drawn, as they lie in this view
  let drawnFor = ""

  const paint = () => {
    const [w, h] = [canvas.clientWidth, canvas.clientHeight]
    if (!w || !h) return
    const dpr = window.devicePixelRatio || 1
    if (canvas.width !== Math.round(w * dpr) || canvas.height !== Math.round(h * dpr)) {
      canvas.width = Math.round(w * dpr)
      canvas.height = Math.round(h * dpr)
    }
    const ink = canvas.getContext("2d")
    ink.setTransform(dpr, 0, 0, dpr, 0, 0)
    ink.clearRect(0, 0, w, h)
    const style = getComputedStyle(box)
    const colour = (name) => style.getPropertyValue(name).trim()
    ink.font = `11px ${style.fontFamily}`
    tall = h - TOP - FOOT
    const upward = ticksOf(view[2], view[3], of.logUp, Math.max(3, tall / 36))
    const written = upward.map((t) => ink.measureText(tickText(t, of.logUp)).width)
    edge = Math.max(LEFT, 22 + Math.ceil(Math.max(...written))) // the title is beside the longest
    wide = w - edge - RIGHT
    ink.fillStyle = colour("--db-dim")
    ink.strokeStyle = colour("--db-line")
    ink.lineWidth = 1
    ink.textAlign = "center"
    for (const t of ticksOf(view[0], view[1], of.logAcross, Math.max(3, wide / 52))) {
      ink.beginPath()
      ink.moveTo(px(t), TOP)
      ink.lineTo(px(t), TOP + tall)
      ink.stroke()
      ink.fillText(tickText(t, of.logAcross), px(t), TOP + tall + 14)
    }
    ink.textAlign = "right"
    for (const t of upward) {
      ink.beginPath()
      ink.moveTo(edge, py(t))
      ink.lineTo(edge + wide, py(t))
      ink.stroke()
      ink.fillText(tickText(t, of.logUp), edge - 5, py(t) + 4)
    }
    ink.fillStyle = colour("--db-text")
    ink.textAlign = "center"
    ink.fillText(of.across, edge + wide / 2, TOP + tall + 31)
    ink.save()
    ink.translate(11, TOP + tall / 2)
    ink.rotate(-Math.PI / 2)
    ink.fillText(of.up, 0, 0)
    ink.restore()
    ink.save()
    ink.beginPath()
    ink.rect(edge, TOP, wide, tall)
    ink.clip()
    if (of.rule) {
      ink.strokeStyle = colour("--db-line-strong") || colour("--db-dim")
      ink.setLineDash([4, 4])
      ink.beginPath()
      ink.moveTo(edge, py(of.rule()))
      ink.lineTo(edge + wide, py(of.rule()))
      ink.stroke()
      ink.setLineDash([])
    }
    const now = [...view, wide, tall, dpr].join()
    if (now !== drawnFor) [dots, drawnFor] = [points(dpr), now]
    ink.drawImage(dots, edge, TOP, wide, tall)
    if (line.length) {
      ink.strokeStyle = of.line.colour
      ink.lineWidth = 2
      ink.beginPath()
      for (const [x, y] of line) ink.lineTo(px(x), py(y))
      ink.stroke()
    }
    rings(ink, colour)
    ink.restore()
  }
  const points = (dpr) => {
    groups ??= of.layers.flatMap(groupsOf)
    const surface = document.createElement("canvas")
    surface.width = Math.max(1, Math.round(wide * dpr))
    surface.height = Math.max(1, Math.round(tall * dpr))
    const context = surface.getContext("2d")
    const [size, opacity] = [
      (groups.reduce((k, g) => k + g[0].length / 2, 0) > 3000 ? 3.6 : 5) * dpr,
      0.75,
    ]
    const [w, h] = [surface.width, surface.height]
    if (!cardPoints(context, w, h, view, groups, size, opacity))
      drawnPoints(context, w, h, view, groups, size, opacity)
    return surface
  }
  const rings = (ink, colour) => {
    const ring = (i, r, thick) => {
      if (i < 0) return
      ink.lineWidth = thick
      ink.beginPath()
      ink.arc(px(of.marked.x[i]), py(of.marked.y[i]), r, 0, 2 * Math.PI)
      ink.stroke()
    }
    ink.strokeStyle = colour("--db-dim")
    for (const i of some) ring(i, 4, 1)
    ink.strokeStyle = colour("--db-text")
    if (over >= 0) ring(over, 5, 1.5)
    if (chosen < 0) return
    ring(chosen, 6, 2)
    const [x, y] = [px(of.marked.x[chosen]), py(of.marked.y[chosen])]
    if (!(x >= edge && y >= TOP)) return
    ink.font = `600 ${ink.font}`
    const long = ink.measureText(chosenName).width
    const right = x + 10 + long < edge + wide || x - 10 - long < edge
    ink.textAlign = right ? "left" : "right"
    ink.lineWidth = 3
    ink.strokeStyle = colour("--db-raised")
    ink.fillStyle = colour("--db-text")
    const place = [x + (right ? 10 : -10), Math.max(TOP + 10, y + 4)]
    ink.strokeText(chosenName, place[0], place[1])
    ink.fillText(chosenName, place[0], place[1])
  }
  const nearest = (event) => {
    const at = canvas.getBoundingClientRect()
    const [x, y] = [event.clientX - at.left, event.clientY - at.top]
    let [best, found] = [144, -1]
    for (let i = 0; i < of.marked.x.length; i++) {
      const far = (px(of.marked.x[i]) - x) ** 2 + (py(of.marked.y[i]) - y) ** 2
      if (far < best) [best, found] = [far, i]
    }
    return found
  }
  let held = null
  canvas.onpointerdown = (event) => {
    held = { x: event.clientX, y: event.clientY, view: [...view], moved: false }
    canvas.setPointerCapture(event.pointerId)
  }
  canvas.onpointermove = (event) => {
    if (!held) {
      const before = over
      over = nearest(event)
      tip.hidden = over < 0
      if (over >= 0) {
        const at = canvas.getBoundingClientRect()
        tip.textContent = me.nameOf(over)
        const left = event.clientX - at.left
        tip.style.left = `${Math.min(left + 12, at.width - 120)}px`
        tip.style.top = `${event.clientY - at.top + 30}px`
      }
      if (over !== before) paint()
      return
    }
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y]
    held.moved ||= Math.hypot(dx, dy) > 4
    if (!held.moved) return
    tip.hidden = true
    const [sx, sy] = [
      ((held.view[1] - held.view[0]) * dx) / wide,
      ((held.view[3] - held.view[2]) * dy) / tall,
    ]
    view = [held.view[0] - sx, held.view[1] - sx, held.view[2] + sy, held.view[3] + sy]
    paint()
  }
  canvas.onpointerup = (event) => {
    const click = held && !held.moved
    held = null
    const i = click ? nearest(event) : -1
    if (i >= 0) me.onChoose(i)
  }
  canvas.onpointerleave = () => {
    over = -1
    tip.hidden = true
    paint()
  }
  canvas.ondblclick = () => {
    view = [...whole]
    paint()
  }
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault()
      const at = canvas.getBoundingClientRect()
      const fx = Math.min(1, Math.max(0, (event.clientX - at.left - edge) / wide))
      const fy = Math.min(1, Math.max(0, 1 - (event.clientY - at.top - TOP) / tall))
      const by = Math.exp(Math.max(-0.5, Math.min(0.5, event.deltaY / 400)))
      const [w, h] = [(view[1] - view[0]) * by, (view[3] - view[2]) * by]
      if (w < (whole[1] - whole[0]) / 2000 || w > (whole[1] - whole[0]) * 4) return
      const [x, y] = [view[0] + fx * (view[1] - view[0]), view[2] + fy * (view[3] - view[2])]
      view = [x - fx * w, x + (1 - fx) * w, y - fy * h, y + (1 - fy) * h]
      paint()
    },
    { passive: false },
  )
  canvas.title =
    "Scroll to zoom, drag to move, double-click for all; click a point to choose its gene"
  new ResizeObserver(paint).observe(canvas)
  me.draw = () => {
    groups = null
    drawnFor = ""
    paint()
  }
  me.mark = (found, one, name) => {
    ;[some, chosen, chosenName] = [found, one, name]
    paint()
  }
  return me
}

// A line through what is the same for all points of one place: in order, thinned out.
const trendLine = (line) => {
  const order = []
  for (let i = 0; i < line.x.length; i++)
    if (!Number.isNaN(line.x[i]) && !Number.isNaN(line.y[i])) order.push(i)
  order.sort((a, b) => line.x[a] - line.x[b])
  const step = Math.max(1, Math.floor(order.length / 300))
  return order
    .filter((_, k) => k % step === 0 || k === order.length - 1)
    .map((i) => [line.x[i], line.y[i]])
}
