#!/usr/bin/env bats
# The mount outlives the process that serves it: whatever way that ends, nobody notices.

load recovery

setup() {
    mkdir -p "$MNT"
}

@test "a load of every kind of operation sees nothing of a kill every 0.3 s" {
    mount_start
    disturbed kill_while 0.3 "$PROGRAMS/load" "$MNT" "$SHM" --seconds 10 "${MMAP[@]}"
}

@test "a load of every kind of operation sees nothing of kills 20 ms apart" {
    mount_start
    disturbed kill_while 0.02 "$PROGRAMS/load" "$MNT" "$SHM" --seconds 4 "${MMAP[@]}"
}

@test "random changes to one file are right while workers are killed" {
    mount_start
    disturbed kill_while 0.05 "$PROGRAMS/fsx" "$MNT/file" --seconds 4 "${MMAP[@]}"
}

@test "what is appended through the daemon is there once, although workers are killed" {
    mount_start size=100m # or the kernel would append
    disturbed kill_while 0.02 "$PYTHON" "$CRASH/append.py" "$MNT/file" 4
}

@test "a mapping held by a Python program is one memory with the raw side through all kills" {
    without_passthrough && return 0 # there are no shared mappings
    mount_start
    disturbed kill_while 0.05 "$PYTHON" "$CRASH/hold.py" "$MNT" "$SHM" 4
}

# verified_io ENGINE: writes at random places and reads back what was written, a few times.
verified_io() {
    local round
    for round in 1 2 3; do
        timeout 60 fio --name=job --filename="$MNT/fio-$round" --rw=randwrite --bs=4k-64k \
            --size=48m --ioengine="$1" --verify=crc32c --do_verify=1 --verify_fatal=1 \
            --verify_state_save=0 --numjobs=1 --output="$TEST_DIR/fio.log" || return 1
        rm "$MNT/fio-$round"
    done
}

# Sets and looks, natively too.
flags_are_set() {
    local round
    touch "$MNT/file"
    for ((round = 0; round < 60; round++)); do
        chattr +dA "$MNT/file" && [[ $(lsattr "$SHM/file") == *dA* ]] || return 1
        chattr =i "$MNT/file" && [[ $(lsattr "$MNT/file") == ----i--* ]] || return 1
        chattr = "$MNT/file" && [[ $(lsattr "$SHM/file") == --------* ]] || return 1
    done
    rm "$MNT/file"
}

@test "flags are set while workers are killed" {
    lsattr -d "$SHM" || skip "this tmpfs has no such flags"
    mount_start
    disturbed kill_while 0.03 flags_are_set
}

@test "fio finds what it wrote while workers are killed" {
    mount_start
    disturbed kill_while 0.05 verified_io psync
    without_passthrough || disturbed kill_while 0.05 verified_io mmap
}

@test "a file that is unlinked and held open lives on, and its memory comes back" {
    mount_start
    across unlinked
}

@test "a directory and a pipe that are removed and held know what they are" {
    mount_start
    across removed-nodes
}

@test "a thousand open files go on, and all memory comes back" {
    mount_start
    across many-open
}

@test "a directory that is being read is read to its end, each name once" {
    mount_start
    across reading-directory
}

@test "locks that are held stay held" {
    mount_start
    across locked
}

@test "requests that wait for a stopped worker are answered by the next one" {
    mount_start
    across waiting
}

@test "requests cut off at any moment are carried out exactly once" {
    mount_start
    across interrupted
}

@test "a worker that ends by SIGSEGV, SIGABRT, SIGBUS, SIGTERM or another signal is replaced" {
    mount_start
    across signals
}

@test "the process that watches for native renames is replaced as well" {
    mount_start
    across watcher-killed
}

@test "a worker that dies at once again and again ends the mount, and nobody waits forever" {
    start_foreground "$SHMFS"
    across dead-again-and-again
    status=0
    wait "$MAIN" || status=$?
    cat "$LOG"
    [ $status != 0 ]
    grep -q 'workers in a row' "$LOG"
    daemon_ended
}

@test "with the supervisor killed, mappings and open files go on, and -o replace mounts again" {
    mount_start
    across supervisor-killed
}

@test "a mount that is served is not replaced" {
    mount_start
    touch "$MNT/file"
    run mount_at "$MNT" replace
    [ "$status" != 0 ]
    [ -e "$MNT/file" ]
    [ "$(own_mounts | wc -l)" = 1 ]
}

@test "no_supervise serves from one process" {
    start_foreground "$SHMFS" no_supervise
    echo content >"$MNT/file"
    [ "$(cat "$SHM/file")" = content ]
    [ "$(daemon_processes)" = "$MAIN" ]
    umount "$MNT"
    wait "$MAIN"
}

@test "where the kernel cannot send requests again, a kill ends them and the rest goes on" {
    mount_start no_resend
    across not-resent
}
