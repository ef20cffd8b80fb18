// What several components draw with; put before their scripts (scripts.py), which can import none.
const icon = (path) => `<svg viewBox="0 0 24 24"><path d="${path}"/></svg>`
const number = (n) => n.toLocaleString("en")
const make = (tag, name, text) => {
  const node = document.createElement(tag)
  if (name) node.className = name
  if (text !== undefined) node.textContent = text
  return node
}
