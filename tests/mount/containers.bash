# shellcheck shell=bash
# What the tests of containers add to shell.bash: an OCI runtime. "load containers" after "load shell".

export FIRST_ID=100000 # outside, of the ids 0 to 65535 in a user namespace

# crun does not start where both versions of control groups are mounted; the mount namespace is the
# test's own. It is not asked for a group of its own (--cgroup-manager=disabled).
[ ! -d /sys/fs/cgroup/unified ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup

# bundle [OPTION...] SHM PROGRAM [ARGUMENT...]: makes one in the new folder $BUNDLE.
bundle() {
    local options=()
    while [[ $1 == --* ]]; do
        options+=("$1" "$2")
        shift 2
    done
    BUNDLE=$(mktemp -d "$TEST_DIR/bundle-XXXXXX")
    chmod 755 "$BUNDLE"
    "$HERE/../../scripts/oci-bundle" "${options[@]}" "$BUNDLE" "$@"
}

# run_bundle [OPTION...] SHM PROGRAM [ARGUMENT...]: runs the program in a container.
run_bundle() {
    local BUNDLE
    bundle "$@"
    timeout -k 5 60 crun --root "$BUNDLE/state" --cgroup-manager=disabled run --bundle "$BUNDLE" \
        "${BUNDLE##*/}" 3>&- 4>&-
}
