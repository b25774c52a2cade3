# SPDX-License-Identifier: ISC
"""What the extensions of SMTP ask for, seen at the other end: in the mailbox,
in the queue, in the reports."""
import base64
import socket
import ssl
import time

import pytest

from mua import find
from world import PASSWORD, PATIENCE, tls_context


class Talk:
    def __init__(self, server, port, tls=False, hello="EHLO"):
        self.sock = socket.create_connection((server.address, port), 20 * PATIENCE)
        if tls:
            self.sock = tls_context().wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")
        self.reply()
        self.offers = self.say(hello + " client.example", 250)

    def reply(self):
        text = b""
        while True:
            line = self.file.readline()
            text += line
            if line[3:4] != b"-":
                return text.decode()

    def ask(self, command, raw=b""):
        self.sock.sendall(command.encode() + b"\r\n" + raw)
        return self.reply()

    def say(self, command, code, raw=b""):
        got = self.ask(command, raw)
        assert got.startswith(str(code)), (command, got)
        return got

    def login(self, user):
        token = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        self.say("AUTH PLAIN " + token, 235)


@pytest.fixture(scope="module")
def user(one):
    one.account("ext@one.example")
    return "ext@one.example"


def test_chunks_arrive_octet_for_octet(one, user):
    body = b"Subject: chunks-e2e\r\n\r\n" + b".\r\n..\r\nx\r\n" * 20000 + b"no end of line"
    t = Talk(one, 25)
    t.say("MAIL FROM:<a@client.example>", 250)
    t.say(f"RCPT TO:<{user}>", 250)
    for at in range(0, len(body), 65537):
        part = body[at:at + 65537]
        last = " LAST" if at + 65537 >= len(body) else ""
        t.say(f"BDAT {len(part)}{last}", 250, part)
    t.say("QUIT", 221)
    assert find(one, user, "chunks-e2e").endswith(body)


def test_binary_content(one, user):
    body = b"Subject: binary-e2e\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\rc\xff\xfe\n.\n"
    t = Talk(one, 25)
    t.say("MAIL FROM:<a@client.example> BODY=BINARYMIME", 250)
    t.say(f"RCPT TO:<{user}>", 250)
    t.say(f"BDAT {len(body)} LAST", 250, body)
    assert find(one, user, "binary-e2e").endswith(body)


def test_chunk_too_big_is_read_over(one, user):
    t = Talk(one, 25)
    t.say("MAIL FROM:<a@client.example>", 250)
    t.say(f"RCPT TO:<{user}>", 250)
    size = 60 * 1024 * 1024
    t.sock.sendall(f"BDAT {size} LAST\r\n".encode())
    for _ in range(60):
        t.sock.sendall(b"x" * 1024 * 1024)
    assert t.reply().startswith("552 5.3.4")
    t.say("NOOP", 250)


def test_utf8_sender(one, user):
    t = Talk(one, 25)
    t.say("MAIL FROM:<\u00e9@client.example> SMTPUTF8", 250)
    t.say(f"RCPT TO:<{user}>", 250)
    t.say("DATA", 354)
    t.say("Subject: utf8-e2e\r\n\r\nx\r\n.", 250)
    mail = find(one, user, "utf8-e2e")
    assert mail.startswith("Return-Path: <\u00e9@client.example>\r\n".encode())
    assert b" with UTF8SMTP" in mail


def test_success_is_reported(one, user):
    t = Talk(one, 465, tls=True)
    t.login(user)
    t.say(f"MAIL FROM:<{user}> RET=HDRS ENVID=env-e2e", 250)
    t.say(f"RCPT TO:<{user}> NOTIFY=SUCCESS ORCPT=rfc822;first@one.example", 250)
    t.say("DATA", 354)
    t.say("Subject: dsn-e2e\r\n\r\nsecret text\r\n.", 250)
    find(one, user, "dsn-e2e")

    text = find(one, user, "Your message has arrived")
    assert b"Original-Envelope-Id: env-e2e" in text
    assert b"Original-Recipient: rfc822; first@one.example" in text
    assert b"Action: delivered" in text, text.decode()


def test_mail_is_held(one, user):
    t = Talk(one, 465, tls=True)
    t.login(user)
    since = time.monotonic()
    t.say(f"MAIL FROM:<{user}> HOLDFOR=5", 250)
    t.say(f"RCPT TO:<{user}>", 250)
    t.say("DATA", 354)
    t.say("Subject: held-e2e\r\n\r\nx\r\n.", 250)
    find(one, user, "held-e2e", seconds=30)
    assert time.monotonic() - since > 4.5


def test_requiretls_only_under_tls(one, user):
    t = Talk(one, 25)
    t.say("MAIL FROM:<a@client.example> REQUIRETLS", 530)
    t.say("STARTTLS", 220)
    t.sock = tls_context().wrap_socket(t.sock)
    assert isinstance(t.sock, ssl.SSLSocket)
    t.file = t.sock.makefile("rb")
    assert "REQUIRETLS" in t.say("EHLO client.example", 250)
    t.say("MAIL FROM:<a@client.example> REQUIRETLS", 250)
    t.say(f"RCPT TO:<{user}>", 250)
    t.say("DATA", 354)
    t.say("Subject: requiretls-e2e\r\n\r\nx\r\n.", 250)
    find(one, user, "requiretls-e2e")
