"""A tab joins the server's engine, and leaves it when it closes."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from app.server.run_driver import RunDriver, Server
from app.session.autosave import Autosave
from app.session.data_in_use import CARDS
from app.session.previewing import Previewing
from app.session.session import Session


def attach(session: Session, server: Server) -> None:
    """Gives a session the shared engine; undone when the session closes."""
    session.engine, session.store, session.room = server.engine, server.store, server.room
    session.data_dir = server.data_dir
    document, data, run = session.document, session.data, session.run
    autosave = Autosave(session, server.store, server.data_dir)
    driver = RunDriver(session, server, autosave)
    run.driver = driver
    driver.previewing = Previewing(session, server.engine)
    session.work = _worker(session, server, session.owner)
    # Whoever waits for files goes on with everything else meanwhile.
    session.read = _worker(session, server, f"files of {session.owner}")
    document.store, document.rights = server.store, server.editing.of(session)
    server.drivers.add(driver)
    for thing, what in ((document, ["spec"]), (data, CARDS), (run, ["state"])):
        thing.param.watch(lambda *_: driver.check_soon(), what)
    for thing, what in ((document, ["spec"]), (data, CARDS), (run, ["id"])):
        thing.param.watch(lambda *_: autosave.save_soon(), what)
    data.param.watch(lambda *_: server.editing.settle(session), CARDS)
    session.on_close(lambda: server.drivers.discard(driver))
    session.on_close(driver.previewing.close)
    session.on_close(autosave.save_now)
    session.on_close(lambda: server.editing.closed(session))
    last_run = autosave.bring_back()
    driver.check_soon()
    if last_run:
        driver.watch(last_run)
        if autosave.looked_at_run or session.is_of_another_document:
            session.look_at_run()


def _worker(session: Session, server: Server, whose: str) -> Callable[..., None]:
    """``work(function, then)``: the function in the pool, then its result into the tab."""
    tab = weakref.ref(session)

    def work(function: Callable[[], Any], then: Callable[[Any], None] | None = None) -> None:
        def carried_out() -> None:
            alive = tab()
            if alive is None:
                return
            try:
                result = function()
            except Exception as error:
                alive.later(partial(alive.refuse, error))
            else:
                if then is not None:
                    alive.later(lambda: then(result))

        server.pool.submit(whose, carried_out)

    return work
