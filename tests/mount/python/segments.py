"""Makes, fills, reads and removes segments through a mount of the sysv view, and checks every answer.

segments.py MOUNT SECONDS: from three processes, each with keys of its own and one that all of them
try to make; whatever happens to the daemon meanwhile, nothing may fail.
"""

import ctypes
import errno
import functools
import os
import sys
import time

import processes

LIBC = ctypes.CDLL(None, use_errno=True)
IPC_CREAT, IPC_EXCL = 0o1000, 0o2000
SHARED_KEY = 0x7777
PROCESSES = 3


def path_of(mount, key):
    return f"{mount}/0x{key:08x}"


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, not {wanted!r}")


def fails(what, wanted, function, *arguments):
    try:
        function(*arguments)
    except OSError as failure:
        expect(what, errno.errorcode[failure.errno], errno.errorcode[wanted])
    else:
        raise AssertionError(f"{what}: succeeds")


def by_close(path, data):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    expect("write", os.write(descriptor, data[:50]), 50)
    expect("write", os.write(descriptor, data[50:]), len(data) - 50)
    expect("read", os.pread(descriptor, len(data), 0), data)
    os.close(descriptor)


def by_size(path, data):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    os.ftruncate(descriptor, len(data))
    expect("write", os.pwrite(descriptor, data, 0), len(data))
    fails("write past the end", errno.ENOSPC, os.pwrite, descriptor, b"x", len(data))
    os.close(descriptor)


def use(path, key, data):
    descriptor = os.open(path, os.O_RDWR)
    expect("size", os.fstat(descriptor).st_size, len(data))
    expect("mode", os.fstat(descriptor).st_mode & 0o777, 0o640)
    expect("read", os.pread(descriptor, len(data), 0), data)
    expect("write", os.pwrite(descriptor, b"changed", 3), 7)
    fails("ftruncate", errno.EPERM, os.ftruncate, descriptor, len(data) + 1)
    fails("create", errno.EEXIST, os.open, path, os.O_CREAT | os.O_EXCL, 0o600)
    expect("shmget", LIBC.shmget(key, len(data), 0) >= 0, True)
    expect("name", os.path.basename(path) in os.listdir(os.path.dirname(path)), True)
    os.unlink(path)
    expect("shmget", LIBC.shmget(key, 0, 0), -1)
    expect("links", os.fstat(descriptor).st_nlink, 0)
    expect("read of a removed one", os.pread(descriptor, 7, 3), b"changed")
    os.close(descriptor)


def race(mount):
    """At most one of the processes has the shared key at a time, and removes it again."""
    try:
        by_close(path_of(mount, SHARED_KEY), b"r" * 100)
    except FileExistsError:
        return
    os.unlink(path_of(mount, SHARED_KEY))


def work(mount, number, end):
    rounds = 0
    while time.monotonic() < end:
        key = 0x10000 * (number + 1) + rounds % 50
        data = os.urandom(4000 + rounds % 5000)
        make = by_close if rounds % 2 else by_size
        make(path_of(mount, key), data)
        use(path_of(mount, key), key, data)
        race(mount)
        rounds += 1
    print(f"process {number}: {rounds} rounds", flush=True)


def main():
    mount, seconds = sys.argv[1], float(sys.argv[2])
    end = time.monotonic() + seconds
    done = processes.run(
        *(functools.partial(work, mount, number, end) for number in range(PROCESSES)))
    sys.exit(0 if done else 1)


main()
