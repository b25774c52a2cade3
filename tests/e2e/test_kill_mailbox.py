# SPDX-License-Identifier: ISC
"""12 rounds of tools/kill-mailbox; the long run is a command of its own."""
import os
import subprocess
import sys


def test_kills_leave_mailboxes_whole():
    here = os.path.dirname(os.path.abspath(__file__))
    out = subprocess.run([sys.executable, os.path.join(here, "kill_mailbox.py"), "12"], capture_output=True, text=True, timeout=1500)
    print(out.stdout[-2000:])
    assert out.returncode == 0, out.stdout[-4000:] + out.stderr[-4000:]
