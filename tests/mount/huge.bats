#!/usr/bin/env bats
# Transparent huge pages: memory that has them natively has them through the mount too.
#
# variants: default

load shell

setup() {
    mkdir -p "$MNT" "$TEST_DIR/objects"
    mount -t tmpfs -o mode=1777,size=256m,huge=always tmpfs "$TEST_DIR/objects"
    mount_start "shm_dir=$TEST_DIR/objects"
}

teardown() {
    mount_stop
    umount "$TEST_DIR/objects"
    common_teardown
}

# The KiB of huge pages in a mapping of a file of 8 MiB.
huge() {
    "$PYTHON" "$HERE/python/huge.py" "$1"
}

# some_huge FOLDER: makes files there until one has huge pages, and prints its name. The kernel gives none when its memory is
# in small pieces.
some_huge() {
    local number
    for number in {1..20}; do
        truncate -s 8M "$1/file$number"
        if [ "$(huge "$1/file$number")" -gt 0 ]; then
            echo "file$number"
            return 0
        fi
    done
    return 1
}

@test "a mapping through the mount has huge pages where the native one has" {
    local name
    name=$(some_huge "$TEST_DIR/objects")
    [ "$(huge "$MNT/$name")" = "$(huge "$TEST_DIR/objects/$name")" ]
}

@test "memory that is first touched through the mount gets huge pages" {
    local name
    name=$(some_huge "$MNT")
    [ "$(huge "$MNT/$name")" = "$(huge "$TEST_DIR/objects/$name")" ]
}
