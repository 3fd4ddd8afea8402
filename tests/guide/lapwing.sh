# What docs/install.md leaves to people, and what stands for root, for the test that runs it. Given: HELD (what was read
# out, what is handed over), PEERS (the folders of both hosts), FILL_IN (the editor).
set -euo pipefail

# Tries a command until it works, for two minutes at most.
wait_for() {
  local i
  for i in $(seq 1 480); do
    if "$@" >last.out 2>&1; then cat last.out; return 0; fi
    sleep 0.25
  done
  echo "not within two minutes: $*" >&2
  cat last.out >&2
  return 1
}

# The twelve words, as Harbour's `invite` printed them.
heard() {
  sed -n 's/.*read out on the telephone *//p' "$HELD"/* | head -n 1
}

# A mail with a file in it.
hand_over() {
  cp "$HARBOUR/var/lib/lapwing/$1" "$SAVANNA/var/lib/lapwing/$1"
}

# An editor: what no sample mail can tell.
fill_in() {
  "$FILL_IN" "$1"
}

# The package has made the user; the test need not be root.
chown() {
  :
}

# One value of a key of a unit.
of_unit() { # of_unit FILE KEY
  sed -n "s/^$2=//p" "$1"
}

# Does what the unit says, on this host's folders.
systemctl() {
  local verb=$1 unit
  shift
  for unit in "$@"; do
    case "$verb/$unit" in
      enable/--now) ;;
      enable/*.timer) [ -f "$UNITS/$unit" ] ;;
      enable/*.service | start/*.service) start_unit "$UNITS/$unit" ;;
      *) echo "systemctl $verb $unit: the test does not know that" >&2; return 1 ;;
    esac
  done
}

start_unit() {
  local unit=$1 path credential command
  for path in $(of_unit "$unit" ConditionPathExists); do
    [ -e "$path" ] || { echo "condition not met: $path" >&2; return 0; }
  done
  mkdir -p credentials
  for credential in $(of_unit "$unit" LoadCredential); do
    cp "${credential#*:}" "credentials/${credential%%:*}"
  done
  command=$(of_unit "$unit" ExecStart)
  command=${command#/usr/bin/}
  if [ "$(of_unit "$unit" Type)" = oneshot ]; then
    $command
    return
  fi
  CREDENTIALS_DIRECTORY="$PWD/credentials" setsid $command >node.log 2>&1 </dev/null &
  echo $! >node.pid
  # Type=notify: back when the node says that it is ready
  LAPWING_DATA=$(echo "$command" | sed 's/.*--data \([^ ]*\).*/\1/') wait_for lapwing health --live
}
