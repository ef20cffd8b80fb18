// What came from the server is known there: a message names it by its id. BokehJS takes what came
// after the page itself for new, and sends it back whole with the first word about it: a table of
// results with all its rows, which may be more than a page may send (app/access/message_size.py).
const OF_SERVER = /^p\d+$/ // what the browser makes itself has a UUID

const name_by_id = (page) => {
  const fresh = page?._new_models
  if (!fresh) return
  fresh.add = (made) => (OF_SERVER.test(made.id) ? fresh : Set.prototype.add.call(fresh, made))
  for (const made of [...fresh]) if (OF_SERVER.test(made.id)) fresh.delete(made)
}
