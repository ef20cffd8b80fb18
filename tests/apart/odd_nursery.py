"""A nursery whose readers can be told to misbehave, as a file that breaks its reader would."""

import os
import signal
import time

import numpy as np

from diffbio_engine.apart import nursery, questions


def _inspect(self, path: str, options: dict):
    how = os.path.basename(path).split(".")[0]
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "abort":
        os.abort()
    if how == "hang":
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(60)
    if how == "spin":
        while True:
            pass
    if how == "garbage":
        os.write(CONNECTION[0].fileno(), b"\x80\x04K\x01." * 100)
    if how == "gulp":
        np.ones(2**34)
    if how == "mistake":
        raise ValueError("Error -3 while decompressing")
    if how == "odd":
        return {"n_cells": "many", "matrices": [[]]}, {}
    return {
        "n_cells": 3, "n_genes": 2, "kind": "h5ad", "name": how, "sentence": "", "obs": [],
        "var": [], "matrices": [], "suggested": {}, "obsm": {}, "warnings": [], "options": options,
    }, {}  # fmt: skip


def _cells(self):
    return {"names": []}, {"values": np.zeros(7, np.float32)}


def _column(self, name: str, most: int):
    time.sleep(float(name))
    return {"names": [name]}, {}


CONNECTION: list = []
_serve = questions.serve


def _told(connection, told):
    CONNECTION.append(connection)
    _serve(connection, told)


if __name__ == "__main__":
    questions.Reader.ask_inspect, questions.Reader.ask_cells = _inspect, _cells
    questions.Reader.ask_column = _column
    questions.Reader.ask_open = lambda self, path, options: ({"n_cells": 3}, {})
    questions.serve = _told
    nursery.main()
