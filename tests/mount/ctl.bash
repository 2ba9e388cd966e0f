# shellcheck shell=bash
# What the tests of shmfsctl add to holders.bash: an object, a segment, and short questions.

load shell
load holders

SHMFSCTL=$(dirname "$SHMFS")/shmfsctl
KEY=0x000004d2

setup() {
    mkdir -p "$MNT"
    head -c 10000 /dev/urandom >"$SHM/object"
    chmod 644 "$SHM/object"
}

teardown() {
    release
    ipcrm --all=shm
    common_teardown
}

ctl() {
    "$SHMFSCTL" "$@"
}

# A segment with the key $KEY, or that of $1.
make_segment() {
    ctl load "${1:-$KEY}" <"$SHM/object"
}

# value COLUMN NAME: of one object, in bytes and seconds.
value() {
    ctl ls -b --no-headings -o "$1" "$2"
}

# how NAME: each hold of it, without addresses and process ids.
how() {
    ctl who --json "$1" | "$PYTHON" -c '
import json, sys
for hold in json.load(sys.stdin):
    print(hold["command"], hold["how"].split(" ")[0], hold["how"].split(" ")[-1], hold["via"])' | sort
}
