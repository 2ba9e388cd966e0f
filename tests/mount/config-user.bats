#!/usr/bin/env bats
# -o config=FILE in an ordinary user's mount: what that user may read, and tell to be read again.
# variants: default asan

load user

as_user_df() {
    as_user df -k --output=size "$MNT" | tail -n 1 | xargs
}

df_is() {
    [ "$(as_user_df)" = "$1" ]
}

@test "an ordinary user changes the limits of a mount of his own" {
    chmod 1777 "$SHM"
    printf '[shmfs]\nsize=4m\n' >"$TEST_DIR/shm.conf"
    user_mount "$SHMFS" "config=$TEST_DIR/shm.conf"
    df_is 4096
    printf '[shmfs]\nsize=2m\n' >"$TEST_DIR/shm.conf"
    as_user "$SHMFS" --reload "$MNT"
    wait_until 30 df_is 2048
    run as_user truncate -s 3M "$MNT/file"
    expect 1 "No space left on device"
}

@test "a file that the user may not read is an error at the start" {
    printf '[shmfs]\nsize=4m\n' >"$TEST_DIR/shm.conf"
    chmod 600 "$TEST_DIR/shm.conf"
    run user_mount "$SHMFS" "config=$TEST_DIR/shm.conf"
    [ "$status" = 1 ]
    grep -q "shm.conf: Permission denied" "$TEST_DIR/said"
    ! mountpoint -q "$MNT"
}

@test "a program with a capability, which takes nothing over, reads the file again" {
    [ "$SHMFS_VARIANT" != asan ] || return 0 # the sanitizers' runtime does not start with one
    chmod 1777 "$SHM"
    install -m 755 "$SHMFS" "$TEST_DIR/shmfs"
    setcap cap_sys_admin+p "$TEST_DIR/shmfs"
    printf '[shmfs]\nsize=4m\n' >"$TEST_DIR/shm.conf"
    user_mount "$TEST_DIR/shmfs" "config=$TEST_DIR/shm.conf"
    df_is 4096
    printf '[shmfs]\nsize=2m\n' >"$TEST_DIR/shm.conf"
    as_user kill -HUP "$(as_user getfattr --absolute-names --only-values -n user.shmfs.supervisor "$MNT")"
    wait_until 30 df_is 2048
}
