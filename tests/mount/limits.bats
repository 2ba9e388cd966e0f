#!/usr/bin/env bats
# size=, nr_objects= and max_object= as shell tools meet them, and through failures of the daemon.

load shell
load holders

sum_of_sizes() {
    find "$SHM" -type f -printf '%s\n' | awk '{ s += $1 } END { print s + 0 }'
}

# df_shows OPTION FIELDS: a line of df's numbers.
df_shows() {
    [ "$(df "$1" --output="$2" "$MNT" | tail -n 1 | xargs)" = "$3" ]
}

@test "df shows limit and use" {
    mount_start size=16m,nr_objects=100
    df_shows -k size,used,avail "16384 0 16384"
    df_shows -k itotal,iused,iavail "100 0 100"
    truncate -s 4M "$MNT/a"
    truncate -s 4M "$SHM/native"
    mkdir "$MNT/folder"
    df_shows -k size,used,avail "16384 8192 8192"
    df_shows -k itotal,iused,iavail "100 3 97"
    truncate -s 100M "$SHM/native"
    df_shows -k size,used,avail "16384 16384 0"
    [ "$(stat -c %s "$MNT/native")" = 104857600 ]
}

@test "writes are short up to the limit, and no space is left after it" {
    mount_start size=1m
    run dd if=/dev/zero of="$MNT/a" bs=300000 count=10 status=none
    expect 1 "No space left on device"
    [ "$(stat -c %s "$SHM/a")" = 1048576 ]
    run truncate -s 1 "$MNT/b"
    expect 1 "No space left on device"
    dd if=/dev/urandom of="$MNT/a" bs=1M count=1 conv=notrunc status=none
    truncate -s 1048575 "$MNT/a"
    echo -n x >"$MNT/b"
    run bash -c "echo x >>'$MNT/b'"
    expect 1 "No space left on device"
    [ "$(sum_of_sizes)" = 1048576 ]
    rm "$MNT/a"
    wait_until 10 fallocate -l 1048575 "$MNT/c"
    [ "$(sum_of_sizes)" = 1048576 ]
}

@test "cp and cat fail at the limit as they do on a full tmpfs" {
    head -c 2M /dev/urandom >"$TEST_DIR/file"
    mount_start size=3m
    cp "$TEST_DIR/file" "$MNT/first"
    cmp "$TEST_DIR/file" "$SHM/first"
    run cp "$TEST_DIR/file" "$MNT/second"
    expect 1 "No space left on device"
    run cp "$MNT/first" "$MNT/third"
    expect 1 "No space left on device"
    [ "$(sum_of_sizes)" -le 3145728 ]
    run sh -c "cat '$MNT/first' >>'$MNT/second'"
    [ "$status" != 0 ]
    [ "$(sum_of_sizes)" = 3145728 ]
}

@test "an object may have its largest size and no more" {
    mount_start max_object=100k
    truncate -s 100K "$MNT/a" "$MNT/b"
    run truncate -s 102401 "$MNT/a"
    expect 1 "File too large"
    run dd if=/dev/zero of="$MNT/c" bs=60000 count=2 status=none
    expect 1 "File too large"
    [ "$(stat -c %s "$SHM/c")" = 102400 ]
}

@test "as many names as allowed, of every kind" {
    mount_start nr_objects=3
    touch "$MNT/a" "$MNT/b"
    mkdir "$MNT/c"
    for command in "touch $MNT/d" "mkdir $MNT/d" "ln $MNT/a $MNT/d" "ln -s a $MNT/d" \
        "mkfifo $MNT/d" "touch $MNT/c/d"; do
        # shellcheck disable=SC2086
        run $command
        expect 1 "No space left on device"
    done
    mv "$MNT/a" "$MNT/d"
    rm "$MNT/b"
    touch "$MNT/c/e"
    [ "$(find "$SHM" -mindepth 1 | wc -l)" = 3 ]
}

# For one worker after another: writes until it is full, while the worker is killed.
fill_killing() {
    local number=$1 worker
    dd if=/dev/zero of="$MNT/file$number" bs=70001 oflag=append conv=notrunc status=none 3>&- &
    for _ in {1..5}; do
        worker=$(getfattr --only-values -n user.shmfs.worker "$MNT")
        kill -KILL "$worker"
        [ "$(sum_of_sizes)" -le 16777216 ]
    done
    wait $! || true
}

@test "a killed worker's successor holds the limit" {
    mount_start size=16m
    for round in {1..5}; do
        fill_killing 1
        run fill_killing 2
        [ "$(sum_of_sizes)" = 16777216 ]
        truncate -s 1M "$MNT/file1"
        rm -f "$MNT/file2"
    done
}

@test "memory that was unlinked and is mapped counts after the worker was killed" {
    ! without_passthrough || return 0 # there are no shared mappings
    mount_start size=16m
    truncate -s 12M "$MNT/object"
    hold gonemap:"$MNT/object"
    kill -KILL "$(getfattr --only-values -n user.shmfs.worker "$MNT")"
    [ -z "$(ls -A "$MNT")" ]
    df_shows -k size,used "16384 12288"
    run truncate -s 5M "$MNT/other"
    expect 1 "No space left on device"
    release
    wait_until 20 truncate -s 5M "$MNT/other"
    df_shows -k size,used "16384 5120"
}

# How many requests of that kind there were.
requests() {
    getfattr --only-values -n user.shmfs.requests "$MNT" 2>/dev/null |
        awk -v kind="$1" '$1 == kind { n = $2 } END { print n + 0 }'
}

@test "without a limit no write comes to the daemon, with one each does" {
    ! without_passthrough || return 0 # all of them come
    for options in "" prefix=c1-,umask=0,mode=1777,nr_objects=10; do
        mount_start "$options"
        dd if=/dev/zero of="$MNT/file" bs=1M count=8 status=none
        head -c 1M /dev/zero >>"$MNT/file"
        [ "$(requests write)" = 0 ]
        mount_stop
    done
    mount_start size=64m
    dd if=/dev/zero of="$MNT/file" bs=1M count=8 status=none
    [ "$(requests write)" -ge 8 ]
}

@test "without a limit df and opened files are as they always were" {
    mount_start prefix=c1-
    [ "$(df -k --output=size "$MNT" | tail -n 1)" = "$(df -k --output=size "$SHM" | tail -n 1)" ]
}

@test "the limits hold for what is shown: a prefix's objects alone" {
    truncate -s 1G "$SHM/other"
    mount_start prefix=c1-,size=1m
    truncate -s 1M "$MNT/a"
    truncate -s 1G "$SHM/another"
    run truncate -s 1 "$MNT/b"
    expect 1 "No space left on device"
    rm "$SHM/c1-a"
    wait_until 10 truncate -s 1M "$MNT/b"
}

@test "python's shared memory and a limit: a clear error, and the rest goes on" {
    mount_start size=1m
    run timeout 60 unshare --mount --propagation private bash -c '
        mount --bind "$1" /dev/shm
        "$0" -c "
from multiprocessing import shared_memory
shared_memory.SharedMemory(\"big\", create=True, size=2 << 20)"' "$PYTHON" "$MNT"
    expect 1 "No space left on device"
    echo text >"$MNT/small"
    [ "$(cat "$SHM/small")" = text ]
}
