// What was dropped, as files with their paths; folders are walked through. Put before the views that take drops.
const MOST_FILES = 2000
// Of hidden files only these say something: what the arrays of a zarr store (version 2) are.
const ZARR = [".zgroup", ".zarray", ".zattrs", ".zmetadata"]
const hidden = (name) => name.startsWith(".") && !ZARR.includes(name)
const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files")

// The entries must be asked for before the drop has ended, the files of a folder may come later.
async function dropped(transfer) {
  const found = [],
    problems = []
  const walk = async (entry, path) => {
    if (found.length > MOST_FILES || hidden(entry.name)) return
    try {
      if (entry.isFile)
        return found.push({
          file: await new Promise((ok, no) => entry.file(ok, no)),
          path: path + entry.name,
        })
      const reader = entry.createReader()
      for (;;) {
        const some = await new Promise((ok, no) => reader.readEntries(ok, no))
        if (!some.length) return
        for (const inner of some) await walk(inner, `${path}${entry.name}/`)
      }
    } catch {
      problems.push(`${path}${entry.name} cannot be read on this computer.`)
    }
  }
  const items = [...transfer.items].filter((i) => i.kind === "file")
  const entries = items.map((i) => i.webkitGetAsEntry?.() ?? i.getAsFile())
  for (const entry of entries) {
    if (entry instanceof File) found.push({ file: entry, path: entry.name })
    else if (entry) await walk(entry, "")
  }
  if (found.length > MOST_FILES) {
    found.length = 0
    problems.push(
      `More than ${MOST_FILES.toLocaleString("en")} files were dropped. Drop only those of one data set.`,
    )
  } else if (!found.length && !problems.length)
    problems.push("There is no file in what was dropped. Drop a file, or a folder that holds some.")
  return { found, problems }
}
