#!/bin/sh
# What the image starts: `app` (the pages and all that `lab serve` has), or a command of lab.
# A variable NAME_FILE, as of a secret that is mounted, sets NAME to the content of that file.
set -eu

for name in LAB_TOKEN LAB_WORKER_TOKEN; do
  eval "file=\${${name}_FILE:-}"
  if [ -n "$file" ]; then
    if [ ! -r "$file" ]; then
      echo "lab: ${name}_FILE is $file, which user $(id -u) cannot read; mount it, or unset it" >&2
      exit 2
    fi
    value=$(cat "$file")
    export "$name=$value"
  fi
done

# Processes of a container have the same ids at each start: what a killed worker has left would pass
# for this one's own.
if [ "${1:-}" = worker ]; then
  rm -rf "${LAB_CLIPS:-/clips}"/lab-clips-*
fi

if [ "${1:-app}" = app ]; then
  [ $# -eq 0 ] || shift
  exec streamlit run /app/app.py --server.address "${LAB_ADDRESS:-0.0.0.0}" \
    --server.port "${LAB_PORT:-8501}" --server.headless true "$@"
fi
exec lab "$@"
