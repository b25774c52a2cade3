# SPDX-License-Identifier: ISC
"""Messages in and out of mailboxes: what is all or nothing stays so when the store dies in the middle."""
import imaplib
import random
import time

import pytest

from mua import imap
from world import wait_for

USER = "user@box.example"


@pytest.fixture(scope="module")
def box(world):
    s = world.server("box.example", "192.0.2.77")
    yield s
    s.stop()


def fill(c, n):
    """n messages in a new mailbox, doubled by COPY into itself."""
    c.create("many")
    c.append("many", None, None, b"Subject: one\r\n\r\nbody\r\n")
    c.select("many")
    while int(c.select("many")[1][0]) < n:
        assert c.copy("1:*", "many")[0] == "OK"
    return int(c.select("many")[1][0])


def count(c, name):
    status, data = c.status(name, "(MESSAGES)")
    assert status == "OK", data
    return int(data[0].split()[-1].rstrip(b")"))


def back(box):
    """A session, as soon as the store serves again."""
    def login():
        try:
            c = imap(box, USER)
            return c if c.select("INBOX")[0] == "OK" else None
        except (OSError, imaplib.IMAP4.error):
            return None
    return wait_for(login, 60, "a session")


def test_a_move_that_is_killed_leaves_all_or_nothing(box):
    rng = random.Random(7)
    c = imap(box, USER)
    n = fill(c, 2000)
    c.create("other")
    here, there = "many", "other"
    for _ in range(3):
        c.select(here)
        c.send(b"k MOVE 1:* " + there.encode() + b"\r\n")
        time.sleep(rng.random() * 0.15)  # somewhere in it, or behind it
        box.kill_role("store")
        c = back(box)
        left = count(c, here), count(c, there)
        assert sorted(left) == [0, n], left
        if left[1] == n:
            here, there = there, here
    assert c.select(here)[0] == "OK"
    assert c.fetch(str(n), "(FLAGS BODY.PEEK[])")[1][0][1] == b"Subject: one\r\n\r\nbody\r\n"
