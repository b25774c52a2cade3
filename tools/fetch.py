#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""fetch.py imap|pop3 HOST PORT USER PASSWORD - prints the newest message.

The reader's side of `./run`: Python's own clients over TLS (the certificate is
self-signed, so it is not verified). Ends with 1 when the mailbox is empty.
"""
import imaplib
import poplib
import ssl
import sys


def by_imap(host, port, user, password, context):
    box = imaplib.IMAP4_SSL(host, port, ssl_context=context)
    box.login(user, password)
    _, found = box.select("INBOX", readonly=True)
    n = int(found[0])
    if n == 0:
        return None
    _, parts = box.fetch(str(n), "(BODY.PEEK[])")
    box.logout()
    return parts[0][1]


def by_pop3(host, port, user, password, context):
    box = poplib.POP3_SSL(host, port, context=context)
    box.user(user)
    box.pass_(password)
    n = box.stat()[0]
    if n == 0:
        return None
    lines = box.retr(n)[1]
    box.quit()
    return b"\r\n".join(lines) + b"\r\n"


def main():
    protocol, host, port, user, password = sys.argv[1:]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    get = by_imap if protocol == "imap" else by_pop3
    message = get(host, int(port), user, password, context)
    if message is None:
        sys.exit(1)
    sys.stdout.buffer.write(message)


main()
