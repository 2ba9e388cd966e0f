"""A named semaphore of the C library (sem_open makes a temporary file and links it to its name).

semaphore.py create NAME VALUE    makes it, which must be new
semaphore.py post NAME
semaphore.py wait NAME            waits up to 20 s
semaphore.py value NAME           prints its value
semaphore.py remove NAME
A refusal is printed as the name of its error number, with status 1.
"""
import errno
import sys

from named_semaphore import NamedSemaphore

WAIT_SECONDS = 20


def main():
    action, name = sys.argv[1:3]
    if action == "create":
        NamedSemaphore(name, create=True, value=int(sys.argv[3]))
    elif action == "post":
        NamedSemaphore(name).post()
    elif action == "wait":
        NamedSemaphore(name).wait(WAIT_SECONDS)
    elif action == "value":
        print(NamedSemaphore(name).value())
    else:
        NamedSemaphore(name).unlink()


try:
    main()
except OSError as error:
    sys.exit(errno.errorcode[error.errno])
