# SPDX-License-Identifier: ISC
"""Short passes of bench/many and bench/queue: dead hosts do not hold up the others, nothing is lost or comes twice."""
import os
import re
import subprocess

import world


def bench(name, *options):
    """Its output; the machine is the tests' own, and so are the ports."""
    run = subprocess.run([os.path.join(world.ROOT, "bench", name), *options], capture_output=True, text=True,
                         env=dict(os.environ, ULAK_BUILD=world.BUILD))
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_dead_hosts_hold_up_nobody():
    out = bench("many", "-n", "600", "-d", "60", "--dead", "18")
    assert "420 of 420" in out, out
    # a host that is silent is so for minutes: whoever had to wait for one would show it on any machine
    assert float(re.search(r"middle ratio ([0-9.]+)", out)[1]) < 20, out


def test_rows_for_dead_hosts_cost_no_memory():
    out = bench("queue", "-n", "20000", "-d", "100", "-r", "0", "-s", "1")
    assert re.search(r"(\d+) of \1 rows are in the queue", out), out
