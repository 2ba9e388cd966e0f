#!/usr/bin/env bats
# Python on the mount, and with the mount standing in for /dev/shm: mappings, shared memory blocks,
# process pools, named semaphores.
#
# variants: default asan  (without passthrough there are no shared mappings: mmap-refused.bats)

load shell

setup() {
    mkdir -p "$MNT"
    native "$TEST_DIR/raw"
}

over_dev_shm() {
    mount_at "$SHM"
}

python() {
    timeout 100 "$PYTHON" "$HERE/python/$1.py" "${@:2}"
}

# natively COMMAND...: runs it where /dev/shm is the raw folder.
natively() {
    export -f python
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -c 'mount --bind "$0" /dev/shm && "$@"' \
        "$TEST_DIR/raw" "$@"
}

# mapping_start FILE: maps it in a process that answers to `ask`.
mapping_start() {
    coproc HOLDER { exec timeout 60 "$PYTHON" "$HERE/python/map.py" hold "$1" 3>&- 2>&1; }
    read -r -t 20 answer <&"${HOLDER[0]}"
    [ "$answer" = mapped ]
}

# ask TEXT: stores it in the mapping, prints what was there.
ask() {
    echo "$1" >&"${HOLDER[1]}"
    read -r -t 20 answer <&"${HOLDER[0]}"
    echo "$answer"
}

@test "a shared mapping made through the mount is the memory that others map natively" {
    mount_start
    python object create /greeting hello
    mapping_start "$MNT/greeting"
    [ "$(ask "from the mount")" = hello ]
    [ "$(python object read /greeting)" = "from the mount" ]
    python object write /greeting "natively"
    [ "$(ask end)" = natively ]
    kill "$HOLDER_PID"
}

@test "a shared mapping sees write() and write() sees it, on both sides" {
    mount_start
    truncate -s 4096 "$MNT/file"
    mapping_start "$MNT/file"
    printf 'one\0' | dd of="$MNT/file" conv=notrunc status=none
    [ "$(ask two)" = one ]
    [ "$(tr -d '\0' <"$MNT/file")" = two ]
    printf 'three\0' | dd of="$SHM/file" conv=notrunc status=none
    [ "$(ask four)" = three ]
    [ "$(head -c 4 "$SHM/file")" = four ]
    kill "$HOLDER_PID"
}

@test "a mapping outlives the object's name and the file's closing" {
    mount_start
    python object create /object hello
    mapping_start "$MNT/object"
    rm "$MNT/object"
    [ "$(ask again)" = hello ]
    [ "$(ask end)" = again ]
    kill "$HOLDER_PID"
}

@test "shm_open() through a mount on /dev/shm and natively name the same objects" {
    over_dev_shm
    echo native >"$TEST_DIR/raw/native"
    truncate -s 4096 "$TEST_DIR/raw/native"
    [ "$(python object read /native)" = native ]
    python object create /made text
    [ "$(head -c 4 "$TEST_DIR/raw/made")" = text ]
    run python object create /made text
    expect 1 EEXIST
    python object remove /made
    [ ! -e "$TEST_DIR/raw/made" ]
    run python object read /made
    expect 1 ENOENT
}

@test "multiprocessing.shared_memory works on a mount over /dev/shm" {
    over_dev_shm
    run python blocks
    expect 0 ok
    [ -z "$(ls -A "$TEST_DIR/raw")" ]
}

@test "multiprocessing.shared_memory finds its natively made blocks in the mount" {
    mount_start
    run python blocks "$MNT"
    expect 0 ok
    [ -z "$(ls -A "$MNT")" ]
}

@test "multiprocessing.shared_memory works for a second user" {
    over_dev_shm
    export -n HOME
    run run_as "$NOBODY" timeout 60 "$PYTHON" - <"$HERE/python/blocks.py"
    expect 0 ok
    [ -z "$(ls -A "$TEST_DIR/raw")" ]
}

@test "multiprocessing's pools, queues, locks and barriers work on a mount over /dev/shm" {
    over_dev_shm
    run python pool fork
    expect 0 ok
    run python pool spawn
    expect 0 ok
    [ -z "$(ls -A "$TEST_DIR/raw")" ]
}

@test "a named semaphore is one semaphore through the mount over /dev/shm and natively" {
    # Made natively before the mount covers the folder.
    python semaphore create /turn 1
    over_dev_shm
    python semaphore wait /turn
    [ "$(python semaphore value /turn)" = 0 ]
    python semaphore wait /turn 3>&- &
    waiting=$!
    natively python semaphore post /turn
    wait $waiting
    python semaphore create /other 3
    [ "$(python semaphore value /other)" = 3 ]
    run python semaphore create /other 3
    expect 1 EEXIST
    [ "$(stat -c %h "$TEST_DIR/raw/sem.other")" = 1 ]
    python semaphore remove /other
    python semaphore remove /turn
    [ -z "$(ls -A "$TEST_DIR/raw")" ]
}
