#!/usr/bin/env bash
# The page's scripts: their style, what a linter finds, and whether each reads its component's
# parameters as what they are. Needs Node.js; nothing that the workbench serves does.
#
#   bash .ci/scripts.sh          checks
#   bash .ci/scripts.sh format   puts them into the project's style
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export NO_COLOR=1
tools=.cache/scripts
biome=@biomejs/biome@2.6.8
typescript=typescript@5.9.3

if [ "$(cat "$tools/ready" 2>/dev/null)" != "$biome $typescript" ]; then
  mkdir -p "$tools"
  if ! command -v npm >/dev/null \
    || ! timeout 300 npm install --prefix "$tools" --no-save --no-package-lock --no-fund --no-audit \
      --silent "$biome" "$typescript" </dev/null; then
    echo '!! No npm, or it could not install: THE SCRIPTS OF THE PAGE ARE NOT CHECKED HERE.'
    exit 0
  fi
  echo "$biome $typescript" >"$tools/ready"
fi

bin=$tools/node_modules/.bin
if [ "${1:-}" = format ]; then
  exec "$bin/biome" check --write app
fi
"$bin/biome" ci app || exit 1
typed=$tools/typed
rm -rf "$typed"
PYTHONPATH=. .venv/bin/python tests/contracts/components_of_page.py "$typed" || exit 1
exec "$bin/tsc" --allowJs --checkJs --noEmit --target es2022 --module es2022 --moduleDetection force \
  --lib es2023,dom,dom.iterable --skipLibCheck "$typed"/*.d.ts "$typed"/*.js
