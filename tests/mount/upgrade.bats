#!/usr/bin/env bats
# The program is replaced under the mount: the new one takes over, and nobody notices.

load recovery

setup() {
    mkdir -p "$MNT" "$TEST_DIR/bin"
}

# Mounts with a copy of the program, which a test may replace.
start_copy() {
    install "$SHMFS" "$TEST_DIR/bin/shmfs"
    start_foreground "$TEST_DIR/bin/shmfs"
}

# Puts a file in the program's place, as an installation does.
replace_program() {
    mv -f "$1" "$TEST_DIR/bin/shmfs"
}

program_of() {
    stat -L -c %i "/proc/$1/exe"
}

program_is() {
    [ "$(program_of "$1" 2>/dev/null)" = "$2" ]
}

log_has() {
    grep -qi -- "$1" "$LOG"
}

@test "a load of every kind of operation sees nothing of a reload every 0.5 s" {
    mount_start
    disturbed reload_while 0.5 "$PROGRAMS/load" "$MNT" "$SHM" --seconds 10 "${MMAP[@]}"
    [ "$(getfattr --absolute-names --only-values -n user.shmfs.upgrades "$MNT")" -gt 2 ]
}

@test "reload takes another worker, and keeps what is open" {
    mount_start
    daemon=$(supervisor)
    exec 8<>"$MNT/file"
    echo before >&8
    rm "$MNT/file"
    worker_of "$daemon"
    old=$WORKER
    "$SHMFS" --reload "$MNT"
    wait_until 20 another_worker "$daemon" "$old"
    echo after >&8
    [ "$(cat "/proc/$BASHPID/fd/8")" = "before
after" ]
    exec 8>&-
    [ "$(supervisor)" = "$daemon" ]
}

@test "reload of what is no shmfs is refused with the reason" {
    run "$SHMFS" --reload "$TEST_DIR"
    [ "$status" != 0 ]
    [[ "$output" == *"$TEST_DIR"* ]]
    run "$SHMFS" --reload "$TEST_DIR/absent"
    [ "$status" != 0 ]
    [[ "$output" == *"$TEST_DIR/absent"* ]]
}

@test "a program that was replaced on disk takes over in both processes" {
    start_copy
    worker_of "$MAIN"
    old=$WORKER
    install "$SHMFS" "$TEST_DIR/bin/new"
    new=$(stat -c %i "$TEST_DIR/bin/new")
    [ "$(program_of "$MAIN")" != "$new" ]
    echo content >"$MNT/file"
    exec 8<"$MNT/file"
    replace_program "$TEST_DIR/bin/new"
    kill -HUP "$MAIN"
    wait_until 20 program_is "$MAIN" "$new"
    wait_until 20 another_worker "$MAIN" "$old"
    wait_until 20 program_is "$WORKER" "$new"
    [ "$(cat <&8)" = content ]
    exec 8<&-
    [ "$(cat "$MNT/file")" = content ]
    umount "$MNT"
    wait "$MAIN"
}

# refused PROGRAM: an upgrade to it does not happen, says so in the log, and nothing is lost.
refused() {
    local old inode
    start_copy
    inode=$(program_of "$MAIN")
    exec 8<>"$MNT/file"
    echo content >&8
    if [ -n "$1" ]; then replace_program "$1"; else rm "$TEST_DIR/bin/shmfs"; fi
    : >"$LOG"
    kill -HUP "$MAIN"
    wait_until 20 test -s "$LOG"
    cat "$LOG"
    log_has "$TEST_DIR/bin/shmfs"
    [ "$(program_of "$MAIN")" = "$inode" ]
    [ "$(cat "$MNT/file")" = content ]
    echo more >&8
    exec 8>&-
    touch "$MNT/another"
    worker_of "$MAIN"
    [ "$(program_of "$WORKER")" = "$inode" ]
    umount "$MNT"
    wait "$MAIN"
}

@test "a program that does not know the state page is refused, and the old one serves on" {
    printf '#!/bin/sh\nexit 1\n' >"$TEST_DIR/other"
    chmod 755 "$TEST_DIR/other"
    refused "$TEST_DIR/other"
}

@test "a program that cannot be run is refused, and the old one serves on" {
    echo "no program" >"$TEST_DIR/other"
    refused "$TEST_DIR/other"
}

@test "a program that is gone from the disk is refused, and the old one serves on" {
    refused ""
}

@test "the service manager is told of start, reload and end" {
    mapfile -t options < <(mount_options)
    timeout 60 "$PYTHON" "$CRASH/service.py" "$MNT" "$SHMFS" posix "$MNT" "${options[@]}" -f
}
