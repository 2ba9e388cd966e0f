"""multiprocessing.shared_memory among processes; prints "ok" when each promise holds."""
import multiprocessing as mp
import os
import sys
from multiprocessing import shared_memory
from multiprocessing.managers import SharedMemoryManager

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "/dev/shm"
SIZE = 1 << 20


def fill(name, first, step):
    block = shared_memory.SharedMemory(name=name)
    for place in range(first, SIZE, step):
        block.buf[place] = place * 7 % 251
    block.close()


def in_processes(target, arguments):
    processes = [mp.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0, process.exitcode


def block_is_shared():
    block = shared_memory.SharedMemory(create=True, size=SIZE)
    path = os.path.join(FOLDER, block.name)
    assert os.stat(path).st_size == SIZE
    in_processes(fill, [(block.name, 0, 2), (block.name, 1, 2)])
    expected = bytes(place * 7 % 251 for place in range(SIZE))
    assert bytes(block.buf) == expected
    with open(path, "rb") as file:
        assert file.read() == expected
    block.close()
    block.unlink()
    assert not os.path.exists(path)


def name_is_exclusive():
    first = shared_memory.SharedMemory(create=True, size=10, name="exclusive")
    try:
        shared_memory.SharedMemory(create=True, size=10, name="exclusive")
        raise AssertionError("made twice")
    except FileExistsError:
        pass
    first.close()
    first.unlink()
    try:
        shared_memory.SharedMemory(name="exclusive")
        raise AssertionError("found after unlink")
    except FileNotFoundError:
        pass


def list_is_shared():
    shared = shared_memory.ShareableList([1, 2.5, "text", b"bytes", None, True])
    again = shared_memory.ShareableList(name=shared.shm.name)
    again[0] = 42
    assert list(shared) == [42, 2.5, "text", b"bytes", None, True]
    again.shm.close()
    shared.shm.close()
    shared.shm.unlink()


def manager_cleans_up():
    with SharedMemoryManager() as manager:
        blocks = [manager.SharedMemory(4096) for _ in range(20)]
        names = [block.name for block in blocks]
        assert set(names) <= set(os.listdir(FOLDER))
    assert not set(names) & set(os.listdir(FOLDER))


if __name__ == "__main__":
    block_is_shared()
    name_is_exclusive()
    list_is_shared()
    manager_cleans_up()
    print("ok")
