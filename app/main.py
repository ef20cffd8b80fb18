"""One browser tab: `panel serve app` runs this file once for each."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the page only draws; the runs choose a device

import panel as pn

from app.server import lazy_start as starting

pn.extension(reconnect=True)

if starting.is_under_way():
    starting.Waiting().servable(title="DiffBio Workbench")
else:
    try:
        from app.server.open_tab import open_tab

        open_tab().servable()
    except Exception as error:  # an empty page would tell nobody
        starting.could_not_open(error).servable(title="DiffBio Workbench")
