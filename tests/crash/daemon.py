"""Finds and ends the processes of the one daemon that runs in this process namespace.

The supervisor is the shmfs process whose parent is none, the worker its child of that name. Waiting
is for an event, with a limit that only a failure reaches.
"""
import os
import signal
import sys
import time

LIMIT = 20  # seconds


def fail(message):
    sys.exit(f"{message}")


def wait_until(what, condition):
    """Returns the condition's value once it is true."""
    deadline = time.monotonic() + LIMIT
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            fail(f"not within {LIMIT} s: {what}")
        time.sleep(0.002)


def _status(pid):
    """Name, state and parent; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    state, parent = text[text.rindex(")") + 2 :].split()[:2]
    return name, state, int(parent)


def is_alive(pid):
    status = _status(pid)
    return status is not None and status[1] not in "ZX"


def processes():
    """Process ids of all that runs of the daemon, with the parents'."""
    found = {}
    for entry in os.listdir("/proc"):
        status = _status(entry) if entry.isdigit() else None
        if status and status[0].startswith("shmfs") and status[1] not in "ZX":
            found[int(entry)] = status[2]
    return found


def supervisor_now():
    found = processes()
    return next((pid for pid, parent in found.items() if parent not in found), None)


def supervisor():
    return wait_until("a supervisor runs", supervisor_now)


def _children(parent):
    try:
        with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _is_called(pid, name):
    status = _status(pid)
    return status is not None and status[0] == name and status[1] not in "ZX"


def child_now(name, parent=None):
    """The supervisor's child of this name at this moment; None between two."""
    found = _children(parent or supervisor())
    return next((child for child in found if _is_called(child, name)), None)


def worker_now(parent):
    return child_now("shmfs-worker", parent)


def worker():
    parent = supervisor()
    return wait_until("a worker runs", lambda: worker_now(parent))


def replace_worker(death=signal.SIGKILL):
    """Ends the worker, and waits for another one."""
    parent, old = supervisor(), worker()
    os.kill(old, death)
    return wait_until("another worker runs", lambda: _other(worker_now(parent), old))


def _other(now, old):
    return now if now != old else None
