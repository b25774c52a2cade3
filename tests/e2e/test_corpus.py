# SPDX-License-Identifier: ISC
"""228 real messages: sent with `ulak send`, relayed, fetched by IMAP and POP3,
the CRLF form equal to the byte apart from the trace fields that were added."""
import re
import socket

import pytest

from mua import imap, pop3
from world import CORPUS, PASSWORD, PATIENCE, corpus_files, wait_for

ADDED = re.compile(rb"(?:Return-Path|Received): .*\r\n(?:[ \t].*\r\n)*")


def as_sent(path):
    """What `ulak send` makes of a file: CRLF line ends, no mbox line."""
    b = open(path, "rb").read()
    if b.startswith(b"From "):
        b = b[b.index(b"\n") + 1:]
    b = re.sub(rb"\r\n|\r|\n", b"\r\n", b)
    return b if b.endswith(b"\r\n") or not b else b + b"\r\n"


def without_trace(got, hops):
    """Takes the Return-Path and one Received field a hop off the top."""
    for _ in range(1 + hops):
        m = ADDED.match(got)
        assert m, got[:200]
        got = got[m.end():]
    return got


def equal_but_for_submission_fields(got, want):
    """RFC 6409 8: a missing Date and Message-ID are added by the first hop."""
    if got == want:
        return True
    lines = got.split(b"\r\n")
    for i in range(len(lines)):
        for n in (1, 2):
            part = lines[i:i + n]
            if all(re.match(rb"(Date|Message-ID): ", p) for p in part) and \
                    b"\r\n".join(lines[:i] + lines[i + n:]) == want:
                return True
    return False


def test_all_of_it(one, two, tmp_path):
    one.account("corpus@one.example")
    two.account("corpus@two.example")
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    files = corpus_files()
    assert len(files) == 228
    sent = {}
    for path in files:
        out = one.cli("send", "--server", one.address, "--port", "587", "--user", "corpus@one.example",
                      "--password-file", str(secret), "-f", "corpus@one.example", "--file", path, "corpus@two.example")
        sent[re.search(r"[0-9A-Z]{26}", out.stdout)[0]] = path
    c = imap(two, "corpus@two.example")

    def arrived():
        return int(c.select("INBOX", readonly=True)[1][0]) == len(files)
    wait_for(arrived, 120, "the corpus to arrive")
    by_imap = {}
    for n in range(1, len(files) + 1):
        data = c.fetch(str(n), "(BODY.PEEK[] ENVELOPE BODYSTRUCTURE RFC822.SIZE)")[1]
        raw = data[0][1]
        first = re.search(rb"id ([0-9A-Z]{26})", raw.split(b"\r\nReceived:")[2])
        by_imap[first[1].decode()] = raw
    c.logout()
    assert by_imap.keys() == sent.keys()
    wrong = [sent[i] for i in sent if not equal_but_for_submission_fields(without_trace(by_imap[i], 2), as_sent(sent[i]))]
    assert wrong == []
    p = pop3(two, "corpus@two.example")
    by_pop3 = {b"\r\n".join(p.retr(n)[1]) + b"\r\n" for n in range(1, len(files) + 1)}
    p.quit()
    assert by_pop3 == set(by_imap.values())


def raw_send(one, body):
    s = socket.create_connection((one.address, 25), 20 * PATIENCE)
    f = s.makefile("rb")

    def reply():
        while True:
            line = f.readline()
            assert line, "closed"
            if line[3:4] != b"-":
                return line
    reply()
    for command in (b"EHLO client.example", b"MAIL FROM:<a@client.example>", b"RCPT TO:<user@one.example>", b"DATA"):
        s.sendall(command + b"\r\n")
        assert reply()[:1] in b"23"
    s.sendall(body)
    answer = reply()
    s.close()
    return answer


def test_as_they_lie(one):
    """Over a raw socket: what has a line end that is none is refused, and says so."""
    refused = kept = 0
    for path in corpus_files():
        b = open(path, "rb").read()
        stuffed = re.sub(rb"(?m)^\.", b"..", b)
        strict = not re.search(rb"\r(?!\n)|(?<!\r)\n", b)
        end = b".\r\n" if b.endswith(b"\r\n") else b"\r\n.\r\n"
        answer = raw_send(one, stuffed + end)
        if strict:
            assert answer.startswith(b"250 "), (path, answer)
            kept += 1
        else:
            assert answer[:1] == b"5" and (b"CR" in answer or b"LF" in answer), (path, answer)
            refused += 1
    print(f"kept {kept}, refused {refused}")
    assert kept + refused == 228 and refused == 118
