"""`new` and `check`: the files of a new operator, and whether an operator keeps its promises."""

import contextlib
import keyword
import re
import subprocess
import sys
from pathlib import Path

from diffbio_engine.declare import find_operator
from diffbio_engine.errors import UnknownNameError, UserError

_ID = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")

# What a newcomer starts from runs, and keeps every promise; each sentence asks to be replaced.
_OPERATOR = '''"""{title}: say in one sentence what it is."""

import jax

from diffbio_engine import soft_ops
from diffbio_engine.declare import EXPRESSION, Config, Kind, Operator, Port, dial, operator


class {name}Config(Config):
    """Settings of {title}."""

    threshold: float = dial(1.0, low=0.0, high=10.0, doc="From which level a gene counts as on.")
    temperature: float = dial(
        0.1,
        low=0.001,
        high=10.0,
        log=True,
        learnable=True,
        doc="Low: on or off. High: by degrees.",
    )


@operator(title="{title}")
class {name}(Operator):
    """Says of each gene in each cell how surely it is on.

    ``on[i, g] = sigmoid((expression[i, g] - threshold) / temperature)``: put your formula here.

    Softens: the comparison of a level with a threshold.
    Hard limit: as ``temperature`` goes to 0, 1 above the threshold and 0 below.
    Gradients: reach ``expression``, the threshold and the temperature; they vanish far from it.
    Cost: O(cells * genes) time and memory.

    References:
        Author (year), Title of the paper that describes the method.
    """

    Config = {name}Config
    inputs = (EXPRESSION,)
    outputs = (
        Port("{port}", "cells genes", Kind.EXPRESSION, "How surely each gene is on, 0 to 1."),
    )

    def __call__(self, expression: jax.Array) -> dict[str, jax.Array]:
        on = soft_ops.greater(expression, self.dial("threshold"), self.dial("temperature"))
        return {{"{port}": on}}
'''

_TEST = '''"""{title}: golden numbers, the hard limit, and what it refuses."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import find_operator, set_temperature

DECLARED = find_operator("{id}")
LEVELS = jnp.asarray([[0.0, 0.9, 1.1, 4.0]])


def block():
    return DECLARED.make(DECLARED.make.Config(), rngs=nnx.Rngs(0))


def test_at_low_temperature_a_gene_is_on_or_off():
    made = block()
    set_temperature(made, 0.001)
    np.testing.assert_allclose(made(LEVELS)["{port}"], [[0, 0, 1, 1]], atol=1e-6)


def test_it_is_the_formula_of_its_paper():
    # A number with its source: a formula here, or a file of tests/references/{domain}
    # with the script that made it.
    expected = 1 / (1 + np.exp(-(np.asarray(LEVELS) - 1.0) / 0.1))
    np.testing.assert_allclose(block()(LEVELS)["{port}"], expected, rtol=1e-5)
'''

_REFERENCE = '''"""Golden numbers of {title}, made once by the best implementation there is.

Say here which one, its version, the data, and the command:

    python tests/references/{domain}/make_{file}.py
"""

from pathlib import Path

import numpy as np

OUT = Path(__file__).with_name("{file}.npz")


def main() -> None:
    """Writes what the other implementation finds; the test never imports it."""
    levels = np.asarray([[0.0, 0.9, 1.1, 4.0]])
    np.savez(OUT, levels=levels, expected=1 / (1 + np.exp(-(levels - 1.0) / 0.1)))


if __name__ == "__main__":
    main()
'''


def new_operator(name: str, into: Path) -> list[Path]:
    """Writes an operator that runs, its test, and the script of its golden numbers.

    Args:
        name: ``"<domain>.<name>"``, as the palette knows it.
        into: The checkout, or any folder: the files lie in it as in a checkout.

    Raises:
        UserError: The name is taken or no name of a file, or one of the files is there already.
    """
    domain, _, file = name.partition(".")
    if not _ID.fullmatch(name) or keyword.iskeyword(domain) or keyword.iskeyword(file):
        raise UserError(
            f"'{name}' is no name of an operator.",
            fix="Write domain.name in small letters, as in singlecell.soft_kmeans.",
        )
    if domain == "losses":
        raise UserError(
            f"'{name}' would be a loss, and several of these share a file.",
            fix="Write it beside those it is like, in diffbio_engine/losses.",
        )
    with contextlib.suppress(UnknownNameError):
        if find_operator(name).id == name:
            raise UserError(f"There is an operator '{name}' already.", fix="Choose another name.")
        raise UserError(
            f"'{find_operator(name).id}' was called '{name}' before, and old pipelines open by it.",
            fix="Choose another name.",
        )
    words = {
        "id": name,
        "domain": domain,
        "file": file,
        "port": f"{file}_on",
        "title": file.replace("_", " ").capitalize(),
        "name": "".join(word.capitalize() for word in file.split("_")),
    }
    room = into / "diffbio_engine/operators" / domain
    written = {
        room / f"{file}.py": _OPERATOR,
        into / "tests/operators" / domain / f"test_{file}.py": _TEST,
        into / "tests/references" / domain / f"make_{file}.py": _REFERENCE,
    }
    if not (room / "__init__.py").exists():
        written[room / "__init__.py"] = f'"""{domain.capitalize()}: say what the domain is."""\n'
    for path in written:
        if path.exists():
            raise UserError(f"{path} is there already.", fix="Choose another name.")
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if path.name == "__init__.py" else text.format(**words), "utf-8")
    return sorted(written)


def check_operator(name: str) -> int:
    """Runs what is promised of every operator, and the tests of this one; pytest's exit code."""
    declared = find_operator(name)
    checkout = Path(__file__).resolve().parents[2]
    contracts = checkout / "tests/contracts/test_every_operator.py"
    if not contracts.exists():
        raise UnknownNameError(
            "The promises are tests of the project, and they are not installed here.",
            fix="Run this in a checkout of the project.",
        )
    domain, file = declared.make.__module__.split(".")[-2:]
    own = checkout / "tests" / declared.make.__module__.split(".")[1]
    own = own / (f"test_{file}.py" if domain == "losses" else f"{domain}/test_{file}.py")
    promises = [sys.executable, "-m", "pytest", "-q", str(contracts), "-k", f"[{declared.id}]"]
    ended = subprocess.call(promises, cwd=checkout)
    if not own.exists():
        print(f"It has no tests of its own: {own.relative_to(checkout)} is not there.")
        return ended or 1
    tests = [sys.executable, "-m", "pytest", "-q", str(own)]
    return ended or subprocess.call(tests, cwd=checkout)
