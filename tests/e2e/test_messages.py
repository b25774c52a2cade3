# SPDX-License-Identifier: ISC
"""Messages in and out of mailboxes: what is all or nothing stays so when the store dies in the middle."""
import imaplib
import random
import re
import socket
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


def raw(c, *pieces):
    """One command of several literals, all sent at once; its tagged answer."""
    tag = c._new_tag()
    c.send(tag + b" " + b"".join(pieces) + b"\r\n")
    while True:
        line = c._get_line()
        if line.startswith(tag + b" "):
            return line[len(tag) + 1:]


def literal(data, mark=b""):
    return mark + b"{%d+}\r\n" % len(data) + data


MAIL = b"Subject: several\r\n\r\n" + b"x" * 70000 + b"\r\n"


def test_several_messages_come_together_or_not_at_all(box):
    c = imap(box, USER)
    c.create("together")
    answer = raw(c, b"APPEND together (\\Seen) ", literal(MAIL), b" ", literal(MAIL), b" (\\Flagged) ", literal(b"last\r\n\r\n"))
    assert re.match(rb"OK \[APPENDUID \d+ 1:3\]", answer), answer
    assert count(c, "together") == 3
    # a connection that is lost before the last octet
    lost = imap(box, USER)
    lost.send(b"x APPEND together " + literal(MAIL) + b" " + literal(MAIL) + b" {1000+}\r\nhalf of it")
    lost.sock.shutdown(socket.SHUT_RDWR)
    # a store that dies with one of two in hand
    killed = imap(box, USER)
    killed.send(b"x APPEND together " + literal(MAIL) + b" " + literal(MAIL)[:-5])
    box.kill_role("store")
    c = back(box)
    assert count(c, "together") == 3
    assert raw(c, b"APPEND together ", literal(b"a: b\r\n\r\n"), b" (\\Nonesuch) ", literal(b"c")).startswith(b"BAD")
    assert count(c, "together") == 3
    assert box.cli("verify").returncode == 0


def test_parts_of_others(box):
    """RFC 4469, over windows of more than one piece, into a mailbox that is not selected."""
    c = imap(box, USER)
    c.create("parts")
    big = bytes(range(32, 127)) * 8000
    mail = (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + big + b"\r\n--b\r\n\r\nsmall\r\n--b--\r\n")
    assert raw(c, b"APPEND parts ", literal(mail)).startswith(b"OK")
    answer = raw(c, b'APPEND parts CATENATE (TEXT ', literal(b"X: y\r\n\r\n"), b' URL "/parts/;UID=1/;SECTION=1" URL ',
                 literal(b"/parts/;UID=1/;SECTION=2"), b")")
    assert answer.startswith(b"OK"), answer
    c.select("parts")
    assert c.fetch("2", "(BODY.PEEK[])")[1][0][1] == b"X: y\r\n\r\n" + big + b"small"
    assert raw(c, b'APPEND parts CATENATE (URL "/parts;UIDVALIDITY=1/;UID=1")').startswith(b"NO [BADURL /parts;UIDVALIDITY=1/;UID=1]")
    # a NUL goes in by a literal8 and out by BINARY
    assert raw(c, b"APPEND parts ", literal(b"X: y\r\n\r\na\0b", b"~")).startswith(b"OK")
    c.noop()
    assert item_size(c, "3") == 11


def item_size(c, number):
    return int(re.search(rb"BINARY.SIZE\[\] (\d+)", c.fetch(number, "(BINARY.SIZE[])")[1][0])[1])


def test_replace_is_one_step(box):
    """RFC 8508, 3.4: nothing goes when nothing comes."""
    c = imap(box, USER)
    c.create("drafts")
    assert raw(c, b"APPEND drafts ", literal(MAIL)).startswith(b"OK")
    c.select("drafts")
    assert raw(c, b"REPLACE 1 drafts (\\Draft) ", literal(MAIL)).startswith(b"OK")
    assert c.uid("SEARCH", None, "ALL")[1] == [b"2"]
    assert raw(c, b"REPLACE 1 nowhere ", literal(MAIL)).startswith(b"NO [TRYCREATE]")
    assert c.uid("SEARCH", None, "ALL")[1] == [b"2"]
    assert raw(c, b"UID REPLACE 77 drafts ", literal(MAIL)).startswith(b"NO")
    assert count(c, "drafts") == 1


def test_replace_within_the_quota(box):
    """There is no room for both, but for the one in the place of the other."""
    box.account("small@box.example")
    box.cli("account", "quota", "small@box.example", "100000")
    c = imap(box, "small@box.example")
    assert raw(c, b"APPEND Drafts ", literal(MAIL)).startswith(b"OK")
    c.select("Drafts")
    assert raw(c, b"APPEND Drafts ", literal(MAIL)).startswith(b"NO [OVERQUOTA]")
    assert raw(c, b"APPEND Drafts ", literal(b"a: b\r\n\r\n"), b" ", literal(MAIL)).startswith(b"NO [OVERQUOTA]")
    assert count(c, "Drafts") == 1
    assert raw(c, b"REPLACE 1 Drafts ", literal(MAIL)).startswith(b"OK")
    assert count(c, "Drafts") == 1
