"""The inspector: the dials of a run, the settings and help of a block."""
