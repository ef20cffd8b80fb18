// What may colour the cells, as the options of a field: those without a title first, in groups.
function fill_options(select, groups, ...first) {
  select.replaceChildren(...first)
  for (const group of groups) {
    const options = group.items.map((i) => new Option(i.title, i.key))
    if (!group.title) select.append(...options)
    else {
      const part = document.createElement("optgroup")
      part.label = group.title
      part.append(...options)
      select.append(part)
    }
  }
}
