# SPDX-License-Identifier: ISC
"""Messages in and out of mailboxes: what is all or nothing stays so when the store dies in the middle."""
import imaplib
import random
import re
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


def item(c, number, name):
    status, data = c.fetch(number, f"({name})")
    assert status == "OK", data
    return re.search(rb'%s (\([^)]*\)|"[^"]*"|NIL)' % name.encode(), data[0])[1]


def test_save_dates_and_ids(box):
    """RFC 8514, 3: a copy is saved when it is copied; RFC 8474, 5: it has the EMAILID of the first."""
    c = imap(box, USER)
    c.create("dated")
    for text in (b"Subject: first\r\nMessage-ID: <1@x.example>\r\n\r\nbody\r\n",
                 b"Subject: Re: first\r\nReferences: <1@x.example>\r\n\r\nbody\r\n"):
        assert c.append("dated", None, '"01-Feb-2003 04:05:06 +0000"', text)[0] == "OK"
    c.select("dated")
    was = item(c, "1", "SAVEDATE")
    assert b"2003" not in was and b"2003" in item(c, "1", "INTERNALDATE")
    while item(c, "1", "SAVEDATE") == was:  # the copy is made in another second
        time.sleep(1)
        c.copy("1", "dated")
        if item(c, "*", "SAVEDATE") != was:
            break
    assert item(c, "1", "SAVEDATE") == was
    assert item(c, "1", "EMAILID") == item(c, "*", "EMAILID") != item(c, "2", "EMAILID")
    assert item(c, "1", "THREADID") == item(c, "2", "THREADID") == item(c, "*", "THREADID")
