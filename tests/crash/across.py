#!/usr/bin/env python3
"""What goes on across a death of the daemon's processes; one case a call:

across.py CASE MOUNT RAW

Each case puts clients into a certain situation, ends a process of the daemon, and checks that the
clients see nothing of it. Looks for the daemon among the processes that it can see, so it needs a
process namespace in which one daemon runs. Status 0 when all was as it should be.
"""
import ctypes
import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import daemon
from daemon import fail, wait_until

PASSTHROUGH = os.environ.get("SHMFS_VARIANT") != "no-passthrough"


def expect(what, expected, got):
    if expected != got:
        fail(f"{what}: expected {expected!r}, got {got!r}")


def room(raw):
    """Free blocks and inodes of the raw file system."""
    values = os.statvfs(raw)
    return values.f_bfree, values.f_ffree


def expect_room(raw, before):
    wait_until("the memory comes back", lambda: room(raw) == before)


def write_file(path, content):
    with open(path, "wb") as file:
        file.write(content)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def case_once(mount, _raw):
    """Just once, with nobody there."""
    daemon.replace_worker()
    os.stat(mount)


def case_unlinked(mount, raw):
    """Unlinked and held open: content, size, changes, opening it again; then its memory."""
    before = room(raw)
    fd = os.open(f"{mount}/gone", os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.write(fd, b"content" * 100000)
    os.unlink(f"{mount}/gone")
    for round_ in range(3):
        daemon.replace_worker()
        expect("links", 0, os.fstat(fd).st_nlink)
        expect("size", 700000, os.fstat(fd).st_size)
        os.pwrite(fd, b"CHANGED%d" % round_, 350000)
        again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
        expect("content", b"CHANGED%d" % round_, os.pread(again, 8, 350000))
        os.ftruncate(again, 600000)
        expect("size after truncating", 600000, os.fstat(fd).st_size)
        os.ftruncate(fd, 700000)
        os.close(again)
    os.close(fd)
    expect_room(raw, before)


def mode_and_links(fd):
    status = os.fstat(fd)
    return status.st_mode, status.st_nlink


def case_removed_nodes(mount, _raw):
    """A directory and a pipe that were removed and are held know what they are."""
    folder, pipe = os.path.join(mount, "folder"), os.path.join(mount, "pipe")
    os.mkdir(folder, 0o750)
    os.mkfifo(pipe, 0o640)
    held = os.open(folder, os.O_RDONLY), os.open(pipe, os.O_RDWR)
    os.rmdir(folder)
    os.unlink(pipe)
    for _ in range(3):
        daemon.replace_worker()
        expect("directory", (0o40750, 0), mode_and_links(held[0]))
        expect("pipe", (0o10640, 0), mode_and_links(held[1]))
        expect("names", [], os.listdir(held[0]))
    for fd in held:
        os.close(fd)


def case_many_open(mount, raw):
    """Many files open: nothing that serves them is lost, and nothing is left."""
    before = room(raw)
    fds = []
    for number in range(1000):
        if number % 200 == 100:
            daemon.replace_worker()
        fds.append(os.open(f"{mount}/many-{number}", os.O_RDWR | os.O_CREAT | os.O_EXCL))
        os.write(fds[-1], b"%d" % number * 1000)
    for number, fd in enumerate(fds):
        expect("content", b"%d" % number, os.pread(fd, len(str(number)), 0))
        second = os.open(f"{mount}/many-{number}", os.O_RDONLY)
        os.close(second)
        if number % 200 == 100:
            daemon.replace_worker()
        if number % 2:
            os.unlink(f"{mount}/many-{number}")
        os.close(fd)
        if number % 2 == 0:
            os.unlink(f"{mount}/many-{number}")
    daemon.replace_worker()
    expect_room(raw, before)


def case_reading_directory(mount, _raw):
    """A directory that is read half way: each name once, none twice, none missing."""
    names = {f"a-name-that-is-long-enough-to-fill-buffers-{i}" for i in range(4000)}
    for name in names:
        os.close(os.open(f"{mount}/{name}", os.O_CREAT | os.O_WRONLY))
    with os.scandir(mount) as entries:
        seen = [next(entries).name for _ in range(10)]
        daemon.replace_worker()
        seen += [next(entries).name for _ in range(1500)]
        daemon.replace_worker()
        seen += [entry.name for entry in entries]
    expect("names listed", len(names), len(seen))
    expect("names", names, set(seen))


def can_lock(path, lock):
    """In a process of its own, since record locks are a process's."""
    child = os.fork()
    if child == 0:
        fd = os.open(path, os.O_RDWR)
        try:
            lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def case_locked(mount, _raw):
    """flock() and fcntl() locks that are held."""
    path = f"{mount}/locked"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    for lock in (fcntl.flock, fcntl.lockf):
        lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        daemon.replace_worker()
        expect(f"{lock.__name__} of somebody else", False, can_lock(path, lock))
        lock(fd, fcntl.LOCK_UN)
        daemon.replace_worker()
        expect(f"{lock.__name__} after unlocking", True, can_lock(path, lock))


class Request(threading.Thread):
    """One operation in a folder of its own, so that no other one waits for the same lock."""

    def __init__(self, mount, raw, name, prepare, run, check):
        super().__init__(daemon=True)
        self.folder, self.raw_folder = f"{mount}/{name}", f"{raw}/{name}"
        self.run_it, self.check, self.error = run, check, None
        self.label = name
        os.mkdir(self.folder)
        if prepare:
            prepare(self.folder)

    def run(self):
        try:
            self.run_it(self.folder)
        except OSError as error:
            self.error = error

    def finish(self):
        self.join(60)
        if self.is_alive():
            fail(f"{self.label}: still waits")
        if self.error:
            fail(f"{self.label}: {self.error}")
        if not self.check(self.raw_folder):
            fail(f"{self.label}: did not do what it should")


def make(path):
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def append(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"once")
    os.close(fd)


def rename_exchange(old, new):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, old.encode(), -100, new.encode(), 2) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def two_files(folder):
    write_file(f"{folder}/a", b"a")
    write_file(f"{folder}/b", b"b")


