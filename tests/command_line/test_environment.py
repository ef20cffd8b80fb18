"""`.ci/environment.sh`: which Python it builds on."""

import subprocess
import sys
import venv
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / ".ci/environment.sh"
# The two functions of the script that look for one, and nothing that installs.
FIND = f"""set -euo pipefail
eval "$(sed -n '/^pythons()/,/^}}/p; /^python_from()/,/^}}/p' {SCRIPT})"
python_from "$1"
"""


def found(python, minor=12):
    words = ["bash", "-c", FIND, "-", str(minor)]
    env = {"PYTHON": str(python), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run(words, env=env, capture_output=True, text=True)


def test_a_virtual_environment_stands_on_the_interpreter_beneath_it(tmp_path):
    venv.create(tmp_path / "other", with_pip=False, symlinks=True)
    answer = found(tmp_path / "other/bin/python")
    assert answer.returncode == 0, answer.stderr
    chosen = answer.stdout.strip()
    assert not chosen.startswith(str(tmp_path))
    ask = "import sys; print(sys.prefix == sys.base_prefix, *sys.version_info[:2])"
    said = subprocess.run([chosen, "-c", ask], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", *map(str, sys.version_info[:2])]


def test_what_does_not_start_is_passed_over(tmp_path):
    answer = found(tmp_path / "nothing", minor=99)
    assert answer.returncode == 1 and not answer.stdout
