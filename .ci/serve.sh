#!/usr/bin/env bash
# Serves the workbench with the Python that is given: bash .ci/serve.sh .venv/bin/python
# The README says what each of these means.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${1:-.venv/bin/python}

HOST=${HOST:-127.0.0.1}
PORT=${PORT:-5006}
DATA_DIR=${DATA_DIR:-workspace}
export DATA_DIR LOGIN=${LOGIN:-}
# The page only draws; the runs, each a process of its own, choose their own device.
export JAX_PLATFORMS=cpu
# Every script and style comes from this server.
export BOKEH_RESOURCES=server
# Panel's own pages (login, errors) would ask for a font from outside.
export PANEL_PAGE_CONFIG=assets/pages.json

options=(--address "$HOST" --port "$PORT" --liveness)

# The names under which browsers may reach the page; others are refused.
origins=("localhost:$PORT" "127.0.0.1:$PORT")
if [ "$HOST" = 0.0.0.0 ] || [ "$HOST" = :: ]; then
  for name in $(hostname 2>/dev/null) $(hostname -f 2>/dev/null) $(hostname -I 2>/dev/null); do
    case $name in *:*) origins+=("[$name]:$PORT") ;; *) origins+=("$name:$PORT") ;; esac
  done
elif [ "$HOST" != localhost ] && [ "$HOST" != 127.0.0.1 ]; then
  origins+=("$HOST:$PORT")
fi
for origin in "${origins[@]}" ${ORIGINS:-}; do
  options+=(--allow-websocket-origin "$origin")
done

# Uploads and downloads have routes of their own beside the page.
if "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("app.transfer") is None)'; then
  options+=(--plugins app.transfer)
fi
[ -z "${PREFIX:-}" ] || options+=(--prefix "$PREFIX")
[ -z "${BEHIND_PROXY:-}" ] || options+=(--use-xheaders)

# Said once it is known that it may be served like this.
GREETING=$(printf 'The workbench: http://%s:%s%s/app   (data in %s; Ctrl+C stops it)' \
  "$([ "$HOST" = 0.0.0.0 ] && hostname || printf '%s' "$HOST")" "$PORT" "${PREFIX:-}" "$DATA_DIR")
export GREETING
exec "$python" -m app.serve app "${options[@]}"
