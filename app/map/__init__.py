"""The map of the cells, live, side by side, and as a figure."""
