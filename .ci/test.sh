#!/usr/bin/env bash
# All checks, cheapest first. Every one of them runs, so that one failure does not hide another;
# the exit code is 0 only if all of them passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=.venv/bin
failed=()

check() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}

# Exit code 5 is "found no test": true of a folder that holds none yet, wrong of all the others.
browser_tests() {
  ls tests/browser/test_*.py >/dev/null 2>&1 || return 0
  "$bin/python" -m pytest tests/browser "$@" && return 0
  # A mouse on a busy machine may miss once. What fails twice in a row has failed; what failed
  # once stays to be read above.
  printf '\n!! Browser tests failed; those that failed are tried once more.\n'
  local again
  # The tests of the main job follow one another: they are tried again together.
  mapfile -t again < <("$bin/python" -m pytest tests/browser --lf --collect-only -q 2>/dev/null \
    | sed -n 's/^\(tests\/browser\/test_main_job\.py\)::.*/\1/; /^tests\/browser\//p' | sort -u)
  [ ${#again[@]} -gt 0 ] && "$bin/python" -m pytest "${again[@]}" "$@"
}

CHROMIUM=$(bash .ci/chromium.sh)
export CHROMIUM
if [ -z "$CHROMIUM" ]; then
  printf '\n%s\n%s\n%s\n' \
    '!! NO CHROMIUM could be found or installed: THE BROWSER TESTS WILL BE SKIPPED.' \
    '!! Install Chromium (Debian: apt-get install chromium) or name one: CHROMIUM=/path make test' \
    '!! Until then nothing here says that the page works.'
fi

check "ruff check" "$bin/ruff" check .
check "ruff format" "$bin/ruff" format --check .
check "mypy" "$bin/mypy"
check "import-linter" "$bin/lint-imports" --no-cache
check "tests in a browser" browser_tests
check "tests" "$bin/python" -m pytest -n 2 --dist loadfile --ignore tests/browser

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: ' >&2
  printf '%s; ' "${failed[@]}" >&2
  echo >&2
  exit 1
fi
