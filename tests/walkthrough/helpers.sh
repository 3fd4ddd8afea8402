# What the README's walk-through leaves to the reader, for the test that types it.
set -euo pipefail

# Tries a command until it works, for a minute at most.
wait_for() {
  local i
  for i in $(seq 1 240); do
    if "$@" >last.out 2>&1; then cat last.out; return 0; fi
    sleep 0.25
  done
  echo "not within a minute: $*" >&2
  cat last.out >&2
  return 1
}

# The case's id out of `refer list --json`.
thread() {
  grep -o '"thread": *"[a-z2-7]*"' | head -n 1 | sed 's/.*"\([a-z2-7]*\)"/\1/'
}

# Stands for an editor: fills in what no sample mail can tell.
fill_in() {
  "$FILL_IN" "$1"
}
