"""Records shmfsctl ls and shmfsctl top in a terminal, and draws them:  record.py SHMFSCTL OUTPUT

Makes objects, a segment and processes that hold them, with names and users as in a machine
where several kinds of programs share memory, in the /dev/shm that it finds: scripts/picture
gives it one of its own. What is shown is what shmfsctl printed."""

import ctypes
import fcntl
import mmap
import os
import pty
import pwd
import random
import select
import signal
import struct
import sys
import termios
import time

import drawing
import terminal

COLUMNS, ROWS = 100, 13
FRAMES = 6  # of top, a second apart
FOLDER = "/dev/shm/"
KEY = 0x4D2
MIB = 1 << 20

# name, MiB, user, mode, processes that map it
OBJECTS = [
    ("torch_2717_0", 96, "root", 0o600, ["train.py", "loader-0", "loader-1"]),
    ("torch_901_4", 64, "root", 0o600, []),
    ("PostgreSQL.1804289383", 1, "postgres", 0o600, ["postgres", "postgres"]),
    ("camera_front", 6, "nobody", 0o640, ["camera_node", "detector", "viewer"]),
    ("web-sessions", 8, "www-data", 0o660, ["gunicorn", "gunicorn"]),
]
SEGMENT_HOLDERS = ["matcher", "quotes"]
GROWING = ("recorder_7", "nobody", "recorder")  # by more than a MiB each second

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]


def start(command, user, work):
    """A process with that name, of that user. Returns when it has done the work once.

    If the work returns a function, the process goes on with that, and waits otherwise."""
    done, told = os.pipe()
    child = os.fork()
    if child:
        os.close(told)  # so that reading ends when the child does
        if not os.read(done, 1):
            sys.exit(f"{command} could not be set up")
        os.close(done)
        return child
    with open("/proc/self/comm", "w", encoding="ascii") as name:
        name.write(command)
    uid = pwd.getpwnam(user).pw_uid
    os.setresuid(uid, uid, uid)
    more = work()
    os.write(told, b"x")
    os.close(told)
    while True:
        more() if callable(more) else signal.pause()


def map_object(name):
    """Not Python's own mapping, which keeps a descriptor: most programs keep none."""
    with open(FOLDER + name, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        access = mmap.PROT_READ | mmap.PROT_WRITE
        address = LIBC.mmap(None, size, access, mmap.MAP_SHARED, file.fileno(), 0)
    return ctypes.string_at(address, size)[:1]


def make_object(name, size, user, mode):
    with open(FOLDER + name, "w+b") as file:
        for _ in range(size):
            file.write(b"\xa5" * MIB)
        os.fchmod(file.fileno(), mode)
        os.fchown(file.fileno(), pwd.getpwnam(user).pw_uid, -1)


def attach():
    segment = LIBC.shmget(KEY, 16 * MIB, 0o1600)
    address = LIBC.shmat(segment, None, 0)
    ctypes.memset(address, 1, 12 * MIB)
    return address


def grow():
    """Opens the object; what it returns appends to it."""
    file = open(FOLDER + GROWING[0], "ab", buffering=0)

    def more():
        file.write(b"\x5a" * random.randrange(MIB // 8, MIB // 2))
        time.sleep(0.2)

    return more


def prepare():
    children = []
    for name, size, user, mode, commands in OBJECTS:
        make_object(name, size, user, mode)
        for command in commands:
            children.append(start(command, user, lambda name=name: map_object(name)))
    make_object(GROWING[0], 2, GROWING[1], 0o644)
    children.append(start(GROWING[2], GROWING[1], grow))
    make_object("batch_17", 24, "root", 0o600)
    children.append(start("export.py", "root", lambda: map_object("batch_17")))
    os.unlink(FOLDER + "batch_17")
    for command in SEGMENT_HOLDERS:
        children.append(start(command, "root", attach))
    return children


class Recording:
    """A program in a terminal of its own."""

    def __init__(self, command, rows):
        self.screen = terminal.Screen(rows, COLUMNS)
        self.rest = ""
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            size = struct.pack("HHHH", rows, COLUMNS, 0, 0)
            fcntl.ioctl(1, termios.TIOCSWINSZ, size)
            os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
            os.execv(command[0], command)

    def read(self, seconds):
        """Takes what comes within that time. Returns whether the program goes on."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.terminal], [], [], left)[0]:
                break
            try:
                data = os.read(self.terminal, 65536)
            except OSError:  # the program has ended
                return False
            self.rest = self.screen.feed(self.rest + data.decode(errors="replace"))
        return True

    def next_screen(self, last):
        """What the screen shows when it has changed and then been quiet for a moment."""
        for _ in range(600):
            lines = self.screen.lines()
            going_on = self.read(0.1)
            if lines != last and lines == self.screen.lines():
                return lines
            if not going_on:
                break
        sys.exit("shmfsctl top does not go on drawing")

    def finish(self):
        while self.read(60):
            pass
        if os.waitpid(self.child, 0)[1] != 0:
            sys.exit("shmfsctl failed")


def typed(command):
    """The line of a shell in which the command was typed."""
    prompt, text = ("#", frozenset({"green"})), f" {command}".ljust(COLUMNS - 1)
    return (prompt, *((character, frozenset({"bold"})) for character in text))


def record_lists(program, commands):
    rows = []
    for arguments in commands:
        recording = Recording([program, *arguments], 40)
        recording.finish()
        lines = recording.screen.lines()
        while not "".join(cell[0] for cell in lines[-1]).strip():
            lines.pop()
        rows += [typed(" ".join(["shmfsctl", *arguments])), *lines, (terminal.BLANK,) * COLUMNS]
    return rows[:-1]


def record_top(program):
    recording = Recording([program, "top", "-d", "1"], ROWS)
    frames = [recording.screen.lines()]
    for _ in range(FRAMES + 2):
        frames.append(recording.next_screen(frames[-1]))
    os.write(recording.terminal, b"q")
    recording.finish()
    return frames[-FRAMES:]  # without the empty one and the first ones, in which growth is not known


def main():
    program, output = sys.argv[1:]
    children = prepare()
    try:
        lists = record_lists(
            program, [["ls"], ["ls", "-l", "--deleted"], ["who", "camera_front"]])
        top = record_top(program)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    with open(output, "w", encoding="utf-8") as file:
        file.write(drawing.draw([("shmfsctl ls", [lists]), ("shmfsctl top", top)], COLUMNS))


main()
