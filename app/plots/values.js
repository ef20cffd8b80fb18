// How numbers of results are written and shaded.
const value = (v) =>
  v === null || v === undefined
    ? "–"
    : v === 0
      ? "0"
      : Math.abs(v) >= 1e4 || Math.abs(v) < 1e-3
        ? v.toExponential(2)
        : Number(v.toPrecision(4)).toLocaleString("en")

// From pale to strong in the page's own ink; red and blue where there is both.
const shade = (share, signed, dark) => {
  const s = Math.max(-1, Math.min(1, share))
  if (!signed)
    return `color-mix(in oklab, var(--db-accent) ${Math.round(100 * Math.abs(s))}%, ${dark ? "#1c232c" : "#f2f5f7"})`
  return `color-mix(in oklab, ${s < 0 ? "#2563eb" : "#dc2626"} ${Math.round(100 * Math.abs(s))}%, ${dark ? "#1c232c" : "#f2f5f7"})`
}
