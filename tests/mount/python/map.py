"""Maps a file and reads or writes through the mapping.

map.py read FILE shared|private          prints what the mapping holds
map.py write FILE shared|private TEXT    stores TEXT at its beginning
map.py hold FILE                         maps shared, says "mapped", then for each line of input
                                         stores it at the beginning and answers with the line
                                         that was there before
A refusal is printed as the name of its error number, with status 1.
"""
import errno
import mmap
import os
import sys

FLAGS = {"shared": mmap.MAP_SHARED, "private": mmap.MAP_PRIVATE}


def open_mapping(path, kind):
    descriptor = os.open(path, os.O_RDWR)
    try:
        return mmap.mmap(descriptor, 0, flags=FLAGS[kind])
    finally:
        os.close(descriptor)


def store(mapping, text):
    mapping[: len(text) + 1] = text.encode() + b"\0"


def load(mapping):
    return bytes(mapping[:]).split(b"\0")[0].decode()


def hold(path):
    mapping = open_mapping(path, "shared")
    print("mapped", flush=True)
    for line in sys.stdin:
        before = load(mapping)
        store(mapping, line.rstrip("\n"))
        print(before, flush=True)


def main():
    action, path = sys.argv[1:3]
    if action == "hold":
        hold(path)
    elif action == "read":
        print(load(open_mapping(path, sys.argv[3])))
    else:
        store(open_mapping(path, sys.argv[3]), sys.argv[4])


try:
    main()
except OSError as error:
    sys.exit(errno.errorcode[error.errno])
