"""The page: where each view sits."""

from functools import partial
from typing import Any

import panel as pn
import param
from panel.util import edit_readonly

from app.access.from_browser import Page, names_no_files
from app.canvas.palette import Palette
from app.canvas.view import Canvas
from app.data.page_drop import PageDrop
from app.data.quality_control import QualityPane
from app.data.view import DataPanel
from app.help.shortcuts import Shortcuts
from app.help.temperature import Softness
from app.inspector.view import Inspector
from app.losses.view import Losses
from app.map.gallery import MapGallery
from app.map.gene_sets import GeneSets
from app.results.exports import Exports
from app.results.view import FindingsView
from app.runs.bar import RunBar
from app.runs.list import RunList
from app.session.session import Session
from app.shell.dialogs import Dialogs
from app.shell.header import Header
from app.shell.layout import FIRST_CSS, LayoutDesk, sized, splitter
from app.shell.map_place import MapPlace
from app.shell.saved_pipelines import SavedPipelines
from app.shell.welcome import Welcome
from app.style import theme

names_no_files()
# The header in the colour of the paper, so that what is on it can be read in both themes.
_BAR = {
    "& .MuiAppBar-root.header": {
        "backgroundColor": "var(--db-surface)",
        "color": "var(--db-dim)",
        "backgroundImage": "none",
        "boxShadow": "none",
        "borderBottom": "1px solid var(--db-line)",
    },
    "& .header .MuiToolbar-root": {"minHeight": "52px !important", "px": "14px"},
    "& main .MuiToolbar-root": {"minHeight": "52px !important"},
    # What does not fit is cut in it, never what stands to its right.
    "& .header .MuiBox-root + .MuiBox-root": {"minWidth": 0},
    "@media (max-width: 900px)": {"& .header .title": {"display": "none"}},
    "& .header .title": {
        "color": "var(--db-text)",
        "fontSize": "15px",
        "fontWeight": 650,
        "whiteSpace": "nowrap",
    },
    "& .header .logo": {"height": "30px !important"},
    "& .main": {"backgroundColor": "var(--db-bg)"},
}

# A part takes what its neighbours leave, however much it holds.
_SHRINKS = ":host { min-width: 0 !important; min-height: 0 !important; }"


class Workbench(pn.viewable.Viewer):
    """One tab of the workbench."""

    busy = param.Boolean(False, doc="Never true: the page shows what a run does in its bar.")

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        canvas = Canvas(session)
        dialogs = Dialogs(
            session,
            {
                "data": ("Data", "lg", partial(DataPanel, session)),
                "quality": ("Quality control", "xl", partial(QualityPane, session)),
                "runs": ("Runs", "lg", partial(RunList, session)),
                "maps": ("Maps side by side", "xl", partial(MapGallery, session)),
                "gene_sets": ("Colour by a set of genes", "md", partial(GeneSets, session)),
                "findings": ("Results", "lg", partial(FindingsView, session)),
                "exports": ("Export", "md", partial(Exports, session)),
                "saved": ("Saved pipelines", "md", partial(SavedPipelines, session)),
                "presets": (
                    "Ready pipelines",
                    "sm",
                    partial(Welcome, session, pipelines_only=True),
                ),
                "softness": (
                    "From hard to soft: what temperature does",
                    "lg",
                    partial(Softness, session),
                ),
                "shortcuts": ("Keyboard shortcuts", "sm", Shortcuts),
            },
        )
        self._over_map = sized("canvas", canvas, Welcome(session))
        middle = pn.Column(
            self._over_map,
            splitter("canvas", lies=True),
            pn.Row(
                MapPlace(session),
                splitter("losses", after=True),
                sized("losses", Losses(session)),
                sizing_mode="stretch_both",
                margin=0,
                stylesheets=[_SHRINKS],
            ),
            sizing_mode="stretch_both",
            margin=0,
            stylesheets=[_SHRINKS],
        )
        parts = pn.Row(
            sized("palette", Palette(session)),
            splitter("palette"),
            middle,
            splitter("inspector", after=True),
            sized("inspector", Inspector(session)),
            sizing_mode="stretch_both",
            margin=0,
            stylesheets=[_SHRINKS],
        )
        self.page = Page(
            title="DiffBio Workbench",
            logo={"light": theme.ASSETS / "logo.svg", "dark": theme.ASSETS / "logo-dark.svg"},
            favicon=theme.ASSETS / "favicon.svg",
            theme_config=theme.THEME_CONFIG,
            theme_toggle=False,
            busy_indicator=None,
            header=[Header(session)],
            main=[
                pn.Column(
                    LayoutDesk(session),
                    RunBar(session, canvas.fit),
                    parts,
                    dialogs,
                    PageDrop(session),
                    sizing_mode="stretch_both",
                    margin=0,
                    stylesheets=[_SHRINKS],
                )
            ],
            dark_theme=session.theme == "dark",
            sx=_BAR,
        )
        self.page.config.css_files = [theme.FONTS_CSS]
        self.page.config.raw_css = [theme.PAGE_CSS, FIRST_CSS]
        # It follows the busy state of the whole server, which holds what follows it: every page
        # that was ever opened. Here it follows the tab's own.
        with edit_readonly(self.page):
            self.page.busy = self.param.busy
        session.param.watch(self._themed, ["theme"])
        session.run.param.watch(self._make_room, ["id", "state"])
        self._make_room()

    def _make_room(self, *_: Any) -> None:
        """The map is what one looks at once something runs."""
        shown = ["of-a-run"] if self.session.run.is_shown else []
        if self._over_map.css_classes != shown:
            self._over_map.css_classes = shown

    def _themed(self, *_: Any) -> None:
        self.page.dark_theme = self.session.theme == "dark"

    def servable(self) -> None:
        """Shows the page in the current document."""
        self.page.servable(title="DiffBio Workbench")

    def __panel__(self) -> pn.viewable.Viewable:
        return self.page
