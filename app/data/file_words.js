// Files in lists: their icons, sizes and days.
const ICON = {
  up: "M12 16V4.500M7.500 8.500 12 4l4.500 4.500M4 15.500V20h16v-4.500",
  folder: "M3.500 6.500h6l2 2.500h9v10.500h-17z",
  file: "M6 3.500h8l4.500 4.500v12.500H6zM14 3.500V8h4.500",
  demo: "M12 3.500l2.600 5.300 5.900.9-4.200 4.100 1 5.800L12 16.900l-5.300 2.700 1-5.800L3.500 9.700l5.900-.9z",
}
/** @type {[string, number][]} */
const SIZES = [
  ["GB", 2 ** 30],
  ["MB", 2 ** 20],
  ["kB", 2 ** 10],
]
const size = (n) => {
  for (const [unit, of] of SIZES) if (n >= of) return `${(n / of).toFixed(1)} ${unit}`
  return `${n} bytes`
}
// Of today the time, else the day: which of two files of one name was the later one.
const day = (seconds) => {
  const then = new Date(1000 * seconds)
  return then.toDateString() === new Date().toDateString()
    ? then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })
    : then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })
}