# What is there before, the operation, and what must be there after; the last one on the raw side.
REQUESTS = {
    "stat": (two_files, lambda d: os.stat(f"{d}/a"), lambda r: True),
    "create": (None, lambda d: make(f"{d}/x"), lambda r: os.listdir(r) == ["x"]),
    "mkdir": (None, lambda d: os.mkdir(f"{d}/x"), lambda r: os.path.isdir(f"{r}/x")),
    "rmdir": (lambda d: os.mkdir(f"{d}/x"), lambda d: os.rmdir(f"{d}/x"),
              lambda r: os.listdir(r) == []),
    "symlink": (None, lambda d: os.symlink("to", f"{d}/x"),
                lambda r: os.readlink(f"{r}/x") == "to"),
    "link": (two_files, lambda d: os.link(f"{d}/a", f"{d}/x"),
             lambda r: os.stat(f"{r}/a").st_nlink == 2),
    "unlink": (two_files, lambda d: os.unlink(f"{d}/a"), lambda r: os.listdir(r) == ["b"]),
    "rename": (two_files, lambda d: os.rename(f"{d}/a", f"{d}/b"),
               lambda r: os.listdir(r) == ["b"] and read_file(f"{r}/b") == b"a"),
    "exchange": (two_files, lambda d: rename_exchange(f"{d}/a", f"{d}/b"),
                 lambda r: read_file(f"{r}/b") == b"a" and read_file(f"{r}/a") == b"b"),
    "mkfifo": (None, lambda d: os.mkfifo(f"{d}/x"),
               lambda r: stat.S_ISFIFO(os.stat(f"{r}/x").st_mode)),
    "truncate": (two_files, lambda d: os.truncate(f"{d}/a", 77),
                 lambda r: os.stat(f"{r}/a").st_size == 77),
    "chmod": (two_files, lambda d: os.chmod(f"{d}/a", 0o612),
              lambda r: os.stat(f"{r}/a").st_mode & 0o7777 == 0o612),
    "utime": (two_files, lambda d: os.utime(f"{d}/a", (5, 6)),
              lambda r: os.stat(f"{r}/a").st_mtime == 6),
    "read": (two_files, lambda d: read_file(f"{d}/a"), lambda r: True),
    "write": (two_files, lambda d: write_file(f"{d}/a", b"new"),
              lambda r: read_file(f"{r}/a") == b"new"),
    "append": (two_files, lambda d: append(f"{d}/a"), lambda r: read_file(f"{r}/a") == b"aonce"),
    "setxattr": (two_files, lambda d: os.setxattr(f"{d}/a", "user.x", b"v", os.XATTR_CREATE),
                 lambda r: os.getxattr(f"{r}/a", "user.x") == b"v"),
    "removexattr": (lambda d: (two_files(d), os.setxattr(f"{d}/a", "user.x", b"v")),
                    lambda d: os.removexattr(f"{d}/a", "user.x"),
                    lambda r: os.listxattr(f"{r}/a") == []),
    "list": (two_files, os.listdir, lambda r: True),
    "statvfs": (None, os.statvfs, lambda r: True),
}


