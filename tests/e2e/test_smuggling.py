# SPDX-License-Identifier: ISC
"""Two servers must never disagree about where a message ends (RFC 5321 2.3.8,
4.1.1.4). Each of FALSE_ENDS is an end of data to some server; to us it is none:
with a bare CR or LF in it the mail is refused as a whole, else it is part of
the one message. The same by BDAT (RFC 3030) and by LMTP. And what we send has
CRLF for line ends, stuffed dots, and CRLF.CRLF once, at the end."""
import email
import socket

import pytest

from mua import find, imap
from receivers import Receiver
from test_smtp_extensions import Talk

FALSE_ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "LF.CR": b"\n.\r",
    "CR.LF": b"\r.\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n",
    "CRCR.CRCR": b"\r\r.\r\r",
    "LFLF.LFLF": b"\n\n.\n\n",
    "LFCR.LFCR": b"\n\r.\n\r",
    "LFCR.CRLF": b"\n\r.\r\n",
    "CRLF.LFCRLF": b"\r\n.\n\r\n",
    "LFCRLF.LF": b"\n\r\n.\n",
    "CRLF.LF.CR": b"\r\n.\n.\r",
    "LF.CRLFCR": b"\n.\r\n\r",
    "LF..LF": b"\n..\n",
    "CRLF..LF": b"\r\n..\n",
    "LF.SPLF": b"\n. \n",
    "CRLFSP.LF": b"\r\n .\n",
    "CRNULLF.CRNULLF": b"\r\0\n.\r\0\n",
    "CRLFNUL.LF": b"\r\n\0.\n",
    "CRLF.NULLF": b"\r\n.\0\n",
    "VTLF.VTLF": b"\x0b\n.\x0b\n",
    "FF.FFLF": b"\x0c.\x0c\n",
    "NEL.NELLF": b"\x85.\x85\n",
    "overlong-LF.LF": b"\xc0\x8a.\xc0\x8a\n",
    "8bit-CRLF.LF": b"\x8d\x8a.\x8d\x8a\n",
    "CR-at-the-end": b"\r",
    "LF-at-the-end": b"\n",
    # (CRCRLF.CRLF has a true end in it, behind a bare CR: smuggle-crcrlf-dot-crlf.smtp.)
    # Lines end in CRLF: one message, with all that is inside.
    "CRLFSP.CRLF": b"\r\n .\r\n",
    "CRLF..CRLF": b"\r\n..\r\n",
    "CRLF.SPCRLF": b"\r\n. \r\n",
    "CRLF.TABCRLF": b"\r\n.\t\r\n",
    "CRLF.NULCRLF": b"\r\n.\0\r\n",
    "CRLFNUL.CRLF": b"\r\n\0.\r\n",
    "CRLF.VTCRLF": b"\r\n.\x0b\r\n",
    "NEL.NEL": b"\x85.\x85",
    "UTF-8-NEL": b"\xc2\x85.\xc2\x85",
    "U+2028": b"\xe2\x80\xa8.\xe2\x80\xa8",
    "overlong-CRLF.CRLF": b"\xc0\x8d\xc0\x8a.\xc0\x8d\xc0\x8a",
    "overlong-dot": b"\r\n\xc0\xae\r\n",
    "fullwidth-dot": b"\r\n\xef\xbc\x8e\r\n",
    "8bit-CRLF.CRLF": b"\x8d\x8a.\x8d\x8a",
    "8bit-dot": b"\r\n\xae\r\n",
}
INNER = b"MAIL FROM:<forged@c.example>\r\nRCPT TO:<user@told.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n"


def is_bare(data):
    left = data.replace(b"\r\n", b"")
    return b"\r" in left or b"\n" in left


@pytest.fixture(scope="module")
def talks(told):
    """One session each, for all of the table: it must stay usable."""
    smtp, lmtp = Talk(told, 25), Talk(told, 24, hello="LHLO")
    for t in (smtp, lmtp):
        t.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    yield {"smtp": smtp, "lmtp": lmtp}
    before = {t: t.say("NOOP", 250) for t in (smtp, lmtp)}
    assert len(before) == 2
    c = imap(told, "user@told.example")
    c.select("INBOX", readonly=True)
    assert c.search(None, "SUBJECT", '"smuggled"')[1] == [b""], "a smuggled mail has arrived"
    assert c.search(None, "FROM", '"forged"')[1] == [b""]
    c.logout()


def envelope(t):
    t.say("MAIL FROM:<a@c.example>", 250)
    t.say("RCPT TO:<user@told.example>", 250)


def outcome(t, end):
    """One reply for the message, then the next command's own."""
    got = t.reply()
    assert got.startswith("554 5.6.11" if is_bare(end) else "250 2.0.0"), got
    assert t.reply().startswith("250 2.0.0 OK")


