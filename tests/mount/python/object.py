"""Uses a shared memory object by its name, as programs do: with the C library's shm_open().

object.py create NAME TEXT    makes it, which must be new, and maps TEXT and a zero into it
object.py write NAME TEXT     maps it and stores TEXT
object.py read NAME           maps it and prints its text
object.py remove NAME
A refusal is printed as the name of its error number, with status 1.
"""
import errno
import mmap
import os
import sys

import _posixshmem

SIZE = 4096


def put(name, flags, text):
    descriptor = _posixshmem.shm_open(name, flags, mode=0o644)
    if flags & os.O_CREAT:
        os.ftruncate(descriptor, SIZE)
    with mmap.mmap(descriptor, SIZE) as memory:
        memory[: len(text) + 1] = text.encode() + b"\0"


def get(name):
    descriptor = _posixshmem.shm_open(name, os.O_RDONLY)
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as memory:
        return bytes(memory[:]).split(b"\0")[0].decode()


def main():
    action, name = sys.argv[1:3]
    if action == "create":
        put(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, sys.argv[3])
    elif action == "write":
        put(name, os.O_RDWR, sys.argv[3])
    elif action == "read":
        print(get(name))
    else:
        _posixshmem.shm_unlink(name)


try:
    main()
except OSError as error:
    sys.exit(errno.errorcode[error.errno])
