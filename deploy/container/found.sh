#!/bin/sh
# Founds the trial federation of compose.yaml, once: three data folders, one charter signed by all three. Doing it again
# changes nothing. Here all keys lie in one place; in earnest each agency runs `lapwing init` on its own machine.
set -eu
agencies="${AGENCIES:-/agencies}"
passphrase="${PASSPHRASE_FILE:-/run/secrets/passphrase}"
umask 077

init() { # init NAME LEGAL-NAME COUNTRY CATEGORY BOOTSTRAP
  [ -e "$agencies/$1/data/identity.cbor" ] || lapwing --data "$agencies/$1/data" init --founder --short-name "$1" \
    --legal-name "$2" --country "$3" --category "$4" --passphrase-file "$passphrase" \
    --listen 0.0.0.0:7420 --api-listen 127.0.0.1:7421 \
    --external "/dns4/$1/tcp/7420" --bootstrap "/dns4/$5/tcp/7420"
}
init harbour "Harbour Commission" GB consumer_protection polder
init polder "Poldertoezicht" NL telecommunications_authority harbour
init hangang "Hangang Agency" KR data_protection harbour

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ ! -e "$agencies/harbour/trial.lapwing" ]; then
  set --
  cat > "$work/charter.toml" <<END
name = "Trial federation"
founders = [
  "$agencies/harbour/data-keys/harbour.inception",
  "$agencies/polder/data-keys/polder.inception",
  "$agencies/hangang/data-keys/hangang.inception",
]
[params]
window = "1m"
grace = "30s"
END
  lapwing charter new "$work/charter.toml" -o "$work/trial.charter"
  for name in harbour polder hangang; do
    lapwing charter sign "$work/trial.charter" --root-key "$agencies/$name/data-keys/root-1.key" \
      --passphrase-file "$passphrase" --yes -o "$work/$name.signature"
    set -- "$@" "$work/$name.signature"
  done
  lapwing charter join "$work/trial.charter" "$@" -o "$work/trial.lapwing"
  cp "$work/trial.lapwing" "$agencies/harbour/trial.lapwing"
fi
for name in harbour polder hangang; do
  [ -e "$agencies/$name/data/charter.lapwing" ] ||
    lapwing --data "$agencies/$name/data" charter install "$agencies/harbour/trial.lapwing"
done
