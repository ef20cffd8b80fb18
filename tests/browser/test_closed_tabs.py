"""What is left of a tab after it was closed: nothing."""

import gc
import time
import urllib.request
import weakref

TABS = 20


def test_of_tabs_that_were_opened_and_closed_nothing_is_left(served):
    open_now = {id(s) for s in served.sessions}
    for _ in range(TABS):
        with urllib.request.urlopen(served.url) as answer:
            assert answer.status == 200
    # Those whose time was up while others were opened are gone already.
    tabs = [weakref.ref(s) for s in served.sessions if id(s) not in open_now]
    views = [weakref.ref(w) for s in tabs if s() for w in watching(s())]
    assert tabs and views
    deadline = time.monotonic() + 90
    while any(tab() for tab in tabs) and time.monotonic() < deadline:
        time.sleep(0.5)
        gc.collect()
    left = [tab() for tab in tabs if tab()]
    assert not left, f"{len(left)} of {len(tabs)} sessions are held by {holders(left[0])}"
    assert not any(view() for view in views)
    assert len(served.sessions) <= len(open_now)


def watching(session):
    """The views that watch a session, or what it has."""
    found = {}
    for thing in (session, session.document, session.data, session.run):
        for watchers in thing.param.watchers.values():
            for watcher in (w for by_what in watchers.values() for w in by_what):
                view = getattr(watcher.fn, "__self__", None)
                if view is not None and view is not session:
                    found[id(view)] = view
    return found.values()


def holders(thing):
    return [type(r).__name__ + " " + str(r)[:150] for r in gc.get_referrers(thing)][:12]
