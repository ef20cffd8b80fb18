// Single numbers, each with what it means.
PLOTS.numbers = (c, sheet) => {
  const box = make("div", "numbers")
  for (const item of c.numbers) {
    const card = make("div")
    card.append(
      make("b", "", value(item.value)),
      make("span", "", item.title),
      make("p", "", item.doc),
    )
    box.append(card)
  }
  sheet.main.append(box)
}
