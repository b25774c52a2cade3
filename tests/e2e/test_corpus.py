# SPDX-License-Identifier: ISC
"""228 real messages: signed by DKIM, sent with `ulak send`, relayed, fetched by IMAP and POP3,
the CRLF form equal to the byte apart from the trace fields that were added, each signature still good."""
import base64
import itertools
import re
import socket

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

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


class Signer:
    """DKIM (RFC 6376) by Debian's python3-dkim, simple and relaxed for header and body in turn."""

    def __init__(self):
        key = rsa.generate_private_key(65537, 1024)
        self.private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                         serialization.NoEncryption())
        public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
        self.ways = itertools.cycle(itertools.product((b"simple", b"relaxed"), repeat=2))

    def sign(self, message):
        """With the signature in front; as it was where there is no From to sign, or no header that it can read."""
        try:
            return dkim.sign(message, b"s", b"one.example", self.private, canonicalize=next(self.ways)) + message
        except (dkim.ParameterError, dkim.MessageFormatError):
            return message

    def is_good(self, message):
        return dkim.verify(message, dnsfunc=lambda name, timeout=5: self.record, minkey=1024)


def test_all_of_it(one, two, tmp_path):
    one.account("corpus@one.example")
    two.account("corpus@two.example")
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    files = corpus_files()
    assert len(files) == 228
    sent, contents, signer = {}, {}, Signer()
    for path in files:
        contents[path] = signer.sign(as_sent(path))
        file = tmp_path / "message"
        file.write_bytes(contents[path])
        out = one.cli("send", "--server", one.address, "--port", "587", "--user", "corpus@one.example",
                      "--password-file", str(secret), "-f", "corpus@one.example", "--file", str(file), "corpus@two.example")
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
    wrong = [sent[i] for i in sent
             if not equal_but_for_submission_fields(without_trace(by_imap[i], 2), contents[sent[i]])]
    assert wrong == []
    signed = [i for i in sent if contents[sent[i]].startswith(b"DKIM-Signature:")]
    assert len(signed) > 200, len(signed)
    assert [sent[i] for i in signed if not signer.is_good(by_imap[i])] == []
    assert not signer.is_good(by_imap[signed[0]] + b"one line more\r\n")
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
