# SPDX-License-Identifier: ISC
"""A mail's whole way over two servers with real DNS, and what it carries."""
import email
import os
import re
import smtplib

import pytest

from mua import compose, find, imap, inject, pop3, submit
from world import PASSWORD, tls_context, wait_for


def test_submission_relay_delivery(one, two):
    subject, message = compose("user@one.example", "user@two.example")
    text = submit(one, "user@one.example", ["user@two.example"], message)
    got = find(two, "user@two.example", subject)
    assert re.match(r"2\.0\.0 [0-9A-Z]{26}", text)
    assert got.startswith(b"Return-Path: <user@one.example>\r\n")
    parsed = email.message_from_bytes(got)
    received = parsed.get_all("Received")
    assert len(received) == 2
    assert "by mx.two.example with ESMTPS" in " ".join(received[0].split())
    assert "with ESMTPSA" in " ".join(received[1].split())
    assert text.split()[1] in received[1]
    assert parsed["Date"] and parsed["Message-ID"]
    assert got.endswith(b"\r\n\r\nhello\r\n")


def test_local_delivery_is_there_at_250(one):
    subject, message = compose("user@one.example", "user@one.example")
    submit(one, "user@one.example", ["user@one.example"], message)
    find(one, "user@one.example", subject, seconds=0)


def test_one_mail_to_local_and_remote_recipients(one, two):
    one.account("second@one.example")
    subject, message = compose("user@one.example", "user@two.example")
    submit(one, "user@one.example", ["user@one.example", "second@one.example", "user@two.example"], message)
    bodies = [find(one, "user@one.example", subject), find(one, "second@one.example", subject),
              find(two, "user@two.example", subject)]
    assert all(b.endswith(b"\r\n\r\nhello\r\n") for b in bodies)


def test_imap_and_pop3_give_the_same_bytes(one):
    subject, message = compose("user@one.example", "user@one.example", body="a\r\n.\r\n..b\r\n.c\r\n\r\n")
    submit(one, "user@one.example", ["user@one.example"], message)
    by_imap = find(one, "user@one.example", subject)
    c = pop3(one, "user@one.example")
    by_pop3 = b"".join(line + b"\r\n" for line in c.retr(c.stat()[0])[1])
    c.quit()
    assert by_imap == by_pop3
    assert by_imap.endswith(b"\r\n\r\na\r\n.\r\n..b\r\n.c\r\n\r\n")


def test_bounce_reaches_the_sender(one):
    subject, message = compose("user@one.example", "nobody@two.example")
    submit(one, "user@one.example", ["nobody@two.example"], message)

    def bounce():
        c = imap(one, "user@one.example")
        c.select("INBOX")
        _, found = c.search(None, "FROM", "MAILER-DAEMON", "TEXT", subject)
        data = c.fetch(found[0].split()[-1], "(BODY.PEEK[])")[1][0][1] if found[0] else None
        c.logout()
        return data
    raw = wait_for(bounce, what="the bounce")
    m = email.message_from_bytes(raw)
    assert raw.startswith(b"Return-Path: <>\r\n")
    assert m.get_content_type() == "multipart/report"
    assert m.get_param("report-type") == "delivery-status"
    status = m.get_payload(1)
    assert status.get_content_type() == "message/delivery-status"
    per_rcpt = status.get_payload()[1]
    assert per_rcpt["Final-Recipient"].replace(" ", "") == "rfc822;nobody@two.example"
    assert per_rcpt["Action"] == "failed"
    assert per_rcpt["Status"] == "5.1.1"
    assert "550" in per_rcpt["Diagnostic-Code"]


def test_no_relay_for_strangers(one):
    with smtplib.SMTP(one.address, 25, timeout=30) as c:
        c.ehlo("client.example")
        c.mail("a@client.example")
        assert c.rcpt("user@two.example")[0] in (550, 554)
        assert c.rcpt("nobody@one.example")[0] == 550
        assert c.rcpt("user@one.example")[0] == 250


def test_submission_wants_a_login_and_its_own_sender(one):
    with smtplib.SMTP(one.address, 587, timeout=30) as c:
        c.ehlo("client.example")
        assert c.mail("user@one.example")[0] == 530
    with smtplib.SMTP(one.address, 587, timeout=30) as c:
        c.starttls(context=tls_context())
        with pytest.raises(smtplib.SMTPAuthenticationError) as e:
            c.login("user@one.example", "wrong")
        assert e.value.smtp_code == 535
        c.login("user@one.example", PASSWORD)
        code = c.mail("somebody@else.example")[0]
        if code == 250:
            code = c.rcpt("user@two.example")[0]
        assert code in (550, 553, 554)


def test_no_auth_before_tls(one):
    with smtplib.SMTP(one.address, 587, timeout=30) as c:
        c.ehlo("client.example")
        assert not c.has_extn("auth") and c.has_extn("starttls")
        assert c.docmd("AUTH", "PLAIN AGEAYg==")[0] in (503, 504, 530, 538)
    with smtplib.SMTP(one.address, 25, timeout=30) as c:
        c.starttls(context=tls_context())
        c.ehlo("client.example")
        assert not c.has_extn("auth")


def test_alias(one, two):
    one.cli("alias", "add", "sales@one.example", "user@two.example")
    subject, message = compose("user@one.example", "sales@one.example")
    inject(one, "user@one.example", "sales@one.example", message)
    find(two, "user@two.example", subject)


def test_tls_versions_and_names(one):
    import socket
    import ssl
    for name, version in (("TLSv1.2", ssl.TLSVersion.TLSv1_2), ("TLSv1.3", ssl.TLSVersion.TLSv1_3)):
        context = tls_context()
        context.minimum_version = context.maximum_version = version
        with socket.create_connection((one.address, 993), 10) as raw:
            with context.wrap_socket(raw, server_hostname="mx.one.example") as s:
                assert s.version() == name
                assert s.recv(100).startswith(b"* OK")
    context = tls_context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection((one.address, 993), 10) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(raw, server_hostname="mx.one.example")


def test_trace_tells_the_way(one, two):
    subject, message = compose("user@one.example", "user@two.example")
    text = submit(one, "user@one.example", ["user@two.example"], message)
    find(two, "user@two.example", subject)
    def told():
        lines = one.cli("trace", text.split()[1]).stdout
        return "delivered" in lines and "user@two.example" in lines and "mx.two.example" in lines
    wait_for(told, what=lambda: "the delivery: " + one.cli("trace", text.split()[1]).stdout)


def test_8bit_and_long_lines_arrive_unchanged(one, two):
    body = "caf\u00e9 \u2013 \u4e2d\u6587\r\n" + "x" * 998 + "\r\n" + "y" * 5000 + "\r\n"
    subject, head = compose("user@one.example", "user@two.example", body="")
    message = head + body.encode()
    submit(one, "user@one.example", ["user@two.example"], message)
    assert find(two, "user@two.example", subject).endswith(body.encode())


def test_ten_megabytes(one, two):
    subject, head = compose("user@one.example", "user@two.example", body="")
    body = b"".join(b"%08d %s\r\n" % (i, b"z" * 60) for i in range(140000))
    submit(one, "user@one.example", ["user@two.example"], head + body)
    assert find(two, "user@two.example", subject, seconds=60).endswith(body)


def test_roles_come_in_turn(one):
    """Each is started as SCHED_BATCH (decision 0053), and so are its threads."""
    roles = one.roles()
    assert {"store", "courier", "mx", "user"} <= set(roles)
    for role, pids in roles.items():
        for pid in pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                assert os.sched_getscheduler(int(task)) == os.SCHED_BATCH, role
