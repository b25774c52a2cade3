# SPDX-License-Identifier: ISC
"""Many idle and slow clients: 500 and 50 here, 10,000 by bench/idle itself."""
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from world import PATIENCE, Ulak

ADDRESS = "192.0.2.19"
BENCH = os.path.join(os.path.dirname(__file__), "..", "..", "bench", "idle")


@pytest.fixture
def server():
    directory = tempfile.mkdtemp(prefix="ulak-idle.")
    os.chmod(directory, 0o755)
    s = Ulak(os.path.join(directory, "s"), "one.example", ADDRESS,
             extra={"smtp": ["max_per_client = 2000"], "clients": [f'exempt = ["{ADDRESS}"]']})
    s.init()
    s.start()
    yield s
    s.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_many_idle_and_slow_clients(server):
    out = subprocess.run(["/usr/bin/python3", BENCH, "-n", "500", "-w", "50", "-s", "2", "-r", "1", ADDRESS, "25",
                          "user@one.example", str(server.process.pid)], capture_output=True, text=True, timeout=120 * PATIENCE)
    assert out.returncode == 0, out.stdout + out.stderr
    # All mails of the ordinary client were taken beside them. How fast is for
    # bench/idle on a quiet machine to say, as is the memory without sanitizers.
    assert re.search(r"ratio \d", out.stdout), out.stdout


def test_greedy_clients_and_large_messages(server):
    """A short pass of bench/memory: nobody is broken off, and a mail beside them is taken. The figures are for the release build."""
    out = subprocess.run(["/usr/bin/python3", os.path.join(os.path.dirname(BENCH), "memory"), "-n", "4", "-m", "6", "-l", "4",
                          ADDRESS, "25", "user@one.example", str(server.process.pid)],
                         capture_output=True, text=True, timeout=120 * PATIENCE)
    assert out.returncode == 0, out.stdout + out.stderr
    assert out.stdout.count("a mail beside them") == 6, out.stdout
    assert "4 messages of 6 MiB at once" in out.stdout, out.stdout
