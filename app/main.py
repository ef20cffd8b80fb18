"""One browser tab: `panel serve app` runs this file once for each."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the page only draws; the runs choose a device

import panel as pn

from app import starting

pn.extension(reconnect=True)

if starting.is_under_way():
    waiting = pn.pane.HTML(starting.WAITING)
    waiting.servable(title="DiffBio Workbench")
    pn.pane.HTML(f"<script>{starting.LOOK_AGAIN}</script>").servable()
else:
    from app.opening import open_tab

    open_tab().servable()
