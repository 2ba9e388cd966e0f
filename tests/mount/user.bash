# shellcheck shell=bash
# What the tests of an ordinary user's mount share: "load user" in place of "load shell".

load shell

setup() {
    mkdir -p "$MNT"
    chmod 755 "$TEST_DIR"
    chown "$NOBODY" "$MNT"
    # As on most systems, whatever this one does: the device is for everybody.
    mknod -m 666 "$TEST_DIR/fuse" c 10 229
    mount --bind "$TEST_DIR/fuse" /dev/fuse
    export HOME=/
}

teardown() {
    umount -l /dev/fuse
    common_teardown
}

# as_user COMMAND...: a user without rights who may still run set-user-id programs.
as_user() {
    setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups --inh-caps=-all "$@"
}

# user_mount [PROGRAM] [OPTIONS]
user_mount() {
    local options
    options=$(printf '%s\n' "${SHMFS_OPTIONS:-}" "${2:-}" | sed '/^$/d' | paste -s -d ,)
    as_user timeout 30 "${1:-$SHMFS}" "${SOURCE:-posix}" "$MNT" ${options:+-o "$options"} \
        </dev/null 3>&- 2>"$TEST_DIR/said"
}
