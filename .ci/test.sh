#!/usr/bin/env bash
# All checks. Every one of them runs, so that one failure does not hide another; the exit code is 0
# only if all of them passed.
#
#   bash .ci/test.sh       every second ready pipeline, one of them in the browser, others with each commit
#   bash .ci/test.sh all   every ready pipeline, in the browser too
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=.venv/bin
failed=()
began=$SECONDS
[ "${1:-}" = all ] && export EVERY_READY_PIPELINE=1

check() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
  printf '(%s: after %d s)\n' "$name" $((SECONDS - began))
}

# A mouse waits more than it computes, so these run beside the others, with a memory of their own
# of what failed.
in_a_browser() { "$bin/python" -m pytest -o cache_dir=.cache/pytest-browser "$@"; }

# To install a Chromium is mostly waiting too.
with_a_chromium() {
  CHROMIUM=$(bash .ci/chromium.sh)
  export CHROMIUM
  printf '%s\n' "$CHROMIUM" >.cache/chromium
  in_a_browser tests/browser
}

# Exit code 5 is "found no test": true of a folder that holds none yet, wrong of all the others.
browser_tests() {
  wait "$browser"
  local ended=$?
  cat .cache/browser-tests.log
  CHROMIUM=$(cat .cache/chromium)
  export CHROMIUM
  if [ -z "$CHROMIUM" ]; then
    printf '\n%s\n%s\n%s\n' \
      '!! NO CHROMIUM could be found or installed: THE BROWSER TESTS WERE SKIPPED.' \
      '!! Install Chromium (Debian: apt-get install chromium) or name one: CHROMIUM=/path make test' \
      '!! Until then nothing here says that the page works.'
  fi
  [ "$ended" = 0 ] && return 0
  # A mouse on a busy machine may miss once. What fails twice in a row has failed; what failed
  # once stays to be read above.
  printf '\n!! Browser tests failed; those that failed are tried once more.\n'
  local again
  # The tests of the main job follow one another: they are tried again together.
  mapfile -t again < <(in_a_browser tests/browser --lf --collect-only -q 2>/dev/null \
    | sed -n 's/^\(tests\/browser\/test_main_job\.py\)::.*/\1/; /^tests\/browser\//p' | sort -u)
  [ ${#again[@]} -gt 0 ] && in_a_browser "${again[@]}"
}

# Types take most of a minute of one core: they are checked while the tests have begun.
types() {
  wait "$typed"
  local ended=$?
  cat .cache/types.log
  return "$ended"
}

mkdir -p .cache
"$bin/mypy" >.cache/types.log 2>&1 &
typed=$!
with_a_chromium >.cache/browser-tests.log 2>&1 &
browser=$!
trap 'kill "$browser" "$typed" 2>/dev/null' EXIT

check "ruff check" "$bin/ruff" check .
check "ruff format" "$bin/ruff" format --check .
check "scripts of the page" bash .ci/scripts.sh
check "import-linter" "$bin/lint-imports" --no-cache
# The longest files come first (tests/conftest.py), so that both processes end together.
check "tests" "$bin/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
  --ignore tests/browser
check "mypy" types
check "tests in a browser" browser_tests

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: ' >&2
  printf '%s; ' "${failed[@]}" >&2
  echo >&2
  exit 1
fi
