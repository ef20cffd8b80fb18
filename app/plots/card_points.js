// One drawing surface of the graphics card for all plots of the page: browsers allow few.
const cardPoints = (() => {
  let gl = null
  let tried = false
  let program = null
  const shader = (kind, text) => {
    const made = gl.createShader(kind)
    gl.shaderSource(made, text)
    gl.compileShader(made)
    return made
  }
  const open = () => {
    tried = true
    const canvas = document.createElement("canvas")
    gl = canvas.getContext("webgl", {
      preserveDrawingBuffer: true,
      premultipliedAlpha: true,
      antialias: false,
    })
    if (!gl) return
    program = gl.createProgram()
    gl.attachShader(
      program,
      shader(
        gl.VERTEX_SHADER,
        `attribute vec2 p; uniform vec4 view; uniform float size;
      void main() { gl_Position = vec4(2.0 * (p - view.xy) / view.zw - 1.0, 0.0, 1.0); gl_PointSize = size; }`,
      ),
    )
    gl.attachShader(
      program,
      shader(
        gl.FRAGMENT_SHADER,
        `precision mediump float; uniform vec4 colour; uniform float wide;
      void main() { float r = length(gl_PointCoord - 0.5) * wide; float a = colour.a * clamp(0.5 * wide - r, 0.0, 1.0);
      gl_FragColor = vec4(colour.rgb * a, a); }`,
      ),
    )
    gl.linkProgram(program)
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) gl = null
  }
  const rgb = (hex) => [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16) / 255)
  // Draws groups of points ([places, colour]) into a 2D context; false where there is no card.
  return (context, wide, tall, view, groups, size, opacity) => {
    if (!tried) open()
    if (!gl || gl.isContextLost()) return false
    const canvas = gl.canvas
    if (canvas.width < wide || canvas.height < tall) {
      canvas.width = Math.max(canvas.width, wide)
      canvas.height = Math.max(canvas.height, tall)
    }
    gl.viewport(0, canvas.height - tall, wide, tall)
    gl.clearColor(0, 0, 0, 0)
    gl.clear(gl.COLOR_BUFFER_BIT)
    gl.useProgram(program)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
    const place = gl.getAttribLocation(program, "p")
    gl.uniform4f(
      gl.getUniformLocation(program, "view"),
      view[0],
      view[2],
      view[1] - view[0],
      view[3] - view[2],
    )
    gl.uniform1f(gl.getUniformLocation(program, "size"), size)
    gl.uniform1f(gl.getUniformLocation(program, "wide"), size)
    const buffer = gl.createBuffer()
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer)
    gl.enableVertexAttribArray(place)
    gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 0, 0)
    for (const [points, colour] of groups) {
      gl.bufferData(gl.ARRAY_BUFFER, points, gl.STREAM_DRAW)
      gl.uniform4f(gl.getUniformLocation(program, "colour"), ...rgb(colour), opacity)
      gl.drawArrays(gl.POINTS, 0, points.length / 2)
    }
    gl.deleteBuffer(buffer)
    context.drawImage(canvas, 0, 0, wide, tall, 0, 0, wide, tall)
    return true
  }
})()

// The same without a graphics card: discs written pixel by pixel, a hundred times as fast as arcs.
const drawnPoints = (context, wide, tall, view, groups, size, opacity) => {
  const picture = context.createImageData(wide, tall)
  const data = picture.data
  const reach = Math.ceil(size / 2)
  const disc = []
  for (let dy = -reach; dy <= reach; dy++)
    for (let dx = -reach; dx <= reach; dx++) {
      const a = opacity * Math.max(0, Math.min(1, size / 2 - Math.hypot(dx, dy) + 0.5))
      if (a > 0) disc.push(dx, dy, a)
    }
  for (const [places, colour] of groups) {
    const [r, g, b] = [1, 3, 5].map((i) => Number.parseInt(colour.slice(i, i + 2), 16))
    for (let i = 0; i < places.length; i += 2) {
      const x = Math.round(((places[i] - view[0]) / (view[1] - view[0])) * wide)
      const y = Math.round((1 - (places[i + 1] - view[2]) / (view[3] - view[2])) * tall)
      if (x < -reach || y < -reach || x >= wide + reach || y >= tall + reach) continue
      for (let k = 0; k < disc.length; k += 3) {
        const [px, py, a] = [x + disc[k], y + disc[k + 1], disc[k + 2]]
        if (px < 0 || py < 0 || px >= wide || py >= tall) continue
        const at = 4 * (py * wide + px)
        const before = data[at + 3] / 255
        const sum = a + before * (1 - a)
        data[at] = (r * a + data[at] * before * (1 - a)) / sum
        data[at + 1] = (g * a + data[at + 1] * before * (1 - a)) / sum
        data[at + 2] = (b * a + data[at + 2] * before * (1 - a)) / sum
        data[at + 3] = 255 * sum
      }
    }
  }
  context.putImageData(picture, 0, 0)
}
