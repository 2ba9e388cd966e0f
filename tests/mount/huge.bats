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

@test "a mapping through the mount has huge pages where the native one has" {
    dd if=/dev/zero of="$TEST_DIR/objects/native" bs=1M count=8 status=none
    [ "$(huge "$TEST_DIR/objects/native")" = 8192 ]
    [ "$(huge "$MNT/native")" = 8192 ]
}

@test "memory that is first touched through the mount gets huge pages" {
    truncate -s 8M "$MNT/touched"
    [ "$(huge "$MNT/touched")" = 8192 ]
    [ "$(huge "$TEST_DIR/objects/touched")" = 8192 ]
    dd if=/dev/zero of="$MNT/written" bs=1M count=8 status=none
    [ "$(huge "$MNT/written")" = 8192 ]
}
