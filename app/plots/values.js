// How numbers of results are written and shaded.
const value = (v) => {
  if (v === null || v === undefined) return "–"
  if (v === 0) return "0"
  const size = Math.abs(v)
  // The page is sent six digits of a number.
  if (size < 1e-3 || size >= 1e6) return v.toExponential(2)
  if (size >= 1e4) return Math.round(v).toLocaleString("en")
  if (size < 0.1) return v.toLocaleString("en", { maximumSignificantDigits: 3 })
  return Number(v.toPrecision(4)).toLocaleString("en")
}

// From pale to strong in the page's own ink; red and blue where there is both.
const shade = (share, signed, dark) => {
  const s = Math.max(-1, Math.min(1, share))
  if (!signed)
    return `color-mix(in oklab, var(--db-accent) ${Math.round(100 * Math.abs(s))}%, ${dark ? "#1c232c" : "#f2f5f7"})`
  return `color-mix(in oklab, ${s < 0 ? "#2563eb" : "#dc2626"} ${Math.round(100 * Math.abs(s))}%, ${dark ? "#1c232c" : "#f2f5f7"})`
}
