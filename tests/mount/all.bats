#!/usr/bin/env bats
# Everything in one tree, with shell tools.

load recovery

SOURCE=all

setup() {
    mkdir -p "$MNT" "$TEST_DIR/mq"
    chmod 755 "$TEST_DIR"
    mount -t mqueue mqueue "$TEST_DIR/mq"
}

# The IPC namespace is this file's own, for all of its tests.
teardown() {
    find "$TEST_DIR/mq" -type f -delete
    umount "$TEST_DIR/mq"
    ipcrm --all
    common_teardown
}

# One of each kind; the names are set in $QUEUE and $SET.
make_all() {
    semaphore create /s 4
    (umask 022 && touch "$TEST_DIR/mq/q") # which is how a queue is made natively without a program
    ipcmk -Q
    ipcmk -S 2
    QUEUE=$(key_of msg) SET=$(key_of sem)
}

semaphore() {
    "$PYTHON" "$HERE/python/semaphore.py" "$@"
}

# key_of FILE: the name in the mount of the only object in that list of the kernel.
key_of() {
    awk 'NR == 2 { printf "0x%08x\n", $1 < 0 ? $1 + 4294967296 : $1 }' "/proc/sysvipc/$1"
}

@test "it shows as all, with a folder for each kind" {
    mount_start
    grep -q "^all $MNT fuse.shmfs " /proc/mounts
    [ "$(ls "$MNT" | paste -s -d ' ')" = "mqueue posix sem sysv sysv-msg sysv-sem" ]
    mount_stop
}

@test "each object shows in its folder, and rm removes it" {
    make_all
    mount_start
    ipcmk -M 5000 -p 0640
    [ "$(ls "$MNT/sem")" = s ]
    [ "$(ls "$MNT/mqueue")" = q ]
    [ "$(ls "$MNT/sysv-sem")" = "$SET" ]
    [ "$(ls "$MNT/sysv-msg")" = "$QUEUE" ]
    [ "$(stat -c '%s %A' "$MNT/sysv/$(key_of shm)")" = "5000 -rw-r-----" ]
    [ "$(ls "$MNT/posix")" = sem.s ]
    [ "$(find "$MNT" -mindepth 2 | wc -l)" = 6 ]
    rm "$MNT"/{mqueue,sem,sysv,sysv-msg,sysv-sem}/*
    [ -z "$(find "$SHM" "$TEST_DIR/mq" -mindepth 1)" ]
    [ "$(cat /proc/sysvipc/{shm,sem,msg} | wc -l)" = 3 ]
}

@test "reading consumes nothing: cat, grep -r, cp -r, tar, wc" {
    make_all
    mount_start
    echo message >"$MNT/mqueue/q"
    echo message >"$MNT/sysv-msg/$QUEUE"
    (cd "$MNT" && cat sem/* mqueue/* sysv-*/* && grep -r . sem mqueue sysv-sem sysv-msg) >/dev/null
    cp -r "$MNT"/{sem,mqueue,sysv-sem,sysv-msg} "$TEST_DIR"
    tar -cf /dev/null -C "$MNT" .
    [ "$(wc -l <"$MNT/mqueue/q")" = 7 ]
    [ "$(cat "$TEST_DIR/sem/s")" = 4 ]
    [ "$(semaphore value /s)" = 4 ]
    cmp "$TEST_DIR/mqueue/q" "$MNT/mqueue/q"
    grep -qx "curmsgs 1" "$MNT/mqueue/q"
    grep -qx "qnum 1" "$MNT/sysv-msg/$QUEUE"
    [ "$(wc -l <"$TEST_DIR/sysv-sem/$SET")" = 2 ]
}

@test "echo posts a semaphore, takes one, and is told what is wrong" {
    make_all
    mount_start
    echo post >"$MNT/sem/s"
    echo +10 >>"$MNT/sem/s"
    [ "$(cat "$MNT/sem/s")" = 15 ]
    echo -1 >"$MNT/sem/s"
    [ "$(semaphore value /s)" = 14 ]
    run bash -c "echo 14 >'$MNT/sem/s'"
    expect 1 "Invalid argument"
    for i in {1..14}; do echo -1 >"$MNT/sem/s"; done
    run bash -c "echo -1 >'$MNT/sem/s'"
    expect 1 "Resource temporarily unavailable"
}

@test "a post from the shell wakes a program that waits" {
    make_all
    mount_start
    for i in {1..4}; do echo -1 >"$MNT/sem/s"; done
    semaphore wait /s 3>&- &
    sleep 0.2
    echo post >"$MNT/sem/s"
    wait $!
}

@test "what is echoed into a queue is a message, until it is full" {
    make_all
    mount_start
    for i in {1..10}; do printf 'message %d' "$i" >"$MNT/mqueue/q"; done
    grep -qx "curmsgs 10" "$MNT/mqueue/q"
    run bash -c "echo more >'$MNT/mqueue/q'"
    expect 1 "Resource temporarily unavailable"
    run dd if=/dev/zero of="$MNT/sysv-msg/$QUEUE" bs=100k count=1
    expect 1 "Message too long"
    printf hello >"$MNT/sysv-msg/$QUEUE"
    [ "$(awk 'NR == 2 { print $4, $5 }' /proc/sysvipc/msg)" = "5 1" ]
}

@test "a name that is no object, and what cannot be made, say so" {
    make_all
    mount_start
    run cat "$MNT/sem/absent"
    expect 1 "No such file"
    run touch "$MNT/sem/new"
    expect 1 "Operation not permitted"
    run mkdir "$MNT/new"
    expect 1 "Operation not permitted"
    run mv "$MNT/sem/s" "$MNT/sem/t"
    expect 1 "Operation not permitted"
    run truncate -s 10 "$MNT/sem/s"
    expect 1 "Operation not permitted"
    [ "$(semaphore value /s)" = 4 ]
}

@test "another user sees what the modes allow" {
    make_all
    chmod 644 "$SHM/sem.s"
    mount_start
    [ "$(run_as "$NOBODY" cat "$MNT/sem/s")" = 4 ]
    run run_as "$NOBODY" bash -c "echo post >'$MNT/sem/s'"
    expect 1 "Permission denied"
    run run_as "$NOBODY" rm -f "$MNT/sem/s" "$MNT/mqueue/q"
    expect 1 "Operation not permitted"
    chmod 600 "$MNT/mqueue/q"
    run run_as "$NOBODY" cat "$MNT/mqueue/q"
    expect 1 "Permission denied"
    chown "$NOBODY" "$MNT/mqueue/q"
    run_as "$NOBODY" cat "$MNT/mqueue/q"
    [ "$(stat -c %u "$TEST_DIR/mq/q")" = "$NOBODY" ]
    run_as "$NOBODY" rm "$MNT/mqueue/q"
}

@test "files of the folders differ by inode number" {
    make_all
    mount_start
    mkdir "$MNT/posix/folder"
    [ -z "$(find "$MNT" -printf '%i\n' | sort | uniq -d)" ]
    run cmp "$MNT/sem/s" "$MNT/posix/sem.s"
    expect 1 differ
}

@test "what is obeyed is obeyed once, although workers are killed" {
    mount_start
    disturbed kill_while 0.03 "$PYTHON" "$HERE/python/commands.py" "$MNT" 6
}
