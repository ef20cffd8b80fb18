#!/usr/bin/env bash
# Makes .venv ready, from nothing if need be, and does nothing when it already is.
#
#   bash .ci/environment.sh        what the workbench needs to run
#   bash .ci/environment.sh dev    that, and what its tests and checks need
#
# PYTHON=/path/to/python3.12   the interpreter to use
# ACCELERATOR=cuda             JAX for NVIDIA cards instead of the CPU's
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

purpose=${1:-run}
accelerator=${ACCELERATOR:-cpu}
venv=.venv
# Everything that decides what is installed; a change in any of it installs anew.
state=$(cat pyproject.toml .ci/constraints.txt .ci/environment.sh | cksum | tr ' ' '-')-$accelerator

# A lab's network may have certificates of its own, which the system knows and uv does not.
[ -e /etc/ssl/certs ] && export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"

say() { printf 'set-up: %s\n' "$*" >&2; }

is_ready() {
  # What the tests need includes what running needs.
  for stamp in "$venv/ready-$purpose" "$venv/ready-dev"; do
    [ "$(cat "$stamp" 2>/dev/null)" = "$state" ] && [ -x "$venv/bin/python" ] && return 0
  done
  return 1
}

# Every Python that may lie on this machine, the tested version first. One that a version
# manager keeps out of PATH counts too.
pythons() {
  [ -z "${PYTHON:-}" ] || printf '%s\n' "$PYTHON"
  for name in python3.12 python3.13 python3.14 python3 python; do
    command -v "$name" 2>/dev/null || true
  done
  for minor in 12 13 14 15 16 17 18 19; do
    ls -d "$HOME"/.pyenv/versions/*/bin/python3.$minor /usr/bin/python3.$minor \
      /usr/local/bin/python3.$minor /opt/*/bin/python3.$minor \
      "$HOME"/.local/bin/python3.$minor 2>/dev/null || true
  done
  ls -d "$HOME"/.pyenv/versions/*/bin/python3 2>/dev/null || true
}

# The first Python of at least the given minor version that really starts. Of a virtual
# environment, the interpreter beneath it: ours must not break when another's is removed.
python_from() {
  local candidate base
  while read -r candidate; do
    base=$("$candidate" -c "import sys; print(getattr(sys, '_base_executable', '') or sys.executable)" \
      2>/dev/null) || continue
    if "$base" -c "import sys, venv; sys.exit(sys.version_info < (3, $1) or sys.prefix != sys.base_prefix)" \
      2>/dev/null; then
      printf '%s\n' "$base"
      return 0
    fi
  done < <(pythons)
  return 1
}

find_uv() {
  for candidate in "$(command -v uv 2>/dev/null || true)" "$HOME/.local/bin/uv" .uv/bin/uv; do
    if [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

# uv comes as an ordinary package, into a folder of its own, by any Python that has venv.
fetch_uv() {
  local any
  any=$(python_from 8) || return 1
  say "fetching uv with $any"
  "$any" -m venv --clear .uv >&2 && .uv/bin/python -m pip install -qq uv >&2
}

make_venv() {
  local python
  python=$(python_from 12) || python=""
  if [ -n "$uv" ]; then
    # With no Python of our own to offer, uv fetches one.
    say "making $venv with ${python:-a Python that uv fetches}"
    "$uv" venv --quiet --clear --python "${python:-3.12}" "$venv"
  elif [ -n "$python" ]; then
    say "making $venv with $python, without uv"
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install -qq --upgrade pip
  else
    say "neither uv nor a Python >= 3.12 could be found or fetched."
    say "Install one of them, or name an interpreter: PYTHON=/path/to/python3.12 make run"
    exit 1
  fi
}

install() {
  local project=. groups=()
  [ "$accelerator" = cuda ] && project=".[cuda]"
  [ "$purpose" = dev ] && groups=(--group dev)
  say "installing the workbench and the versions it was tested with (minutes, the first time)"
  if [ -n "$uv" ]; then
    "$uv" pip install --quiet --python "$venv/bin/python" \
      --constraint .ci/constraints.txt ${groups[@]+"${groups[@]}"} --editable "$project"
  else
    "$venv/bin/python" -m pip install -qq \
      --constraint .ci/constraints.txt ${groups[@]+"${groups[@]}"} --editable "$project"
  fi
}

is_ready && exit 0
uv=$(find_uv) || { fetch_uv && uv=$(find_uv); } || uv=""
"$venv/bin/python" -c "import sys; sys.exit(sys.version_info < (3, 12))" 2>/dev/null || make_venv
install
# Compiled once here, so that the first start is as quick as the second: on all cores, and without
# the tests that packages bring along, nearly a third of all their code.
"$venv/bin/python" -m compileall -q -j 0 -x '/site-packages/.*/tests/' \
  "$venv"/lib app diffbio_engine >/dev/null 2>&1 || true
printf '%s\n' "$state" >"$venv/ready-$purpose"
say "ready"
