"""The losses of a run, live."""
