// Who is selected: how many, of which kinds, how certain. It stays in sight above the legend.
const few = (x) =>
  x === undefined ? "–" : Math.abs(x) >= 1e5 ? x.toExponential(2) : `${+x.toPrecision(3)}`

function selection_card(about, { rows, columns, by, send }) {
  const card = make("div", "card")
  card.setAttribute("role", "region")
  card.setAttribute("aria-label", "Selection")
  card.innerHTML = `<header><b></b><button title="Clear the selection (Esc)">Clear</button></header><p></p>
    <label class="count">By <select aria-label="Count the selected by"></select></label><div class="parts"></div>`
  const find = (s) => card.querySelector(s)
  find("b").textContent = `${number(about.n)} of ${number(about.of)} ${rows}`
  const facts = [`${+((100 * about.n) / about.of).toPrecision(2)} % selected`]
  if (about.certainty !== undefined) {
    facts.push(`mean certainty ${about.certainty.toFixed(2)}`)
    if (about.undecided) facts.push(`${number(about.undecided)} undecided`)
  }
  if (about.mean !== undefined) facts.push(`mean ${about.mean_of.split(",")[0]} ${few(about.mean)}`)
  find("p").textContent = facts.join(" · ")
  find("p").title = "Certainty: the largest share of a cell; undecided: it is below 0.5"
  find("header button").onclick = () => send({ do: "clear" })
  for (const [block, , called] of about.picks ?? []) {
    const pick = make("button", "use", `Use as ${called}`)
    pick.title = `The ${rows.slice(0, -1)} in the middle of the selection becomes the ${called} of ${block}`
    pick.onclick = () => send({ do: "pick", block })
    find("label").before(pick)
  }
  const select = find("select")
  fill_options(select, columns, new Option(`${about.title} (shown)`, ""))
  select.value = by
  if (by) select.options[0].textContent = "What is shown"
  select.onchange = () => send({ do: "count_by", key: select.value })
  const parts = find(".parts")
  for (const row of about.rows) {
    const line = make("div", "part")
    line.innerHTML = `<span></span><b></b><b></b><i></i>`
    line.title = `${row.name}: ${number(row.n)} ${rows}, ${Math.round(100 * row.covered)} % of all ${row.name}`
    line.querySelector("span").textContent = row.name
    const [count, share] = line.querySelectorAll("b")
    count.textContent = number(row.n)
    share.textContent = `${row.share && row.share < 0.01 ? "<1" : Math.round(100 * row.share)} %`
    const meter = line.querySelector("i")
    meter.style.setProperty("--share", row.share)
    meter.style.setProperty("--color", row.color)
    parts.append(line)
  }
  const rest = []
  if (about.more)
    rest.push(`${number(about.more)} more ${about.more === 1 ? "category" : "categories"}`)
  if (about.none) rest.push(`${number(about.none)} ${rows} without a value`)
  if (rest.length) parts.append(make("p", "rest", `and ${rest.join(", ")}`))
  for (const side of about.numbers ?? []) {
    const [low, middle, high] = side.quartiles
    const line = make("p", "numbers")
    line.textContent = `${side.name}: median ${few(middle)} (${few(low)} to ${few(high)}), n ${number(side.n)}`
    line.title = "Median and quartiles of those that have a value"
    parts.append(line)
  }
  return card
}
