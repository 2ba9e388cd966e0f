"""Appends to a file, removes it, and begins again:  append.py FILE SECONDS

Each write must be there, whole and once, and in its place. They are long, so that a worker that is killed
may be in the midst of one."""

import os
import sys
import time

RECORD = 1_000_001  # bytes: one request, and no multiple of a page
RECORDS = 12

path, seconds = sys.argv[1], float(sys.argv[2])
expected = b"".join(bytes([ord("a") + i]) * RECORD for i in range(RECORDS))
end = time.monotonic() + seconds
files = 0
while time.monotonic() < end:
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    for i in range(RECORDS):
        written = os.write(fd, expected[i * RECORD : (i + 1) * RECORD])
        assert written == RECORD, f"{written} bytes written of record {i}"
    os.close(fd)
    with open(path, "rb") as file:
        found = file.read()
    if found != expected:
        sys.exit(f"bytes of each record: {[found.count(ord('a') + i) for i in range(RECORDS)]}")
    os.unlink(path)
    files += 1
print(f"{files} files")
