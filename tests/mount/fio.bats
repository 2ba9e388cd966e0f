#!/usr/bin/env bats
# fio writes blocks that carry a checksum and reads each of them back.

load shell

setup() {
    mkdir -p "$MNT"
    mount_start
}

# verified ENGINE PATTERN OPTIONS...: runs fio on a file in the mount; what it wrote is what the raw
# folder has.
verified() {
    timeout 100 fio --aux-path="$TEST_DIR" --name=job --directory="$MNT" --ioengine="$1" \
        --rw="$2" --verify=crc32c \
        --verify_fatal=1 --do_verify=1 --output="$TEST_DIR/fio" --allow_file_create=1 \
        --fallocate=none --thread "${@:3}" || {
        cat "$TEST_DIR/fio"
        return 1
    }
    for file in "$SHM"/job*; do
        cmp "$file" "$MNT/${file##*/}"
    done
}

@test "fio verifies sequential writes through pwrite and pread" {
    verified psync write --bs=128k --size=32m
}

@test "fio verifies random writes of odd sizes" {
    verified psync randwrite --bsrange=512-64k --bs_unaligned=1 --size=8m --norandommap=0
}

@test "fio verifies random writes of four programs at once" {
    verified psync randwrite --bs=4k --size=4m --numjobs=4
}

@test "fio verifies writes with O_DIRECT" {
    verified psync randwrite --bs=4k --size=8m --direct=1
}

@test "fio verifies vectors, appending and fsync" {
    verified pvsync randwrite --bs=8k --size=8m --fsync=64
}

@test "fio verifies data that goes through a private buffer of splice" {
    verified splice write --bs=64k --size=8m
}

@test "fio verifies stores to a shared mapping" {
    if without_passthrough; then
        run verified mmap randwrite --bs=4k --size=8m
        expect 1 "No such device"
        return
    fi
    verified mmap randwrite --bs=4k --size=16m
}

@test "fio verifies asynchronous writes in the kernel's queue" {
    verified libaio randwrite --bs=4k --size=4m --iodepth=16
}

@test "fio verifies natively what it wrote through the mount" {
    timeout 60 fio --name=job --directory="$MNT" --ioengine=psync --rw=randwrite --bs=4k --size=8m \
        --verify=sha256 --do_verify=0 --output="$TEST_DIR/fio" --randseed=7
    timeout 60 fio --name=job --directory="$SHM" --ioengine=psync --rw=randwrite --bs=4k --size=8m \
        --verify=sha256 --verify_only --output="$TEST_DIR/fio" --randseed=7
}