def start_requests(mount, raw, suffix):
    requests = [Request(mount, raw, name + suffix, *what) for name, what in REQUESTS.items()]
    return requests


def case_waiting(mount, raw):
    """Requests that wait for a worker which has stopped, and then dies."""
    requests = start_requests(mount, raw, "")
    worker = daemon.worker()
    os.kill(worker, signal.SIGSTOP)
    for request in requests:
        request.start()
    time.sleep(0.3)  # so that they do wait; sooner would be right as well
    os.kill(worker, signal.SIGKILL)
    for request in requests:
        request.finish()


def case_interrupted(mount, raw):
    """Requests in whatever state they are at the moment of a kill."""
    for round_ in range(40):
        requests = start_requests(mount, raw, f"-{round_}")
        worker = daemon.worker()
        for number, request in enumerate(requests):
            request.start()
            if number == round_ % len(requests):
                os.kill(worker, signal.SIGKILL)
        for request in requests:
            request.finish()


def case_signals(mount, raw):
    """Any death of the worker: another takes its place."""
    fd = os.open(f"{mount}/held", os.O_RDWR | os.O_CREAT)
    deaths = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE,
              signal.SIGKILL, signal.SIGTERM)
    for number, death in enumerate(deaths):
        daemon.replace_worker(death)
        os.pwrite(fd, death.name.encode().ljust(20), 0)
        expect(death.name, death.name.encode().ljust(20), read_file(f"{raw}/held"))
        make(f"{mount}/after-{number}")


def case_watcher_killed(mount, raw):
    """The process that tells of native renames: another takes its place, and nothing is missed."""
    for number in range(3):
        make(f"{mount}/old-{number}")
        os.stat(f"{mount}/old-{number}")
        watcher = wait_until("a watcher runs", lambda: daemon.child_now("shmfs-watcher"))
        os.kill(watcher, signal.SIGKILL)
        os.rename(f"{raw}/old-{number}", f"{raw}/new-{number}")
        wait_until("the old name is gone", lambda: not os.path.exists(f"{mount}/old-{number}"))
        os.stat(f"{mount}/new-{number}")


def start_again(mount):
    options = ["replace"] + list(filter(None, [os.environ.get("SHMFS_OPTIONS", "")]))
    subprocess.run([os.environ["SHMFS"], "posix", mount, "-o", ",".join(options)], check=True,
                   stdin=subprocess.DEVNULL, timeout=60)


