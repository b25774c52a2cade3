# SPDX-License-Identifier: ISC
"""Python's own mail clients, with the few lines every test needs."""
import imaplib
import poplib
import smtplib
import time
import uuid

from world import PASSWORD, PATIENCE, tls_context


def compose(sender, rcpt, subject=None, body="hello\r\n", more=""):
    subject = subject or uuid.uuid4().hex
    return subject, (f"From: <{sender}>\r\nTo: <{rcpt}>\r\nSubject: {subject}\r\n{more}\r\n{body}").encode()


def submit(server, sender, rcpts, message, user=None, password=PASSWORD, port=587):
    """Over 587 with STARTTLS and AUTH; returns the text of the final 250."""
    with smtplib.SMTP(server.address, port, timeout=30 * PATIENCE) as c:
        c.starttls(context=tls_context())
        c.login(user or sender, password)
        c.mail(sender)
        for r in rcpts:
            code, text = c.rcpt(r)
            assert code == 250, (code, text)
        code, text = c.data(message)
        assert code == 250, (code, text)
        return text.decode()


def inject(server, sender, rcpt, message, port=25):
    with smtplib.SMTP(server.address, port, timeout=30 * PATIENCE) as c:
        c.ehlo("client.example")
        c.sendmail(sender, [rcpt], message)


def imap(server, user, password=PASSWORD):
    c = imaplib.IMAP4_SSL(server.address, server.PORTS["imaps"], ssl_context=tls_context(), timeout=30 * PATIENCE)
    c.login(user, password)
    return c


def pop3(server, user, password=PASSWORD):
    c = poplib.POP3_SSL(server.address, server.PORTS["pop3s"], context=tls_context(), timeout=30 * PATIENCE)
    c.user(user)
    c.pass_(password)
    return c


def find(server, user, subject, folder="INBOX", seconds=20):
    """The bytes of the message with that subject, waited for."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        c = imap(server, user)
        c.select(folder, readonly=True)
        _, found = c.search(None, "SUBJECT", f'"{subject}"')
        numbers = found[0].split()
        if numbers:
            _, data = c.fetch(numbers[-1], "(BODY.PEEK[])")
            c.logout()
            return data[0][1]
        c.logout()
        if time.monotonic() > end:
            raise AssertionError(f"{subject} is not in {folder} of {user}")
        time.sleep(0.1)


def count(server, user, folder="INBOX"):
    c = imap(server, user)
    _, n = c.select(folder, readonly=True)
    c.logout()
    return int(n[0])
