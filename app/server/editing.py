"""One tab edits a pipeline; another one with the same pipeline looks on, and can take it over.

Two tabs that write the same document would overwrite each other. So each pipeline of a person has
one holder. Other tabs show, read-only, what it does, until they take over or it is gone: when it is
closed, has been without connection for `LOST_SECONDS`, or was loaded anew. All tabs live in one
process, so what is handed over is the holder's document itself, saved or not, with its undo.
"""

import threading
import time
import weakref
from dataclasses import dataclass
from functools import partial

from app.session.tab import Tab

LOST_SECONDS = 15.0
_LOADS_SECONDS = 10.0
_Key = tuple[str, str]
_LOST = "'{name}' is edited in another tab now. Nothing is lost; 'Take over' brings it back here."
_BACK = "'{name}' is not open elsewhere any more: it can be edited here."


@dataclass(frozen=True)
class RightsOfTab:
    """What one tab may do with its pipeline, asked of all; see `session.protocols.Rights`."""

    editing: "Editing"
    tab: Tab

    def may_edit(self) -> bool:
        """Whether no other tab holds this one's pipeline."""
        return self.editing.may_edit(self.tab)

    def holds(self) -> bool:
        """Whether this tab is the one that edits its pipeline."""
        return self.editing.holds(self.tab)

    def names(self) -> set[str]:
        """What the pipelines are called that other tabs of this person hold."""
        return self.editing.names(self.tab)

    def settle(self, renamed: bool = False) -> None:
        """After each change: the tab holds its pipeline, or looks on."""
        self.editing.settle(self.tab, renamed)

    def take_over(self) -> None:
        """The tab edits from now on, with all that the other has done."""
        self.editing.take_over(self.tab)

    def look(self, now: float | None = None) -> None:
        """Called often: who has been away for long gives way to who waits."""
        self.editing.look(now)


class Editing:
    """Who edits which pipeline. Tabs are held weakly; each is changed only in its own loop."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._holders: dict[_Key, weakref.ref[Tab]] = {}
        self._tabs: weakref.WeakSet[Tab] = weakref.WeakSet()
        self._away: dict[_Key, float] = {}

    def of(self, tab: Tab) -> RightsOfTab:
        """What this tab may do."""
        return RightsOfTab(self, tab)

    def may_edit(self, tab: Tab) -> bool:
        """Whether no other tab holds this one's pipeline."""
        with self._guard:
            return not _has_begun(tab) or self._holder(_key(tab)) in (None, tab)

    def holds(self, tab: Tab) -> bool:
        """Whether this tab is the one that edits its pipeline."""
        with self._guard:
            return self._holder(_key(tab)) is tab

    def names(self, tab: Tab) -> set[str]:
        """What the pipelines are called that other tabs of this person hold."""
        with self._guard:
            keys = [key for key in self._holders if key[0] == tab.owner]
            return {key[1] for key in keys if self._holder(key) not in (None, tab)}

    def settle(self, tab: Tab, renamed: bool = False) -> None:
        """After each change of a tab: it holds its pipeline, or looks on.

        Args:
            renamed: Whether it is the same pipeline as before, under another name.
        """
        with self._guard:
            self._tabs.add(tab)
            key = _key(tab)
            left = {k for k, known in self._holders.items() if known() is tab} - {key}
            for other in left:
                self._holders.pop(other)
            holder = self._holder(key)
            if not _has_begun(tab) and holder is not tab:
                pass  # an empty canvas is nobody's
            elif holder is not None and holder is not tab and holder.is_connected():
                self._look_on(tab, holder)
            else:
                self._hold(key, tab, holder)
            for other in left:
                if renamed:
                    self._tell(other, tab)
                else:
                    self._grant(other, None)

    def take_over(self, tab: Tab) -> None:
        """This tab edits from now on, with all that the other has done; the other looks on."""
        with self._guard:
            self._hold(_key(tab), tab, self._holder(_key(tab)))

    def closed(self, tab: Tab) -> None:
        """A tab is closed: one that looked on may edit."""
        with self._guard:
            self._tabs.discard(tab)
            for key in [k for k, known in self._holders.items() if known() is tab]:
                self._holders.pop(key)
                self._away.pop(key, None)
                self._grant(key, tab)

    def look(self, now: float | None = None) -> None:
        """Called often: who has been without connection for long gives way to who waits."""
        now = time.monotonic() if now is None else now
        with self._guard:
            for key in list(self._holders):
                holder = self._holder(key)
                if holder is not None and holder.is_connected():
                    self._away.pop(key, None)
                    continue
                away = now - self._away.setdefault(key, now)
                anew = self._loaded_anew(key, holder, away)
                if anew is not None or away > LOST_SECONDS:
                    self._away.pop(key)
                    self._grant(key, holder, anew)

    def _loaded_anew(self, key: _Key, holder: Tab | None, away: float) -> Tab | None:
        """The tab that stands where the holder was: a page loaded anew is made before the old goes.

        It is connected now, and the holder's line was lost while it was loaded. Where that was a
        coincidence nothing is lost: the other takes over when it is back.
        """
        lost = time.time() - away
        loaded = [
            tab
            for tab in self._others(key, holder)
            if 0 <= lost - tab.opened < _LOADS_SECONDS and tab.is_connected()
        ]
        return loaded[-1] if loaded else None

    def _holder(self, key: _Key) -> Tab | None:
        known = self._holders.get(key)
        return known() if known is not None else None

    def _hold(self, key: _Key, tab: Tab, before: Tab | None) -> None:
        self._holders[key] = weakref.ref(tab)
        if before is not None and before is not tab:
            tab.mirror(before, with_past=True)

            def told() -> None:
                before.say(_LOST.format(name=key[1]), "warning")
                self._look_on(before, tab)

            before.later(told)
        tab.document.read_only = False
        self._tell(key, tab)

    def _tell(self, key: _Key, holder: Tab) -> None:
        """Those who look on see what the holder has done."""

        def show(tab: Tab) -> None:
            with self._guard:
                if _key(tab) == key and self._holder(_key(holder)) is holder:
                    self._look_on(tab, holder)

        for tab in self._others(key, holder):
            tab.later(partial(show, tab))

    def _look_on(self, tab: Tab, holder: Tab) -> None:
        tab.document.read_only = True
        tab.mirror(holder)

    def _grant(self, key: _Key, gone: Tab | None, to: Tab | None = None) -> None:
        """Gives a pipeline to a tab, or to the one that has looked on longest, if there is one."""
        waiting = [tab for tab in self._others(key, gone) if tab.is_connected()]
        if not waiting:
            return
        tab = to if to is not None else waiting[0]

        def may() -> None:
            with self._guard:
                if _key(tab) == key and self._holder(key) in (None, gone):
                    self._hold(key, tab, gone)
                    # A tab that was just loaded anew has never looked on: it was its own before.
                    if time.time() - tab.opened > _LOADS_SECONDS:
                        tab.say(_BACK.format(name=key[1]))

        tab.later(may)

    def _others(self, key: _Key, holder: Tab | None) -> list[Tab]:
        same = (tab for tab in self._tabs if _key(tab) == key and _has_begun(tab))
        found = [tab for tab in same if tab is not holder]
        return sorted(found, key=lambda tab: tab.opened)


def _key(tab: Tab) -> _Key:
    return tab.owner, tab.document.spec.name


def _has_begun(tab: Tab) -> bool:
    """Whether its pipeline is more than a canvas on which nothing was ever put."""
    return bool(tab.document.spec.blocks) or tab.document.read_only
