"""sem_open() and its like, of the C library."""
import ctypes
import ctypes.util
import os
import time

libc = ctypes.CDLL(ctypes.util.find_library("pthread") or None, use_errno=True)
libc.sem_open.restype = ctypes.c_void_p


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "semaphore")


class NamedSemaphore:
    def __init__(self, name, create=False, value=0):
        self.name = name.encode()
        flags = os.O_CREAT | os.O_EXCL if create else 0
        handle = libc.sem_open(self.name, flags, ctypes.c_uint(0o666), ctypes.c_uint(value))
        if not handle:
            raise OSError(ctypes.get_errno(), "sem_open")
        self.handle = ctypes.c_void_p(handle)

    def post(self):
        check(libc.sem_post(self.handle))

    def wait(self, seconds):
        deadline = Timespec(int(time.time()) + seconds, 0)
        check(libc.sem_timedwait(self.handle, ctypes.byref(deadline)))

    def value(self):
        value = ctypes.c_int()
        check(libc.sem_getvalue(self.handle, ctypes.byref(value)))
        return value.value

    def unlink(self):
        check(libc.sem_unlink(self.name))