def expect_disconnected(what, call):
    try:
        call()
    except OSError as error:
        if error.errno in (errno.ENOTCONN, errno.ECONNABORTED):
            return
        fail(f"{what}: {error}")
    fail(f"{what}: works, though nobody serves the mount")


def case_supervisor_killed(mount, raw):
    """Mappings and open files go on; the mount is dead until another one replaces it."""
    import mmap
    size = 1 << 16
    fd = os.open(f"{mount}/held", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, size)
    memory = mmap.mmap(fd, size) if PASSTHROUGH else None
    os.kill(daemon.supervisor(), signal.SIGKILL)
    wait_until("all processes have ended", lambda: not daemon.processes())
    expect_disconnected("stat", lambda: os.stat(f"{mount}/held"))
    expect_disconnected("create", lambda: make(f"{mount}/new"))

    def use(number):
        value = b"%08d" % number
        if not PASSTHROUGH:
            return
        memory[8:16] = value
        os.pwrite(fd, value, 100)
        expect("stored", value, read_file(f"{raw}/held")[8:16])
        expect("written", value, read_file(f"{raw}/held")[100:108])
        expect("read", value, os.pread(fd, 8, 8))

    use(1)
    start_again(mount)
    use(2)
    make(f"{mount}/new")
    expect("content through the new mount", read_file(f"{raw}/held"), read_file(f"{mount}/held"))


def case_dead_again_and_again(mount, _raw):
    """A worker that dies at once, each time: the mount is taken away, and nobody waits forever."""
    supervisor = daemon.supervisor()
    client = subprocess.Popen(["stat", "-c", "x", mount], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    last, deadline = None, time.monotonic() + 60
    while daemon.is_alive(supervisor):
        worker = daemon.worker_now(supervisor)
        if worker and worker != last:
            try:
                os.kill(worker, signal.SIGABRT)
            except ProcessLookupError:
                pass
            last = worker
        if time.monotonic() > deadline:
            fail("the supervisor did not give up")
        time.sleep(0.001)
    expect("a client ends", True, client.wait(30) in (0, 1))
    expect("still mounted", False, os.path.ismount(mount))


def allowed_failure(error):
    """Without resending: the request that the worker died with."""
    return error.errno in (errno.EIO, errno.EINTR, errno.ENOTCONN, errno.ECONNABORTED)


def make_and_remove(folder, number, failures, stop):
    """Makes and removes a name until told to stop; an error may leave it either way."""
    path = f"{folder}/name-{number}"
    while not stop.is_set():
        for step in (os.mkdir, os.stat, os.rmdir):
            try:
                step(path)
            except OSError as error:
                failures.append(error)


def case_not_resent(mount, raw):
    """Without resending, what a dead worker had in hand fails; nothing hangs, the rest goes on."""
    import mmap
    fd = os.open(f"{mount}/held", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 4096)
    memory = mmap.mmap(fd, 4096) if PASSTHROUGH else None
    failures, stop = [], threading.Event()
    clients = [threading.Thread(target=make_and_remove, args=(mount, i, failures, stop))
               for i in range(3)]
    for client in clients:
        client.start()
    for _ in range(20):
        time.sleep(0.15)  # a worker that lives too short may count as one that cannot start
        daemon.replace_worker()
    stop.set()
    for client in clients:
        client.join(30)
        expect("a client waits", False, client.is_alive())
    for error in failures:
        if not allowed_failure(error) and error.errno not in (errno.EEXIST, errno.ENOENT):
            fail(f"unexpected: {error}")
    print(f"# {len(failures)} errors")
    if memory:
        memory[:4] = b"live"
        expect("stored", b"live", read_file(f"{raw}/held")[:4])
    os.pwrite(fd, b"next", 0)
    expect("written", b"next", read_file(f"{raw}/held")[:4])
    make(f"{mount}/new")


def main():
    case, mount, raw = sys.argv[1:4]
    globals()["case_" + case.replace("-", "_")](mount, raw)


if __name__ == "__main__":
    main()
