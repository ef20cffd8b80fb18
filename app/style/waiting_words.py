"""Why what a worker is doing may take a while, for a person who waits for it."""

from diffbio_engine.axes import axis_of, said_of

_WHY = (
    (
        "Getting ready",
        "A worker process begins; the first one of a server takes longer.",
    ),
    ("Starting a worker", "It waits for a free place where others are running."),
    ("Reading", "A large file is read once, block by block."),
    ("Choosing", "All genes of all cells are looked at once."),
    ("Building", "Blocks and wires are checked and put together."),
    ("Fitting", "A block is fitted to all cells; the time grows with their number."),
    ("first map", "All cells are placed once before anything is trained."),
    ("Compiling", "A pipeline is compiled in its first run; the next one begins at once."),
    ("Writing the results", "Genes are tested for each group, and the cells are written."),
)


def why_it_takes(message: str, rows: str = "cells") -> str:
    """One sentence about what is being done to these rows; empty if there is nothing to explain."""
    words = next((words for part, words in _WHY if part in message), "")
    return said_of(axis_of(rows), words)
