# SPDX-License-Identifier: ISC
"""30 rounds of tools/kill-test; the long run is a command of its own."""
import os
import subprocess
import sys


def test_thirty_kills_lose_nothing():
    here = os.path.dirname(os.path.abspath(__file__))
    out = subprocess.run([sys.executable, os.path.join(here, "kill.py"), "30"], capture_output=True, text=True, timeout=1500)
    print(out.stdout[-2000:])
    assert out.returncode == 0, out.stdout[-4000:] + out.stderr[-4000:]
