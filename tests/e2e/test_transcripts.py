# SPDX-License-Identifier: ISC
"""The conversations of tests/transcript against a server, over TCP and TLS."""
import os
import subprocess

import pytest

from world import ROOT, ULAK

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


LIVE_MAIL = os.path.join(ROOT, "tests", "transcript", "live_mail.py")


@pytest.mark.parametrize("flags", [[], ["--slow"]], ids=["whole", "bytewise"])
def test_imap_and_pop3(one, tmp_path, flags):
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\nexec {ULAK} -c {one.config} account add "$1" --password-file {password}\n')
    make.chmod(0o755)
    out = subprocess.run(["/usr/bin/python3", LIVE_MAIL, "--account", str(make), *flags, one.address, "143", "993", "110", "995"],
                         capture_output=True, text=True, timeout=600, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    assert out.returncode == 0, out.stdout + out.stderr
