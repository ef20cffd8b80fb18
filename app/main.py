"""One browser tab: `panel serve app` runs this file once for each."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the page only draws; the runs choose a device

import panel as pn

pn.extension(reconnect=True)

from app.opening import open_tab

open_tab().servable()
