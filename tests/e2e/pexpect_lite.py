# SPDX-License-Identifier: ISC
"""Runs a program on a pseudo-terminal, types keys at given pauses, and returns
all that it wrote."""
import os
import pty
import select
import signal
import time


def run(args, keys, env, seconds=20):
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(args[0], args, env)
    import fcntl
    import struct
    import termios
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen, end = b"", time.monotonic() + seconds
    due = time.monotonic() + keys[0][0] if keys else end
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
        if keys and time.monotonic() >= due:
            os.write(fd, keys.pop(0)[1])
            due = time.monotonic() + (keys[0][0] if keys else 0)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(pid, 0)
    os.close(fd)
    return seen.decode(errors="replace")
