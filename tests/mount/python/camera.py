"""A robot's camera:  camera.py PATH

Thirty times a second it puts a frame into a shared memory object: eight bytes for the frame's
number, then 640 x 480 pixels of grey, a bright bar that wanders over a dark ground. The object
appears when it is complete."""

import mmap
import os
import sys
import time

WIDTH, HEIGHT, BAR = 640, 480, 40
RATE = 30  # frames per second


def row(number):
    line = bytearray([32]) * WIDTH
    for place in range(BAR):
        line[(4 * number + place) % WIDTH] = 224
    return bytes(line)


def main():
    path = sys.argv[1]
    with open(path + ".new", "w+b") as file:
        file.truncate(8 + WIDTH * HEIGHT)
        memory = mmap.mmap(file.fileno(), 0)
    for number in range(1 << 62):
        memory[8:] = row(number) * HEIGHT
        memory[:8] = number.to_bytes(8, sys.byteorder)
        if number == 0:
            os.rename(path + ".new", path)
        time.sleep(1 / RATE)


main()
