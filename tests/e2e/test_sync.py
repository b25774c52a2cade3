# SPDX-License-Identifier: ISC
"""How clients stay in step: compression of the line, and several sessions on one mailbox that agree."""
import imaplib
import random
import re
import socket
import ssl
import threading
import zlib

import pytest

from mua import imap
from world import PASSWORD

USER = "user@sync.example"


@pytest.fixture(scope="module")
def box(world):
    s = world.server("sync.example", "192.0.2.78")
    yield s
    s.stop()


class Deflated:
    """A socket with a raw deflate stream each way (RFC 4978)."""

    def __init__(self, sock):
        self.sock = sock
        self.z = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.u = zlib.decompressobj(-15)
        self.got = b""

    def send(self, data):
        self.sock.sendall(self.z.compress(data) + self.z.flush(zlib.Z_SYNC_FLUSH))

    def until(self, end):
        while end not in self.got:
            more = self.sock.recv(65536)
            assert more, self.got[-200:]
            self.got += self.u.decompress(more)
        said, _, self.got = self.got.partition(end)
        return said


def compressed(box):
    c = imap(box, USER)
    c.send(b"z COMPRESS DEFLATE\r\n")
    while True:
        line = c.readline()
        if line.startswith(b"z "):
            break
    assert line.startswith(b"z OK"), line
    return Deflated(c.sock)


def test_compress(box):
    c = imap(box, USER)
    for i in range(20):
        c.append("INBOX", None, None, b"Subject: %d\r\n\r\n" % i + b"the same again\r\n" * 20000)
    d = compressed(box)
    d.send(b"a SELECT INBOX\r\n")
    assert b" EXISTS" in d.until(b"a OK")
    d.send(b"b FETCH 1:* BODY.PEEK[]\r\n")
    assert d.until(b"b OK").count(b"the same again\r\n") == 20 * 20000
    d.send(b"c NOOP\r\nd NOOP\r\ne COMPRESS DEFLATE\r\n")
    assert b"c OK" in d.until(b"e NO [COMPRESSIONACTIVE]")
    d.send(b"f IDLE\r\n")
    d.until(b"+ idling")
    c.append("INBOX", None, None, b"Subject: new\r\n\r\n")
    d.until(b" EXISTS")
    d.send(b"DONE\r\n")
    d.until(b"f OK")
    d.send(b"g LOGOUT\r\n")
    d.until(b"g OK")


def test_a_bomb_is_read_in_pieces(box):
    d = compressed(box)
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    try:
        d.sock.sendall(bomb.compress(b"a" * (100 << 20)) + bomb.flush())
        while d.sock.recv(65536):
            pass
    except (ConnectionError, socket.timeout, ssl.SSLError):
        pass
    d = compressed(box)
    try:
        d.sock.sendall(b"\xff" * 100)
        while d.sock.recv(65536):
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    assert imap(box, USER).noop()[0] == "OK"


def test_unauthenticate(box):
    c = imap(box, USER)
    c.select("INBOX")
    c.send(b"u UNAUTHENTICATE\r\n")
    while not (line := c.readline()).startswith(b"u "):
        pass
    assert line.startswith(b"u OK"), line
    c.state = "NONAUTH"
    with pytest.raises(imaplib.IMAP4.error):
        c.login(USER, "wrong")
    c.login(USER, PASSWORD)
    assert c.select("INBOX")[0] == "OK"


# -- several sessions on one mailbox ------------------------------------------------

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


def numbers(text):
    for part in text.split(b","):
        lo, _, hi = part.partition(b":")
        yield from range(int(lo), int(hi or lo) + 1)


