# SPDX-License-Identifier: ISC
"""20 rounds of tools/kill-relay; the long run is a command of its own."""
import os
import subprocess
import sys


def test_twenty_kills_of_a_relay_lose_nothing():
    here = os.path.dirname(os.path.abspath(__file__))
    out = subprocess.run([sys.executable, os.path.join(here, "kill_relay.py"), "20"], capture_output=True, text=True, timeout=600)
    print(out.stdout[-2000:])
    assert out.returncode == 0, out.stdout[-4000:] + out.stderr[-4000:]
