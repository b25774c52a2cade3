# SPDX-License-Identifier: ISC
"""Two servers must never disagree about where a message ends. Each of these
ends of data is one to some server; to us it is none, and the mail is refused
as a whole (RFC 5321 2.3.8, 4.1.1.4)."""
import socket

import pytest

from mua import count

FALSE_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n",
              b"\r\n.\n\r\n", b"\n\n.\n\n", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\n\r\n.\n", b"\n.\r\n\r", b"\r\r.\r\r",
              b"\r\n.\x0b\n", b"\x0a\x2e\x0a\x0d", b"\x85.\x85\n.\n", b"\r\n.\n.\r", b"\n\r.\n\r", b"\r\n .\n", b"\x0c.\x0c\n.\n"]


@pytest.mark.parametrize("end", FALSE_ENDS, ids=lambda e: e.hex())
def test_false_end_of_data(one, end):
    before = count(one, "user@one.example")
    s = socket.create_connection((one.address, 25), 10)
    s.settimeout(10)
    f = s.makefile("rb")

    def reply():
        while True:
            line = f.readline()
            if line[3:4] != b"-":
                return line
    reply()
    for command in (b"EHLO c.example", b"MAIL FROM:<a@c.example>", b"RCPT TO:<user@one.example>", b"DATA"):
        s.sendall(command + b"\r\n")
        assert reply()[:1] in b"23"
    inner = (b"MAIL FROM:<forged@c.example>\r\nRCPT TO:<user@one.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n")
    s.sendall(b"Subject: outer\r\n\r\nbody" + end + inner)
    answer = reply()
    strict = b"\n" not in end.replace(b"\r\n", b"") and b"\r" not in end.replace(b"\r\n", b"")
    if strict:
        # only NULs in well-formed lines: one message, whatever becomes of it
        assert answer[:1] in (b"2", b"5")
    else:
        assert answer[:1] == b"5", answer
    s.sendall(b"NOOP\r\n")
    assert reply().startswith(b"250")
    s.close()
    assert count(one, "user@one.example") <= before + (1 if strict else 0)
