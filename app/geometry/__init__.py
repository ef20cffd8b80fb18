"""Where blocks, ports and wires lie on the canvas; numbers, no page."""
