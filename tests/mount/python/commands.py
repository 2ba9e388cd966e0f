"""Writes commands to the text files of the view all, and checks that each is obeyed exactly once.

commands.py MOUNT SECONDS: from three processes, each with an object of its own: a semaphore, a POSIX and
a System V message queue; whatever happens to the daemon meanwhile, nothing may fail.
"""

import ctypes
import functools
import os
import sys
import time

import processes

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.sem_open.restype = ctypes.c_void_p
LIBC.sem_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_uint]
LIBC.sem_trywait.argtypes = [ctypes.c_void_p]
IPC_PRIVATE, IPC_NOWAIT, IPC_RMID = 0, 0o4000, 0
MESSAGE_SIZE = 8192


def check(result):
    if result in (-1, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Semaphore:
    path = "sem/commands"

    def __init__(self):
        flags = os.O_CREAT | os.O_EXCL
        self.semaphore = check(LIBC.sem_open(b"/commands", flags, 0o600, 0))

    def command(self, number):
        return b"+3" if number % 3 else b"post"

    def obeyed(self, number):
        """How much of the command was done: all is 1."""
        posts = 0
        while LIBC.sem_trywait(self.semaphore) == 0:
            posts += 1
        return posts / (3 if number % 3 else 1)

    def remove(self):
        check(LIBC.sem_unlink(b"/commands"))


class Queue:
    """Receives all that is there: the texts must be the last command's."""

    def command(self, number):
        return f"{os.getpid()} {number}".encode()

    def obeyed(self, number):
        count = 0
        while (message := self.receive()) is not None:
            if message != self.command(number):
                raise AssertionError(f"{message!r} was received after {self.command(number)!r}")
            count += 1
        return count


class PosixQueue(Queue):
    path = "mqueue/commands"

    def __init__(self):
        flags = os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_NONBLOCK
        self.queue = check(LIBC.mq_open(b"/commands", flags, 0o600, None))

    def receive(self):
        buffer = ctypes.create_string_buffer(MESSAGE_SIZE)
        length = LIBC.mq_receive(self.queue, buffer, ctypes.c_size_t(MESSAGE_SIZE), None)
        return None if length < 0 else buffer.raw[:length]

    def remove(self):
        check(LIBC.mq_unlink(b"/commands"))


class SystemVQueue(Queue):
    def __init__(self):
        self.queue = check(LIBC.msgget(IPC_PRIVATE, 0o600))
        self.path = f"sysv-msg/msqid.{self.queue}"

    def receive(self):
        type_size = ctypes.sizeof(ctypes.c_long)
        buffer = ctypes.create_string_buffer(type_size + MESSAGE_SIZE)
        length = LIBC.msgrcv(
            self.queue, buffer, ctypes.c_size_t(MESSAGE_SIZE), ctypes.c_long(0), IPC_NOWAIT
        )
        return None if length < 0 else buffer.raw[type_size : type_size + length]

    def remove(self):
        check(LIBC.msgctl(self.queue, IPC_RMID, None))


def one(thing, path, number):
    descriptor = os.open(path, os.O_WRONLY | (os.O_APPEND if number % 2 else 0))
    written = os.write(descriptor, thing.command(number))
    os.close(descriptor)
    obeyed = thing.obeyed(number)
    if written != len(thing.command(number)) or obeyed != 1:
        raise AssertionError(f"{path}: {thing.command(number)!r} was obeyed {obeyed} times")


def work(kind, mount, end):
    thing, commands = kind(), 0
    try:
        while time.monotonic() < end:
            commands += 1
            one(thing, f"{mount}/{thing.path}", commands)
    finally:
        thing.remove()
    print(f"{kind.__name__}: {commands} commands", flush=True)


def main():
    mount, seconds = sys.argv[1], float(sys.argv[2])
    end = time.monotonic() + seconds
    kinds = (Semaphore, PosixQueue, SystemVQueue)
    done = processes.run(*(functools.partial(work, kind, mount, end) for kind in kinds))
    sys.exit(0 if done else 1)


main()
