# SPDX-License-Identifier: ISC
"""The index for SEARCH: whatever becomes of it, what is found stays the same."""
import base64
import os
import quopri

import pytest

from mua import imap
from world import wait_for

USER = "user@words.example"
N = 150

WORDS = ["harbour", "lantern", "Straße", "日本語の文章", "naïve", "x" * 150, "kırmızı", "2026-11-24"]
# text as it is asked for, in the form in which it is compared
NEEDLES = ["harbour", "arbou", "LANTERN", "strasse", "本語", "語", "na\u00efve", "x" * 40, "x" * 151, "2026-11", "harbour lantern",
           "nowhere", "r l", "message 7"]


def text_of(n):
    return " ".join(w for i, w in enumerate(WORDS) if (n >> i) & 1 or n % 11 == i) + f"\r\nmessage {n}\r\n"


def message(n):
    body = text_of(n).encode()
    how = n % 3
    if how == 1:
        encoding, body = "base64", base64.encodebytes(body).replace(b"\n", b"\r\n")
    elif how == 2:
        encoding, body = "quoted-printable", quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    else:
        encoding = "8bit"
    head = (f"From: a@words.example\r\nSubject: subject {WORDS[n % 5] if n % 5 not in (2, 3, 4) else n}\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n")
    return head.encode() + body


def fill(c, first, n):
    for i in range(first, first + n):
        assert c.append("INBOX", None, None, message(i))[0] == "OK"
    c.select("INBOX")


def search(c, *keys):
    """Keys; a text goes as a literal."""
    c.literal = keys[-1].encode()
    status, data = c.search("UTF-8", *keys[:-1])
    assert status == "OK", data
    return [int(x) for x in data[0].split()]


def answers(c):
    got = {}
    for needle in NEEDLES:
        for keys in (("BODY",), ("TEXT",), ("SUBJECT",), ("NOT", "TEXT"), ("OR", "UNDRAFT", "BODY")):
            got[needle, keys] = search(c, *keys, needle)
    return got


def indexed(s, mark, messages):
    """The index has so many, by the log since then."""
    def look():
        return any("event=search-indexed" in line and int(line.rsplit("messages=", 1)[1].split()[0]) >= messages
                   for line in s.log_since(mark))
    wait_for(look, 60, "the index")


def fresh(s):
    c = imap(s, USER)
    c.select("INBOX")
    return c


@pytest.fixture(scope="module")
def box(world):
    s = world.server("words.example", "192.0.2.78")
    c = imap(s, USER)
    fill(c, 0, N)
    yield s, c
    s.stop()


def test_the_index_changes_no_answer(box):
    s, c = box
    mark = s.log_size()
    before = {}
    for needle in NEEDLES:  # the first one begins the index
        before[needle] = search(c, "BODY", needle)
    want = [n + 1 for n in range(N) if "harbour" in text_of(n)]
    assert before["harbour"] == want and 0 < len(want) < N
    assert before["nowhere"] == [] and len(before["語"]) > 10
    indexed(s, mark, N)
    after = answers(c)
    for needle in NEEDLES:
        assert after[needle, ("BODY",)] == before[needle], needle
        assert len(after[needle, ("TEXT",)]) + len(after[needle, ("NOT", "TEXT")]) == N
    assert 0 < len(after["LANTERN", ("SUBJECT",)]) < N


def test_a_dead_sorter_and_a_damaged_index(box):
    s, c = box
    want = answers(c)
    # the sorter dies; what came meanwhile is found, and is indexed by the next
    assert s.kill_role("sorter", 0)
    fill(c, N, 40)
    mark = s.log_size()
    more = search(c, "BODY", "harbour")
    assert more == [n + 1 for n in range(N + 40) if "harbour" in text_of(n)]
    search(c, "BODY", "lantern")
    indexed(s, mark, N + 40)
    assert search(c, "BODY", "harbour") == more
    # under a stopped server: junk in the middle, no database, no file
    paths = [os.path.join(s.data, "search.db"), os.path.join(s.data, "search.db-wal")]
    for damage in ("middle", "all", "none"):
        s.stop()
        for path in paths:
            if not os.path.exists(path):
                continue
            if damage == "none":
                os.unlink(path)
                continue
            with open(path, "r+b") as f:
                f.seek(os.path.getsize(path) // 2 if damage == "middle" else 0)
                f.write(b"\x5a" * (64 if damage == "middle" else 5000))
        mark = s.log_start = s.log_size()
        s.start()
        c = fresh(s)
        assert search(c, "BODY", "harbour") == more, damage
        assert search(c, "BODY", "lantern") != [], damage
        assert search(c, "BODY", "harbour") == more, damage
    indexed(s, mark, N + 40)
    got = answers(c)
    for key, numbers in want.items():
        assert [n for n in got[key] if n <= N] == numbers, key
