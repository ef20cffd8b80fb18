// Where an axis has its marks, and how they are written.
const niceTicks = (low, high, about = 5) => {
  const rough = (high - low) / about || 1
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * [1, 2, 5, 10].find((m) => rough <= m * power * 1.0001)
  const ticks = []
  for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-9; t += step)
    ticks.push(Math.abs(t) < step * 1e-9 ? 0 : Number(t.toPrecision(12)))
  return ticks
}
const shortNumber = (v) =>
  Math.abs(v) >= 1e6
    ? `${Number((v / 1e6).toPrecision(3))}M`
    : Math.abs(v) >= 1e4
      ? `${Number((v / 1e3).toPrecision(3))}k`
      : String(Number(v.toPrecision(4)))
const powerOfTen = (k) => {
  const raised = [...String(k)].map((d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)]))
  return k === 0 ? "1" : k === 1 ? "10" : `10${raised.join("")}`
}

// Marks of an axis of logarithms stand at whole powers of ten, where it spans some.
const ticksOf = (low, high, isLog, room) => {
  if (!isLog || high - low < 1.2) return niceTicks(low, high, room)
  const step = Math.max(1, Math.ceil((high - low) / room))
  const ticks = []
  for (let t = Math.ceil(low); t <= high; t++) if (t % step === 0) ticks.push(t)
  return ticks
}
const tickText = (t, isLog) =>
  !isLog
    ? shortNumber(t).replace("-", "−")
    : Number.isInteger(t)
      ? powerOfTen(t)
      : shortNumber(10 ** t)
