"""The canvas: blocks, typed ports and wires, and the palette beside it."""
