#!/usr/bin/env python3
"""Starts the daemon as a service manager would, reloads it, stops it, and checks what it says.

service.py MOUNT COMMAND...
"""
import os
import signal
import socket
import subprocess
import sys

LIMIT = 20  # seconds for a message; only a failure reaches it


def fail(message, messages):
    sys.exit(f"{message}; the messages were: {messages}")


class Manager:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(LIMIT)
        self.messages = []

    def wait_for(self, line):
        """Returns all lines up to the message that has one which begins so."""
        lines = []
        while not any(text.startswith(line) for text in lines):
            try:
                message = self.socket.recv(4096).decode()
            except socket.timeout:
                fail(f"{line} was not sent", self.messages)
            self.messages.append(message)
            lines += message.split("\n")
        return lines


def main():
    mount, command = sys.argv[1], sys.argv[2:]
    path = os.path.join(os.environ["TEST_DIR"], "notify")
    manager = Manager(path)
    with subprocess.Popen(command, env=dict(os.environ, NOTIFY_SOCKET=path),
                          stdin=subprocess.DEVNULL) as daemon:
        lines = manager.wait_for("READY=1")
        if not os.path.ismount(mount):
            fail("ready before the mount was", manager.messages)
        if not any(line.startswith("STATUS=") for line in lines):
            manager.wait_for("STATUS=")
        for _ in range(2):
            daemon.send_signal(signal.SIGHUP)
            lines = manager.wait_for("RELOADING=1")
            if not any(line.startswith("MONOTONIC_USEC=") for line in lines):
                fail("reloading without the time", manager.messages)
            manager.wait_for("READY=1")
            os.stat(mount)
        daemon.send_signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        if daemon.wait(LIMIT) != 0:
            fail(f"ended with {daemon.returncode}", manager.messages)
    if os.path.ismount(mount):
        fail("still mounted", manager.messages)


if __name__ == "__main__":
    main()
