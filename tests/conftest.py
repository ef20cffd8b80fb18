"""What all tests share: where the real data lie, a Chromium, and quick second compilations."""

import gc
import itertools
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Read by JAX when it is first imported, and by every worker process that a test starts.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache/jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Most of the time goes into compiling code that runs once, so it is compiled in haste. The page's
# tests leave this out (tests/browser/conftest.py): there all is as on a server.
# In one piece each: two processes of tests have two cores between them.
FAST_COMPILE = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_parallel_codegen_split_count=1"
)
os.environ.setdefault("XLA_FLAGS", FAST_COMPILE)
# Bokeh's scripts and styles from this machine, whatever the environment says.
os.environ["BOKEH_RESOURCES"] = "server"

# What JAX has traced and compiled stays, and Python's collector looks through all of it again and
# again: it made a folder of tests five times as slow as each of its tests alone.
gc.set_threshold(200_000, 50, 1000)

# Every compiled program is mapped into memory some ten times, and Linux lets a process have 65,530
# mappings: past that, loading the next one ends the process. Looked at after every so many tests.
MOST_MAPPINGS = 20_000
TESTS_BETWEEN_LOOKS = 10

# Chromium must not call home, and runs as root in containers.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """The Chromium to use: a path, "bundled" for Playwright's own, or None."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if named == "bundled" else shutil.which(named)
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Benchmarks take long: they are run only when they are named."""
    if collection_path == ROOT / "tests/benchmarks":
        return None if any("benchmarks" in str(arg) for arg in config.args) else True
    return None


# What takes longest is begun first, so that two processes end together.
LONGEST_FIRST = (
    "app/test_ready_pipelines.py",
    "contracts/test_every_operator.py",
    "operators",
    "soft_ops",
    "pipelines",
    "command_line/test_run_and_apply.py",
    "runs",
    "training",
    "security",
    "data",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; browser tests are skipped where there is no browser, and say so."""
    places = [ROOT / "tests" / place for place in LONGEST_FIRST]

    def rank(item: pytest.Item) -> int:
        ranks = (i for i, place in enumerate(places) if item.path.is_relative_to(place))
        return next(ranks, len(places))

    items.sort(key=rank)
    if chromium() is None:
        skip = pytest.mark.skip(
            reason="there is no Chromium: nothing here says that the page works"
        )
        for item in items:
            if ROOT / "tests/browser" in item.path.parents:
                item.add_marker(skip)


_since_the_last_look = itertools.count(1)


def pytest_runtest_teardown() -> None:
    """Lets compiled programs go before there are too many of them."""
    if next(_since_the_last_look) % TESTS_BETWEEN_LOOKS or "jax" not in sys.modules:
        return
    try:
        n_mappings = Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:  # not Linux
        return
    if n_mappings > MOST_MAPPINGS:
        import jax

        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    """How pytest-playwright starts the browser."""
    found = chromium()
    path = {} if found in (None, "bundled") else {"executable_path": found}
    return {**browser_type_launch_args, **path, "args": CHROMIUM_FLAGS}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("DIFFBIO_SHARED_DATA", ROOT.parent / "shared/data"))
    if not folder.is_dir():
        pytest.skip(f"the real data are not on this machine ({folder})")
    return folder


@pytest.fixture
def key():
    """A random key, the same in every test."""
    import jax

    return jax.random.key(0)
