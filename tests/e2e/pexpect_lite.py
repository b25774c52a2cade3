# SPDX-License-Identifier: ISC
"""Runs a program on a pseudo-terminal, types each key when what goes before it
is on the screen, and returns all that was written there."""
import os
import pty
import select
import signal
import time

from world import PATIENCE


def run(args, keys, env, seconds=20):
    """keys: (text to wait for, what is typed then); half a second lies between two keys, for the program to be ready."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(args[0], args, env)
    import fcntl
    import struct
    import termios
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen, since, keys = b"", 0, list(keys)
    end = time.monotonic() + seconds * PATIENCE
    due = 0.0
    while time.monotonic() < end:
        ready, _, _ = select.select([fd], [], [], 0.1)
        if ready:
            try:
                part = os.read(fd, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
            due = time.monotonic() + 0.5  # it still writes
        if keys and keys[0][0].encode() in seen[since:] and time.monotonic() >= due:
            since = len(seen)
            os.write(fd, keys.pop(0)[1])
            due = time.monotonic() + 0.5
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(pid, 0)
    os.close(fd)
    return seen.decode(errors="replace")
