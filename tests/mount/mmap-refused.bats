#!/usr/bin/env bats
# Without passthrough there is no coherent shared mapping, so there is none, unless it is asked for.

load shell

python() {
    timeout 60 "$PYTHON" "$HERE/python/$1.py" "${@:2}"
}

@test "without passthrough a shared mapping is refused with ENODEV, a private one is made" {
    mount_start no_passthrough
    python object create /object hello
    run python map read "$MNT/object" shared
    expect 1 ENODEV
    run python map read "$MNT/object" private
    expect 0 hello
    python map write "$MNT/object" private changed
    [ "$(python object read /object)" = hello ]
}

@test "with mmap=cached a shared mapping without passthrough is made, and read() sees it" {
    mount_start no_passthrough,mmap=cached
    python object create /object hello
    run python map read "$MNT/object" shared
    expect 0 hello
    python map write "$MNT/object" shared stored
    sync "$MNT/object"
    run python map read "$MNT/object" shared
    expect 0 stored
    [ "$(head -c 6 "$MNT/object")" = stored ]
}

@test "without passthrough, objects named by shm_open() have data through write() and no mapping" {
    native "$TEST_DIR/raw"
    mount_at "$SHM" no_passthrough
    echo native >"$TEST_DIR/raw/native"
    run python object read /native
    expect 1 ENODEV
    [ "$(cat "$SHM/native")" = native ]
    run python object create /made text
    expect 1 ENODEV
    [ "$(stat -c %s "$TEST_DIR/raw/made")" = 4096 ]
    python object remove /made
    [ ! -e "$TEST_DIR/raw/made" ]
}

@test "a program in the mount runs without passthrough" {
    mount_start no_passthrough
    cp /bin/true "$MNT/true"
    "$MNT/true"
}
