"""Holds shared memory until it is ended:  hold.py READY WHAT:OBJECT...

map:PATH, read:PATH (mapped read-only), open:PATH, gone:PATH (opened and removed), gonemap:PATH (mapped
and removed), segment:KEY. The file READY is made when all are held."""

import ctypes
import mmap
import os
import signal
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
held = []


def map_file(path, access):
    flags = os.O_RDWR if access == mmap.PROT_WRITE else os.O_RDONLY
    fd = os.open(path, flags)
    size = os.fstat(fd).st_size
    LIBC.mmap.restype = ctypes.c_void_p
    LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    address = LIBC.mmap(None, size, access | mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), path)
    ctypes.string_at(address, 1)
    os.close(fd)  # Python's own mapping would keep a descriptor


def attach(key):
    segment = LIBC.shmget(int(key, 16), 0, 0)
    if LIBC.shmat(segment, None, 0) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), key)


def hold(what, name):
    if what == "segment":
        attach(name)
    elif what in ("map", "gonemap"):
        map_file(name, mmap.PROT_WRITE)
    elif what == "read":
        map_file(name, 0)
    else:
        held.append(os.open(name, os.O_RDONLY))
    if what.startswith("gone"):
        os.unlink(name)


for argument in sys.argv[2:]:
    hold(*argument.split(":", 1))
with open(sys.argv[1], "w", encoding="ascii"):
    pass
signal.pause()
