"""A map goes home as a file: what is on the screen, made in a thread."""

from app.files.downloads import OFFERS, Fetch, safe_name
from app.map.drawing import Drawn
from app.map.figure import file_name, saved
from app.map.view_state import MapViewState
from app.map.words import map_title
from app.session.session import Session


def save(
    session: Session, fetch: Fetch, drawn: Drawn | None, state: MapViewState, kind: str
) -> None:
    """Offers the present view as "png", "svg" or "csv"; says why not, where there is none."""
    if drawn is None:
        return session.say("There is no map yet to save. Press Run first.", "warning")
    title, owner = map_title(drawn.frame.name, session), session.owner

    def make() -> str:
        name = safe_name(file_name(drawn, title, kind))
        return OFFERS.add(owner, name, saved(drawn, state, title, kind))

    session.work(make, fetch.get)
