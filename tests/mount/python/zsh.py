"""Prints what an interactive zsh has on its command line after a text and the tab key:
zsh.py FOLDER TEXT, where FOLDER has the completion functions. The line is read by a key of our own."""

import os
import pty
import select
import sys
import time

PATIENCE = 20  # seconds
SETUP = """PS1= ; fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u
show() {{ print -r -- "<<$BUFFER>>" >{out}; print DO''NE }}
zle -N show; bindkey '^X' show; print READ''Y
"""


def wait_for(master, word):
    text, end = b"", time.monotonic() + PATIENCE
    while word not in text:
        if not select.select([master], [], [], max(0, end - time.monotonic()))[0]:
            sys.exit(f"{word.decode()} does not come: {text!r}")
        text += os.read(master, 4096)


def main(folder, typed):
    out = os.path.join(os.environ["TEST_DIR"], "zsh-line")
    child, master = pty.fork()
    if child == 0:
        os.execvp("zsh", ["zsh", "-f", "-i"])
    os.write(master, SETUP.format(folder=folder, out=out).encode())
    wait_for(master, b"READY")
    os.write(master, typed.encode() + b"\t\x18")
    wait_for(master, b"DONE")
    os.close(master)
    os.waitpid(child, 0)
    with open(out, encoding="utf-8") as file:
        print(file.read().strip("\n")[2:-2], end="")


main(*sys.argv[1:])
