# SPDX-License-Identifier: ISC
"""The conversations of tests/transcript against a server, over TCP and TLS."""
import os
import subprocess

import pytest

from world import ROOT

LIVE = os.path.join(ROOT, "tests", "transcript", "live.py")


@pytest.fixture(scope="module")
def server(one):
    for name in ("alice", "bob"):
        one.account(name + "@one.example", "correct horse")
    return one


@pytest.mark.parametrize("port,flags", [
    (25, []),
    (25, ["--slow"]),
    (587, ["--kind", "submission"]),
    (465, ["--tls"]),
], ids=["mx", "mx-slow", "submission", "submissions"])
def test_smtp(server, port, flags):
    out = subprocess.run(["/usr/bin/python3", LIVE, *flags, server.address, str(port)],
                         capture_output=True, text=True, timeout=600)
    assert out.returncode == 0, out.stdout + out.stderr
