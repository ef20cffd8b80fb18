#!/usr/bin/env bash
# Prints the path of a Chromium for the browser tests, installing one if need be.
# Prints "bundled" where only Playwright's own could be had, and nothing where none could.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_chromium() {
  local candidate
  for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable \
    /usr/bin/chromium /usr/lib/chromium/chromium /opt/google/chrome/chrome /snap/bin/chromium \
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    [ -n "$candidate" ] && command -v "$candidate" 2>/dev/null && return 0
  done
  return 1
}

find_chromium && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "set-up: installing Chromium for the browser tests" >&2
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >&2 </dev/null
  find_chromium && exit 0
fi
echo "set-up: asking Playwright for a Chromium" >&2
timeout 300 .venv/bin/playwright install chromium >&2 </dev/null && echo bundled
