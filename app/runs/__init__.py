"""The bar above the canvas, and the list of runs."""
