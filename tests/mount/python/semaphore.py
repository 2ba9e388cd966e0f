"""A named semaphore of the C library (sem_open makes a temporary file and links it to its name).

semaphore.py create NAME VALUE    makes it, which must be new
semaphore.py post NAME
semaphore.py wait NAME            waits up to 20 s
semaphore.py value NAME           prints its value
semaphore.py remove NAME
A refusal is printed as the name of its error number, with status 1.
"""
import ctypes
import ctypes.util
import errno
import os
import sys
import time

SEM_FAILED = 0
WAIT_SECONDS = 20

libc = ctypes.CDLL(ctypes.util.find_library("pthread") or None, use_errno=True)
libc.sem_open.restype = ctypes.c_void_p


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "semaphore")


def open_semaphore(name, flags=0, value=0):
    semaphore = libc.sem_open(name.encode(), flags, ctypes.c_uint(0o666), ctypes.c_uint(value))
    if semaphore in (SEM_FAILED, None):
        raise OSError(ctypes.get_errno(), "sem_open")
    return ctypes.c_void_p(semaphore)


def wait(semaphore):
    deadline = Timespec(int(time.time()) + WAIT_SECONDS, 0)
    check(libc.sem_timedwait(semaphore, ctypes.byref(deadline)))


def print_value(semaphore):
    value = ctypes.c_int()
    check(libc.sem_getvalue(semaphore, ctypes.byref(value)))
    print(value.value)


def main():
    action, name = sys.argv[1:3]
    if action == "create":
        open_semaphore(name, os.O_CREAT | os.O_EXCL, int(sys.argv[3]))
    elif action == "post":
        check(libc.sem_post(open_semaphore(name)))
    elif action == "wait":
        wait(open_semaphore(name))
    elif action == "value":
        print_value(open_semaphore(name))
    else:
        check(libc.sem_unlink(name.encode()))


try:
    main()
except OSError as error:
    sys.exit(errno.errorcode[error.errno])