@pytest.mark.parametrize("name", FALSE_ENDS)
def test_way_in(talks, name):
    end = FALSE_ENDS[name]
    last = name.endswith("-at-the-end")
    content = b"Subject: outer\r\n\r\nbody" + end + (b"" if last else INNER)
    for t in talks.values():
        envelope(t)
        t.say("DATA", 354)
        t.sock.sendall(content + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\nNOOP\r\n" if not last else
                       content + b"\r\n.\r\nNOOP\r\n")
        outcome(t, end + b"\r\n" if last else end)

    # split inside of it, in packets of their own
    t = talks["smtp"]
    envelope(t)
    t.say("DATA", 354)
    at = content.index(end)
    for i in range(at, at + len(end) + 1):
        t.sock.sendall(content[:at] if i == at else content[i - 1:i])
    t.sock.sendall(content[at + len(end):] + b"\r\n.\r\nNOOP\r\n")
    outcome(t, end + b"\r\n" if last else end)

    # in one chunk, and in two that are split inside of it; by LMTP too
    for t in talks.values():
        envelope(t)
        if "CHUNKING" in t.offers:
            t.sock.sendall(b"BDAT %d LAST\r\n" % len(content) + content + b"NOOP\r\n")
            outcome(t, end)
            envelope(t)
            at = content.index(end) + (len(end) + 1) // 2
            t.sock.sendall(b"BDAT %d\r\n" % at + content[:at])
            first = t.reply()
            t.sock.sendall(b"BDAT %d LAST\r\n" % (len(content) - at) + content[at:] + b"NOOP\r\n")
            assert first.startswith("250") or is_bare(end)
            outcome(t, end)
        else:
            t.say("RSET", 250)


def test_behind_the_last_chunk_are_commands(talks):
    t = talks["smtp"]
    envelope(t)
    t.sock.sendall(b"BDAT 3 LAST\r\nx\r\n.\r\nNOOP\r\n")
    assert [t.reply()[:3] for _ in range(3)] == ["250", "500", "250"]
    # a chunk that belongs to no message is read over, not obeyed
    inner = b"MAIL FROM:<forged@c.example>\r\n"
    t.sock.sendall(b"BDAT %d LAST\r\n" % len(inner) + inner + b"NOOP\r\n")
    assert [t.reply()[:3] for _ in range(2)] == ["503", "250"]


# -- the way out --------------------------------------------------------------

class Wire(Receiver):
    """Keeps the octets between 354 and the end as they came."""
    extensions = ["PIPELINING", "8BITMIME", "SIZE 10000000"]

    def __init__(self, *args):
        self.raw = []
        super().__init__(*args)

    def body(self, c):
        data = c.buffer
        while not (b"\r\n" + data).endswith(b"\r\n.\r\n"):
            c.buffer = b""
            c.more()
            data += c.buffer
        c.buffer = b""
        with self.lock:
            self.raw.append(data)
        self.finish(c, data)


PAD = b"".join(b"%05d" % i + b"x" * 60 + b"\r\n" for i in range(2000))
DOTS = {
    "dot": b".\r\n", "dots": b"..\r\n...\r\n", "dot-space": b". \r\n", "dot-NUL": b".\0\r\n\0.\r\n", "dot-text": b".a\r\na.\r\n",
    "forged": b".\r\nMAIL FROM:<forged@c.example>\r\n", "no-end": b"a\r\n.", "no-end-text": b"a", "empty-lines": b"\r\n\r\n\r\n",
    "NEL": b"\x85.\x85\r\n", "U+2028": b"\xe2\x80\xa8.\xe2\x80\xa8\r\n", "overlong": b"\xc0\x8d\xc0\x8a.\xc0\x8d\xc0\x8a\r\n",
    "VT": b"\x0b.\x0b\r\n", "long": b"." * 70000 + b"\r\n.\r\n",
    # a line of a dot at and around the edges of any buffer
    **{f"edge-{edge}{by:+d}": PAD[:edge + by - 4] + b"\r\n.\r\n.\r\nx\r\n"
       for edge in (4096, 16384, 65536) for by in range(-3, 4)},
}


def test_way_out(told):
    wire = Wire("192.0.2.63", "wire.example")
    try:
        t = Talk(told, 465, tls=True)
        t.login("user@told.example")
        for name, text in DOTS.items():
            content = f"Subject: out {name} end\r\n\r\n".encode() + text
            t.say("MAIL FROM:<user@told.example>", 250)
            t.say("RCPT TO:<x@[192.0.2.63]>", 250)
            t.say(f"BDAT {len(content)} LAST", 250, content)
        # bare line ends of binary content are never sent by DATA: they are encoded
        binary = b"a\n.\nb\r.\r"
        content = b"Subject: out binary end\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n" + binary
        t.say("MAIL FROM:<user@told.example> BODY=BINARYMIME", 250)
        t.say("RCPT TO:<x@[192.0.2.63]>", 250)
        t.say(f"BDAT {len(content)} LAST", 250, content)

        def raw_of(name):
            with wire.lock:
                return [r for r in wire.raw if f"Subject: out {name} end\r\n".encode() in r]
        from world import wait_for
        wait_for(lambda: all(raw_of(n) for n in [*DOTS, "binary"]), 60, "all mails at the next hop")
        (raw,) = raw_of("binary")
        assert not is_bare(raw) and raw.count(b"\r\n.\r\n") == 1
        assert email.message_from_bytes(raw[:-3]).get_payload(decode=True) == binary
        for name, text in DOTS.items():
            (raw,) = raw_of(name)
            assert not is_bare(raw), name
            assert raw.endswith(b"\r\n.\r\n") and raw.count(b"\r\n.\r\n") == 1, name
            lines = raw[:-3].split(b"\r\n")
            got = b"\r\n".join(x[1:] if x.startswith(b".") else x for x in lines).split(b"\r\n\r\n", 1)[1]
            assert got == text + (b"" if text.endswith(b"\r\n") else b"\r\n"), name
    finally:
        wire.close()
