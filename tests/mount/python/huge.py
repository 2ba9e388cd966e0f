"""Huge pages in a shared mapping.

    huge.py FILE...    for each: the KiB of its shared mapping that are mapped as huge pages, a line each
"""

import mmap
import os
import sys


def mapped_huge(address):
    """ShmemPmdMapped (Linux 4.8, proc_pid_smaps(5)) of the mapping that holds the address, in KiB."""
    inside = False
    with open("/proc/self/smaps", encoding="ascii") as smaps:
        for line in smaps:
            field, *values = line.split()
            if not field.endswith(":"):
                begin, end = (int(part, 16) for part in field.split("-"))
                inside = begin <= address < end
            elif inside and field == "ShmemPmdMapped:":
                return int(values[0])
    raise LookupError(hex(address))


def address_of(path):
    """Where this process has mapped the file."""
    with open("/proc/self/maps", encoding="ascii") as maps:
        for line in maps:
            if line.rstrip().endswith(path):
                return int(line.split("-")[0], 16)
    raise LookupError(path)


for path in sys.argv[1:]:
    file = os.open(path, os.O_RDWR)
    with mmap.mmap(file, 0) as shared:
        for at in range(0, len(shared), mmap.PAGESIZE):
            shared[at] = 1
        print(mapped_huge(address_of(path)))
    os.close(file)
