// Files that belong together become one upload: a folder with matrices (all its samples), a zarr store, or the
// three files of a matrix that were chosen side by side, or a table of counts with the table that describes its
// samples or cells, or sequences with tables of their names, or several files of sequences. Put before the views that
// take files.
const MATRIX = /\.mtx(\.gz|\.bz2|\.xz)?$/i
const LIST = /\.(mtx|mtx_rows|mtx_cols|tsv|txt|csv)(\.gz|\.bz2|\.xz)?$/i
const TRIO = /^(.*?)(matrix\.mtx|barcodes\.tsv|features\.tsv|genes\.tsv)(\.gz)?$/i
const LETTERS =
  /\.(fasta|fa|fna|ffn|frn|faa|fas|fsa|mfa|afa|pep|fastq|fq|3line)(\.gz|\.bz2|\.xz)?$/i
const TABLE = /\.(csv|tsv|txt|tab|xlsx)(\.gz|\.bz2|\.xz)?$/i
const DESCRIBES =
  /(design|meta_?data|coldata|pheno|samples?[-_]?(info|sheet|table)|cell_?info|sra_?run_?table|vocab)[^/]*$/i
const STORE = /(^|\/)(\.zgroup|\.zattrs|zarr\.json)$/

// In a folder the raw counts beside the filtered ones, and what else Cell Ranger leaves, stay behind.
const LEFT = /(molecule_info|\.cloupe|\.vloupe)/i

function groups(files, hdf5 = []) {
  const isHdf5 = (name) => hdf5.some((ending) => name.toLowerCase().endsWith(ending))
  const tops = new Map()
  for (const entry of files) {
    const parts = entry.path.split("/")
    const top = parts.length > 1 ? parts[0] : ""
    if (!tops.has(top)) tops.set(top, [])
    tops.get(top).push(entry)
  }
  const made = []
  for (const [top, inside] of tops) {
    const store = top && inside.some(({ path }) => STORE.test(path))
    const matrices = inside.some(({ file }) => MATRIX.test(file.name))
    const there = new Set(inside.map(({ path }) => path))
    const isRaw = (path) => {
      const better = path.replace(/raw(?=[^/]*$)/, "filtered")
      return better !== path && there.has(better)
    }
    const counted = ({ file, path }) =>
      top && isHdf5(file.name) && !LEFT.test(file.name) && !isRaw(path)
    const cells = !store && inside.filter(counted).length > (matrices ? 0 : 1)
    const together = store
      ? inside
      : inside.filter(
          (entry) =>
            ((matrices || cells) && LIST.test(entry.file.name)) ||
            TRIO.test(entry.file.name) ||
            (cells && counted(entry)),
        )
    const tables = inside.filter(({ file }) => TABLE.test(file.name))
    const letters = matrices ? [] : inside.filter(({ file }) => LETTERS.test(file.name))
    if (!together.length && letters.length && letters.length + tables.length > 1) {
      const those = [...letters, ...tables]
      const name = letters.length > 1 && top ? top : letters[0].file.name.replace(LETTERS, "")
      made.push({
        name: letters.length > 1 && !top ? `${name} and ${letters.length - 1} more` : name,
        files: those.map(({ file }) => file),
        paths: those.map(({ path }) => (top ? path.slice(top.length + 1) : path)),
      })
      for (const entry of inside)
        if (!those.includes(entry) && !entry.file.name.startsWith("."))
          made.push({ name: entry.file.name, files: [entry.file] })
      continue
    }
    const described = tables.filter(({ file }) => !DESCRIBES.test(file.name))
    if (!together.length && tables.length > 1 && described.length === 1) {
      const one = {
        name: described[0].file.name.replace(TABLE, ""),
        files: tables.map(({ file }) => file),
        paths: tables.map(({ file }) => file.name),
      }
      made.push(one)
      for (const { file } of inside)
        if (!TABLE.test(file.name) && !file.name.startsWith("."))
          made.push({ name: file.name, files: [file] })
      continue
    }
    const alone = inside.filter(
      (entry) => !together.includes(entry) && !entry.file.name.startsWith("."),
    )
    if (together.length) {
      const sets = new Set(together.map(({ file }) => (file.name.match(TRIO) ?? [0, ""])[1]))
      const shared = sets.size === 1 ? [...sets][0].replace(/[_.-]+$/, "") : ""
      // One of them by itself keeps its name, so that it can be said what is missing beside it.
      const folders = together.map(({ path }) => path.split("/").slice(0, -1))
      const common = folders[0].filter((_word, i) =>
        folders.every((f) => f.slice(0, i + 1).join("/") === folders[0].slice(0, i + 1).join("/")),
      )
      const name =
        together.length === 1 ? together[0].file.name : common.pop() || shared || "10x matrix"
      const paths = together.map(({ path }) => (top ? path.slice(top.length + 1) : path))
      const path = top || (together.length === 1 ? together[0].path : name)
      made.push({ name, path, files: together.map(({ file }) => file), paths })
    }
    // Beside matrices in a folder lie reads and reports, which nobody means to bring.
    if (!top || !together.length)
      for (const { file, path } of alone) made.push({ name: file.name, path, files: [file] })
  }
  return made
}
