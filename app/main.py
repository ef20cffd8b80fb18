"""One browser tab: `panel serve app` runs this file once for each."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the page only draws; the runs choose a device

import panel as pn

from app import starting

pn.extension(reconnect=True)

if starting.is_under_way():
    starting.Waiting().servable(title="DiffBio Workbench")
else:
    try:
        from app.opening import open_tab

        open_tab().servable()
    except Exception as error:  # an empty page would tell nobody
        starting.could_not_open(error).servable(title="DiffBio Workbench")
