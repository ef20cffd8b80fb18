"""One browser tab: `panel serve app` runs this file once for each."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the page only draws; the runs choose a device

import panel as pn

from app.server import lazy_start

pn.extension(reconnect=True)

if lazy_start.is_under_way():
    lazy_start.Waiting().servable(title="DiffBio Workbench")
else:
    try:
        from app.server.open_tab import open_tab

        open_tab().servable()
    except Exception as error:  # an empty page would tell nobody
        lazy_start.could_not_open(error).servable(title="DiffBio Workbench")
