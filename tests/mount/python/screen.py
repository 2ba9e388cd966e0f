"""Runs a program in a terminal of 80 x 24, and ends it:  screen.py q|int|key COMMAND...

q presses keys and then q, int sends SIGINT, key types the interrupt character. Prints the exit status,
and whether the terminal is as it was: the alternate screen left, echo on. Then what was drawn."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

HEADING = b"COMMANDS"


def read_some(terminal, drawn):
    if not select.select([terminal], [], [], 30)[0]:
        raise SystemExit("nothing was drawn for 30 s")
    try:
        data = os.read(terminal, 65536)
    except OSError:
        return drawn, True
    return drawn + data, not data


def end(how, child, terminal):
    if how == "q":
        os.write(terminal, b"SGMPNR?q")
    elif how == "int":
        os.kill(child, signal.SIGINT)
    else:
        os.write(terminal, b"\x03")


# The other end is kept open here, so that its settings can be looked at afterwards.
terminal, other = pty.openpty()
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(other)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(other, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(other, number)
    os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
    os.execvp(sys.argv[2], sys.argv[2:])

drawn, told, status = b"", False, None
while status is None:
    if not told and HEADING in drawn:
        told = True
        end(sys.argv[1], child, terminal)
    if select.select([terminal], [], [], 0.05)[0] or not told:
        drawn, _ = read_some(terminal, drawn)
    elif os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
left = drawn.rfind(b"\x1b[?1049l") > drawn.rfind(b"\x1b[?1049h")
print("status", status, "restored", left and termios.tcgetattr(other) == before)
sys.stdout.flush()
sys.stdout.buffer.write(drawn)