class Client:
    """What a client that believes every word thinks is in the mailbox: uids by number, flags by uid."""

    def __init__(self, box, how, seed):
        self.c = imap(box, USER)
        self.rng = random.Random(seed)
        self.how = how  # "plain", "condstore" or "qresync"
        self.uids, self.flags, self.highest, self.validity = [], {}, 0, 0
        if how != "plain":
            assert b" OK " in self.run("ENABLE " + how.upper())
        self.run("SELECT shared")
        self.learn()

    def line(self, line):
        m = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)(.*)", line, re.S)
        if m and m[2] == b"EXISTS":
            assert int(m[1]) >= len(self.uids), (line, self.uids)
            self.uids += [None] * (int(m[1]) - len(self.uids))
        elif m and m[2] == b"EXPUNGE":
            assert self.how != "qresync", line
            self.flags.pop(self.uids.pop(int(m[1]) - 1), None)
        elif m:
            self.fetched(int(m[1]), m[3])
        m = re.match(rb"\* VANISHED( \(EARLIER\))? ([0-9:,]+)\r", line)
        if m:
            assert self.how == "qresync", line
            for uid in numbers(m[2]):
                if not m[1]:
                    self.uids.remove(uid)  # each of them had been told
                self.flags.pop(uid, None)
        m = re.search(rb"\[UIDVALIDITY (\d+)\]", line)
        self.validity = int(m[1]) if m else self.validity
        m = re.search(rb"(?:HIGHESTMODSEQ |MODSEQ \()(\d+)", line)
        self.highest = max(self.highest, int(m[1])) if m else self.highest

    def fetched(self, number, text):
        m = re.search(rb"UID (\d+)", text)
        if m:
            assert self.uids[number - 1] in (None, int(m[1])), (number, text, self.uids)
            self.uids[number - 1] = int(m[1])
        uid = self.uids[number - 1]
        m = re.search(rb"FLAGS \(([^)]*)\)", text)
        if m and uid:
            self.flags[uid] = frozenset(m[1].split()) - {b"\\Recent"}
        assert (b"MODSEQ" in text) == (self.how != "plain"), text

    def until(self, start):
        while True:
            line = self.c.readline()
            assert line and not line.startswith(b"* BYE"), line
            self.line(line)
            if line.startswith(start):
                assert b" BAD " not in line, line
                return line

    def run(self, command, data=b""):
        self.c.send(b"t " + command.encode() + b"\r\n" + data)
        return self.until(b"t ")

    def learn(self):
        """The uids and flags of what came new."""
        more = " MODSEQ" if self.how != "plain" else ""
        while None in self.uids:
            self.run(f"FETCH {self.uids.index(None) + 1}:* (UID FLAGS{more})")

    def settle(self):
        """Has heard of everything up to some moment."""
        self.run("NOOP")
        while None in self.uids:
            self.learn()
            self.run("NOOP")

    def resync(self):
        """Away, and back with what was known (RFC 7162, 3.2.5)."""
        self.settle()
        known = ",".join(map(str, self.uids)) or "1"
        self.run("UNSELECT")
        self.uids = []
        self.run(f"SELECT shared (QRESYNC ({self.validity} {self.highest} {known}))")
        kept = sorted(self.flags)
        assert len(kept) <= len(self.uids), (kept, self.uids)
        assert all(have in (None, uid) for have, uid in zip(self.uids, kept)), (kept, self.uids)
        self.uids[:len(kept)] = kept
        self.learn()

    def silently(self, uid, flag):
        self.flags[uid] = self.flags.get(uid, frozenset()) | {flag.encode(), b"\\Deleted"}
        self.run(f"UID STORE {uid} +FLAGS.SILENT ({flag} \\Deleted)")

    def idle(self):
        self.c.send(b"t IDLE\r\n")
        self.until(b"+")
        self.c.send(b"DONE\r\n")
        self.until(b"t ")

    def step(self):
        what, n = self.rng.random(), len(self.uids)
        flag = self.rng.choice(["\\Seen", "\\Flagged", "\\Answered", "word", "$Other"])
        lo, hi = self.rng.randint(1, max(n, 1)), self.rng.randint(1, max(n, 1))
        if what < 0.15 or n < 5:
            self.run(f"APPEND shared {{{len(MESSAGE)}+}}", MESSAGE + b"\r\n")
        elif what < 0.45:
            self.run(f"STORE {lo}:{hi} {self.rng.choice('+-')}FLAGS ({flag})")
        elif what < 0.55:
            self.silently(self.uids[lo - 1], flag)
        elif what < 0.62:
            self.run("EXPUNGE")
        elif what < 0.67:
            self.run(f"COPY {lo} shared")
        elif what < 0.72:
            self.run(f"MOVE {lo} other")
        elif what < 0.80 and self.how == "qresync":
            self.resync()
        elif what < 0.90:
            self.idle()
        else:
            self.run("NOOP")
        self.learn()


