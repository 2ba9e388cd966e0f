"""Two programs that have mapped the same object, and take turns by two semaphores.

talk.py inside NAME     makes the object and the semaphores NAME-1 and NAME-2, begins, removes them all
talk.py outside NAME    waits for them, and answers
Each word that one stores must be in the other's mapping when it is woken.
"""
import mmap
import os
import sys
import time

import _posixshmem

from named_semaphore import NamedSemaphore

SIZE = 1 << 20
ROUNDS = 50
PATIENCE = 20  # s


def until_there(action, *arguments):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return action(*arguments)
        except FileNotFoundError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def open_object(name, flags):
    descriptor = _posixshmem.shm_open(name, flags, mode=0o666)
    if flags & os.O_CREAT:
        os.ftruncate(descriptor, SIZE)
    return mmap.mmap(descriptor, SIZE)


def place(turn):
    return turn * 4099 % (SIZE - 64)


def say(memory, turn, who):
    memory[place(turn):place(turn) + 16] = f"{who} {turn}".encode().ljust(16)


def expect(memory, turn, who):
    found = bytes(memory[place(turn):place(turn) + 16]).decode().strip()
    if found != f"{who} {turn}":
        sys.exit(f"in turn {turn} {who} was to be heard, not {found!r}")


def inside(name):
    memory = open_object(name, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    theirs = NamedSemaphore(name + "-1", create=True)
    ours = NamedSemaphore(name + "-2", create=True)
    for turn in range(ROUNDS):
        say(memory, turn, "inside")
        theirs.post()
        ours.wait(PATIENCE)
        expect(memory, turn, "outside")
    _posixshmem.shm_unlink(name)
    theirs.unlink()
    ours.unlink()


def outside(name):
    ours = until_there(NamedSemaphore, name + "-1")
    theirs = until_there(NamedSemaphore, name + "-2")
    memory = open_object(name, os.O_RDWR)
    for turn in range(ROUNDS):
        ours.wait(PATIENCE)
        expect(memory, turn, "inside")
        say(memory, turn, "outside")
        theirs.post()


{"inside": inside, "outside": outside}[sys.argv[1]](sys.argv[2])
