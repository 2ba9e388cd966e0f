#!/usr/bin/env python3
"""Holds a shared mapping, and counts in it, while the daemon is replaced underneath.

hold.py MOUNT RAW SECONDS

A counter is stored to a mapping that was made through the mount at the start; each value must be
seen through a mapping of the raw object, through a read, and through a mapping that is made anew; a
value stored on the raw side, through the mount. Prints how often it counted.
"""
import mmap
import os
import struct
import sys
import time

NAME = "held-by-python"
SIZE = 1 << 20
LAST = SIZE - 8


def open_mapped(folder, flags=0):
    fd = os.open(os.path.join(folder, NAME), os.O_RDWR | flags, 0o600)
    if flags & os.O_CREAT:
        os.ftruncate(fd, SIZE)
    return fd, mmap.mmap(fd, SIZE, mmap.MAP_SHARED)


def expect(what, expected, got):
    if expected != got:
        sys.exit(f"{what}: expected {expected}, got {got}")


def count_once(count, mount, fd, memory, native):
    struct.pack_into("<Q", memory, 0, count)
    expect("native mapping", count, struct.unpack_from("<Q", native, 0)[0])
    expect("read", count, struct.unpack("<Q", os.pread(fd, 8, 0))[0])
    struct.pack_into("<Q", native, LAST, count)
    expect("mapping", count, struct.unpack_from("<Q", memory, LAST)[0])
    if count % 16 == 0:
        again_fd, again = open_mapped(mount)
        expect("a new mapping", count, struct.unpack_from("<Q", again, 0)[0])
        again.close()
        os.close(again_fd)
    expect("size", SIZE, os.fstat(fd).st_size)


def main():
    mount, raw, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    fd, memory = open_mapped(mount, os.O_CREAT | os.O_EXCL)
    native_fd, native = open_mapped(raw)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        count += 1
        count_once(count, mount, fd, memory, native)
    os.unlink(os.path.join(mount, NAME))
    expect("links", 0, os.fstat(fd).st_nlink)
    memory.close()
    native.close()
    os.close(native_fd)
    os.close(fd)
    print(f"counted to {count}")


if __name__ == "__main__":
    main()
