"""Cells to draw from, and the order in which mini-batches draw them."""