def at_once(clients, what):
    """Each client in a thread of its own; what one of them met is raised."""
    wrong = []

    def work(client):
        try:
            what(client)
        except BaseException as e:  # told below, in the test's own thread
            wrong.append((client.how, e))

    threads = [threading.Thread(target=work, args=(c,)) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if wrong:
        raise wrong[0][1]


def test_several_sessions_agree(box):
    c = imap(box, USER)
    c.create("shared")
    c.create("other")
    clients = [Client(box, how, seed) for seed, how in enumerate(("plain", "condstore", "qresync", "qresync"))]
    for _ in range(3):
        at_once(clients, lambda client: [client.step() for _ in range(60)])
        at_once(clients, Client.settle)
        fresh = Client(box, "plain", 9)
        for client in clients:
            assert client.uids == fresh.uids, client.how
            assert client.flags == fresh.flags, client.how
        fresh.c.logout()


# -- NOTIFY (RFC 5465) ----------------------------------------------------------------

def said(c, pattern):
    """Lines until one matches, without any command."""
    while True:
        line = c.readline()
        assert line, pattern
        if m := re.match(pattern, line):
            return m


def answered(c, command):
    c.send(b"n " + command + b"\r\n")
    assert said(c, rb"n (\w+)")[1] == b"OK", command


def test_notify(box):
    """What another session does is heard by one that says nothing."""
    watcher, other = imap(box, USER), imap(box, USER)
    other.create("watched")
    answered(watcher, b"SELECT INBOX")
    answered(watcher, b"NOTIFY SET (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)]) MessageExpunge FlagChange))"
                      b" (subtree watched (MessageNew MessageExpunge MailboxName SubscriptionChange))")
    for i in range(3):
        other.append("watched", None, None, MESSAGE)
        assert said(watcher, rb"\* STATUS watched \(MESSAGES (\d+) UIDNEXT")[1] == b"%d" % (i + 1)
    other.create("watched/below")
    said(watcher, rb"\* LIST \(.*\) \"/\" watched/below\r")
    other.subscribe("watched/below")
    said(watcher, rb"\* LIST \(.*\\Subscribed.*\) \"/\" watched/below\r")
    other.rename("watched/below", "watched/under")
    said(watcher, rb"\* LIST \(.*\) \"/\" watched/under \(\"OLDNAME\" \(watched/below\)\)\r")
    other.delete("watched/under")
    said(watcher, rb"\* LIST \(.*\\NonExistent.*\) \"/\" watched/under\r")
    other.append("INBOX", None, None, b"Subject: pushed\r\n\r\n")
    n = int(said(watcher, rb"\* (\d+) EXISTS")[1])
    assert int(said(watcher, rb"\* (\d+) FETCH \(UID \d+ BODY\[HEADER.FIELDS \(SUBJECT\)\] \{")[1]) == n
    said(watcher, rb"Subject: pushed")
    other.select("INBOX")
    other.store(str(n), "+FLAGS", "\\Deleted")
    said(watcher, rb"\* %d FETCH \(.*\\Deleted" % n)
    other.expunge()
    said(watcher, rb"\* %d EXPUNGE" % n)
    answered(watcher, b"NOOP")
