# SPDX-License-Identifier: ISC
"""SEARCH, SORT and THREAD against a slow reference: random mails, random programs, the same answers."""
import imaplib
import random
import re
import time

import pytest

from mua import imap

USER = "user@search.example"
WORDS = ["alpha", "Beta", "gamma", "Straße", "東京", "Ünder", "zeta", "x-ray", "omega.", "naïve"]
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "\\Deleted", "$Junk"]
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DAY = 86400


@pytest.fixture(scope="module")
def box(world):
    s = world.server("search.example", "192.0.2.78")
    yield s
    s.stop()


def fold(text):
    import unicodedata
    return unicodedata.normalize("NFKD", text.casefold())


class Mail:
    def __init__(self, rng, n):
        self.n = self.uid = n
        self.subject = " ".join(rng.sample(WORDS, rng.randint(1, 3)))
        self.sender = rng.choice(["ann@a.example", "Bob <bob@b.example>", "cy@c.example"])
        self.body = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 8)))
        self.sent = None if rng.random() < 0.1 else 1700000000 + rng.randint(0, 20) * DAY // 3
        self.date = 1790000000 + rng.randint(0, 20) * DAY // 2
        self.flags = set(rng.sample(FLAGS, rng.randint(0, 3)))
        self.parent = rng.randint(1, n - 1) if n > 1 and rng.random() < 0.5 else None
        self.padding = rng.randint(0, 400000) if rng.random() < 0.1 else rng.randint(0, 300)

    def bytes(self):
        lines = [f"From: {self.sender}", f"Subject: {self.subject}", f"Message-ID: <m{self.n}@x>",
                 "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
        if self.sent is not None:
            lines.append("Date: " + time.strftime("%d %b %Y %H:%M:%S +0000", time.gmtime(self.sent)))
        if self.parent is not None:
            lines.append(f"References: <m{self.parent}@x>")
        lines += ["X-Pad: " + "p" * 60] * (self.padding // 70)
        self.raw = ("\r\n".join(lines) + "\r\n\r\n" + self.body + "\r\n").encode()
        self.folded = fold(self.raw.decode())
        return self.raw


def day(at):
    t = time.gmtime(at)
    return f"{t.tm_mday}-{MONTHS[t.tm_mon - 1]}-{t.tm_year}"


def make_key(rng, mails, depth=0):
    """(its text, a predicate)"""
    m = rng.choice(mails)
    word = rng.choice(WORDS)
    word = word[rng.randint(0, 1):] if rng.random() < 0.5 else word.swapcase()
    flag = rng.choice(FLAGS)
    kinds = ["flag", "subject", "body", "text", "from", "date", "sent", "size", "set", "uid", "keyword", "header"]
    kind = rng.choice(kinds + (["not", "or", "and"] * 3 if depth < 3 else []))
    if kind == "not":
        text, f = make_key(rng, mails, depth + 1)
        return f"NOT {text}", lambda x: not f(x)
    if kind in ("or", "and"):
        (a, f), (b, g) = make_key(rng, mails, depth + 1), make_key(rng, mails, depth + 1)
        return (f"OR {a} {b}", lambda x: f(x) or g(x)) if kind == "or" else (f"({a} {b})", lambda x: f(x) and g(x))
    if kind == "flag":
        name = flag.strip("\\$").upper() if flag != "$Junk" else "KEYWORD $Junk"
        return name, lambda x: flag in x.flags
    if kind == "keyword":
        return "UNKEYWORD $junk", lambda x: "$Junk" not in x.flags
    if kind == "subject":
        return f'SUBJECT "{word}"', lambda x: fold(word) in fold(x.subject)
    if kind == "header":
        return 'HEADER References ""', lambda x: x.parent is not None
    if kind == "body":
        return f'BODY "{word}"', lambda x: fold(word) in fold(x.body)
    if kind == "text":
        return f'TEXT "{word}"', lambda x: fold(word) in x.folded
    if kind == "from":
        return "FROM b@b", lambda x: "b@b" in x.sender
    if kind == "date":
        return rng.choice([(f"SINCE {day(m.date)}", lambda x: x.date // DAY >= m.date // DAY),
                           (f"BEFORE {day(m.date)}", lambda x: x.date // DAY < m.date // DAY),
                           (f"ON {day(m.date)}", lambda x: x.date // DAY == m.date // DAY)])
    if kind == "sent":
        at = m.sent or 1700000000
        return rng.choice([
            (f"SENTSINCE {day(at)}", lambda x: x.sent is not None and x.sent // DAY >= at // DAY),
            (f"SENTON {day(at)}", lambda x: x.sent is not None and x.sent // DAY == at // DAY)])
    if kind == "size":
        n = len(m.raw)
        return rng.choice([(f"LARGER {n}", lambda x: len(x.raw) > n), (f"SMALLER {n}", lambda x: len(x.raw) < n)])
    lo, hi = sorted(rng.randint(1, len(mails) + 3) for _ in range(2))
    top = len(mails)
    prefix = "UID " if kind == "uid" else ""
    if rng.random() < 0.3:
        return f"{prefix}{lo}:*", lambda x: min(lo, top) <= x.n
    return f"{prefix}{hi}:{lo},1", lambda x: lo <= x.n <= hi or x.n == 1


def ask(c, line):
    """What is said untagged to a command, as text."""
    tag = c._new_tag()
    text = line.encode()
    c.send(tag + b" " + text + b"\r\n")
    said = []
    while True:
        got = c.readline()
        if got.startswith(tag):
            assert got.split()[1] == b"OK", (line, got)
            return said
        said.append(got.decode().strip())


def numbers(said, name):
    line = next(x for x in said if x.startswith(f"* {name}"))
    return [int(x) for x in line.split()[2:]]


def literal(text):
    """Words beyond ASCII go as literals."""
    return re.sub(r'"([^"]*[^\x00-\x7f][^"]*)"', lambda m: "{%d+}\r\n%s" % (len(m[1].encode()), m[1]), text)


def fill(c, mails):
    for m in mails:
        date = imaplib.Time2Internaldate(m.date)
        assert c.append("INBOX", "(" + " ".join(sorted(m.flags)) + ")", date, m.bytes())[0] == "OK"


def test_random_programs(box):
    rng = random.Random(20261124)
    mails = [Mail(rng, n) for n in range(1, 61)]
    c = imap(box, USER)
    fill(c, mails)
    c.select("INBOX")
    for _ in range(150):
        text, f = make_key(rng, mails)
        want = [m.n for m in mails if f(m)]
        program = "CHARSET UTF-8 " + literal(text)
        assert numbers(ask(c, f"SEARCH {program}"), "SEARCH") == want, text
    for _ in range(40):
        text, f = make_key(rng, mails)
        found = [m for m in mails if f(m)]
        keys, want = rng.choice([
            ("REVERSE SIZE", sorted(found, key=lambda m: -len(m.raw))),
            ("ARRIVAL", sorted(found, key=lambda m: m.date)),
            ("DATE REVERSE ARRIVAL", sorted(sorted(found, key=lambda m: -m.date),
                                            key=lambda m: m.date if m.sent is None else m.sent)),
            ("FROM DATE", sorted(found, key=lambda m: (re.search(r"(\w+)@", m.sender)[1].upper(),
                                                       m.date if m.sent is None else m.sent)))])
        said = ask(c, f"SORT ({keys}) UTF-8 {literal(text)}")
        assert numbers(said, "SORT") == [m.n for m in want], (keys, text)
    c.logout()


def parents(line):
    """{number: the number above it, or None} of "* THREAD ..."."""
    ret, stack, last = {}, [], None
    for token in re.findall(r"\d+|[()]", line):
        if token == "(":
            stack.append(last)
        elif token == ")":
            last = stack.pop()
        else:
            ret[int(token)] = last
            last = int(token)
    return ret


def test_threads(box):
    """By references alone: each subject is its own."""
    rng = random.Random(3)
    mails = [Mail(rng, n) for n in range(1, 100)]
    for m in mails:
        m.subject = f"subject number {m.n}"
        m.padding = 0
    c = imap(box, USER)
    c.create("threads")
    for m in mails:
        assert c.append("threads", None, None, m.bytes())[0] == "OK"
    c.select("threads")
    said = ask(c, "THREAD REFERENCES UTF-8 ALL")
    assert parents(said[0]) == {m.n: m.parent for m in mails}
    # some of them are not there: who answers them stands at the top, or beside others that do
    gone = set(rng.sample(range(1, 100), 30))
    keep = ",".join(str(m.n) for m in mails if m.n not in gone)
    got = parents(ask(c, f"THREAD REFERENCES UTF-8 {keep}")[0])
    assert got == {m.n: None if m.parent in gone else m.parent for m in mails if m.n not in gone}
    c.logout()


def test_updates_agree(box):
    """What ADDTO and REMOVEFROM make of a result is what a new search finds."""
    rng = random.Random(11)
    c, other = imap(box, USER), imap(box, USER)
    c.create("updates")
    for n in range(30):
        assert c.append("updates", None, None, b"Subject: %d\r\n\r\nbody %d\r\n" % (n, n % 3))[0] == "OK"
    c.select("updates")
    other.select("updates")
    program = "OR FLAGGED (BODY 1 UNSEEN)"
    said = ask(c, f"UID SEARCH RETURN (ALL UPDATE) {program}")
    tag = re.search(r'TAG "(\w+)"', said[0])[1]
    have = expand(said[0].split(" ALL ")[1]) if " ALL " in said[0] else set()
    for step in range(40):
        who = rng.choice([c, other])
        uids = ",".join(str(rng.randint(1, 30 + step)) for _ in range(3))
        act = rng.choice(["UID STORE %s +FLAGS (\\Flagged)", "UID STORE %s -FLAGS.SILENT (\\Flagged)",
                          "UID STORE %s FLAGS (\\Seen)", "UID STORE %s +FLAGS.SILENT (\\Deleted)", "EXPUNGE", "APPEND"])
        if act == "APPEND":
            assert who.append("updates", "\\Flagged", None, b"Subject: new\r\n\r\nbody\r\n")[0] == "OK"
            said = [x.decode() for x in who.untagged_responses.pop("ESEARCH", [])]
            said = ["* ESEARCH " + x for x in said] if who is c else []
        else:
            said = ask(who, act % uids if "%" in act else act)
            said = said if who is c else []
        said += ask(c, "NOOP")
        for line in said:
            if f'ESEARCH (TAG "{tag}")' in line:
                for what, rows in re.findall(r"(ADDTO|REMOVEFROM) \(0 ([\d,:]+)\)", line):
                    have = have | expand(rows) if what == "ADDTO" else have - expand(rows)
        assert have == set(numbers(ask(c, f"UID SEARCH {program}"), "SEARCH")), (step, act, said)
    c.logout()
    other.logout()


def expand(rows):
    ret = set()
    for part in rows.split(","):
        lo, _, hi = part.partition(":")
        ret |= set(range(int(lo), int(hi or lo) + 1))
    return ret
