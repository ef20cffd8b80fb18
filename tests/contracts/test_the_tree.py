"""The tree itself keeps its promises: what lies where, how long, and under which name."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = {
    "pyproject.toml",
    "app",
    "diffbio_engine",
    "tests",
    "assets",
    "Dockerfile",
    "README.md",
    "Makefile",
    "LICENSE",
    "CHANGELOG.md",
}
SAYS_NOTHING = {"utils", "util", "core", "common", "helpers", "helper", "manager", "misc"}
# Joined here so that this file does not name them either.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("conda", "anaconda", "org"),
    ]
]


def in_the_tree() -> list[Path]:
    """Every file that is, or is about to be, under version control, from the top."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this copy of the project is not under version control")
    paths = (Path(name) for name in names.stdout.split("\0") if name)
    return sorted(path for path in paths if (ROOT / path).is_file())


def python_files(*folders: str) -> list[Path]:
    return [path for path in in_the_tree() if path.suffix == ".py" and path.parts[0] in folders]


def n_lines(path: Path) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def n_lines_without_imports(path: Path) -> int:
    """Names of modules may be as long as they need to be: where a file stands is no length."""
    if path.suffix != ".py":
        return n_lines(path)
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return n_lines(path) - sum((node.end_lineno or 0) - node.lineno + 1 for node in imports)


def test_the_top_level_holds_only_what_belongs_there():
    top = {path.parts[0] for path in in_the_tree()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_every_name_says_what_is_inside():
    empty_names = [
        str(path)
        for path in in_the_tree()
        if path.parts[0] in {"app", "diffbio_engine", "tests"}
        and any(word in SAYS_NOTHING for part in path.parts for word in Path(part).stem.split("_"))
    ]
    assert not empty_names


def test_no_file_of_the_program_is_longer_than_300_lines():
    files = [path for path in in_the_tree() if path.suffix in {".py", ".js", ".css"}]
    files = [path for path in files if path.parts[0] in {"app", "diffbio_engine"}]
    length = {str(path): n_lines_without_imports(path) for path in files}
    assert not {path: n for path, n in length.items() if n > 300}


def test_no_operator_softens_by_hand_what_a_soft_operation_says():
    # ``sigmoid(x / t)``: a logit stands alone, a softened comparison is divided by its softness.
    curves = {"sigmoid", "softmax", "softplus", "logsumexp", "log_softmax", "log_sigmoid"}
    by_hand = []
    for path in python_files("diffbio_engine"):
        if path.parts[1] not in {"operators", "losses", "parts"}:
            continue
        for call in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in curves:
                inside = [node for argument in call.args for node in ast.walk(argument)]
                if any(isinstance(getattr(node, "op", None), ast.Div) for node in inside):
                    by_hand.append(f"{path}:{call.lineno}")
    assert not by_hand


def test_no_test_file_is_longer_than_400_lines():
    assert not {str(path): n_lines(path) for path in python_files("tests") if n_lines(path) > 400}


def test_every_module_says_in_its_first_line_what_it_is():
    silent = []
    for path in python_files("app", "diffbio_engine", "tests"):
        source = (ROOT / path).read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(source)) or ""
        first = docstring.split("\n")[0]
        # An empty __init__.py in tests says nothing because there is nothing to say.
        if source.strip() and not first:
            silent.append(str(path))
    assert not silent


@pytest.mark.parametrize(
    "folder, tests",
    [("diffbio_engine/operators", "tests/operators"), ("diffbio_engine/losses", "tests/losses")],
)
def test_every_operator_and_loss_file_has_its_test_file(folder, tests):
    untested = []
    for path in python_files("diffbio_engine"):
        if not path.is_relative_to(folder):
            continue
        # An operator is a file, or a folder with the bricks that it alone uses.
        own = path.relative_to(folder)
        own = own.parent if own.name == "__init__.py" and len(own.parts) == 3 else own
        if own.stem.startswith("_") or own.parts[-1] in {"", "."}:
            continue
        expected = Path(tests) / own.with_name(f"test_{own.stem}.py")
        if not (ROOT / expected).exists():
            untested.append(f"{path} wants {expected}")
    assert not untested


def test_no_file_names_the_host_of_a_package_registry():
    naming = []
    for path in in_the_tree():
        content = (ROOT / path).read_bytes()
        naming += [f"{path}: {host}" for host in REGISTRY_HOSTS if host.encode() in content]
    assert not naming


def test_no_lock_file_is_kept():
    # A lock file records where each package was fetched from; pins live in pyproject.toml
    # and .ci/constraints.txt, which do not.
    assert not [path for path in in_the_tree() if path.suffix == ".lock"]


def test_every_pin_of_the_project_is_a_pin_of_the_tested_set():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    tested = set((ROOT / ".ci/constraints.txt").read_text().split("\n"))
    assert not [pin for pin in wanted if re.sub(r"\[.*\]", "", pin) not in tested]
