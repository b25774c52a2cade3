# SPDX-License-Identifier: ISC
"""What a server tells and offers by its settings: VRFY, EXPN, extensions that
are withheld of a service, LMTP beside SMTP."""
import os
import smtplib

import pytest

from mua import find
from test_smtp_extensions import Talk
from world import wait_for


def test_vrfy_tells_what_rcpt_would(told):
    t = Talk(told, 25)
    assert t.say("VRFY user@told.example", 250) == "250 2.1.5 <user@told.example>\r\n"
    t.say("VRFY <team@told.example>", 250)
    t.say("VRFY nobody@told.example", 550)
    t.say("VRFY user", 252)
    t.say("EXPN team@told.example", 252)
    # and leaves the transaction as it was
    t.say("MAIL FROM:<a@client.example>", 250)
    t.say("VRFY nobody@told.example", 550)
    t.say("DATA", 503)
    t.say("RCPT TO:<user@told.example>", 250)
    t.say("VRFY bob@told.example", 250)
    t.say("DATA", 354)
    t.say("Subject: vrfy-e2e\r\n\r\nx\r\n.", 250)
    find(told, "user@told.example", "vrfy-e2e")
    with pytest.raises(AssertionError):
        find(told, "bob@told.example", "vrfy-e2e", seconds=0)


def test_expn_tells_who_logged_in(told):
    t = Talk(told, 465, tls=True)
    t.say("EXPN team@told.example", 252)
    t.login("user@told.example")
    lines = t.say("EXPN team@told.example", 250).splitlines()
    assert sorted(x[4:] for x in lines) == ["2.1.5 <bob@told.example>", "2.1.5 <user@told.example>"]
    assert [x[3] for x in lines] == ["-", " "]
    t.say("EXPN nobody@told.example", 550)
    t.say("EXPN team", 553)


def test_withheld_of_one_service(told):
    t = Talk(told, 25)
    offers = t.say("EHLO client.example", 250)
    assert "CHUNKING" in offers and "DSN" not in offers
    t.say("MAIL FROM:<a@client.example> RET=HDRS", 555)
    with smtplib.LMTP(told.address, 24, timeout=30) as c:
        code, offers = c.ehlo("client.example")
        assert code == 250 and b"CHUNKING" in offers and b"DSN" not in offers
    with smtplib.SMTP(told.address, 587, timeout=30) as c:
        assert b"DSN" in c.ehlo("client.example")[1]


def test_lmtp_answers_each_and_relays_nothing(told):
    with smtplib.LMTP(told.address, 24, timeout=30) as c:
        assert c.docmd("EHLO", "client.example")[0] == 500
        assert c.docmd("HELO", "client.example")[0] == 500
        c.ehlo("client.example")
        c.mail("a@client.example")
        assert c.docmd("DATA")[0] == 503
        # SMTP would relay for this network
        assert c.rcpt("who@elsewhere.example")[0] == 550
        assert c.docmd("DATA")[0] == 503
        for name in ("user", "bob"):
            assert c.rcpt(name + "@told.example")[0] == 250
        assert c.docmd("DATA")[0] == 354
        c.send(b"Subject: lmtp-each\r\n\r\nx\r\n.\r\n")
        assert [c.getreply()[0] for _ in range(2)] == [250, 250]
        # refused as a whole: said to each
        c.mail("a@client.example")
        for name in ("user", "bob"):
            assert c.rcpt(name + "@told.example")[0] == 250
        c.docmd("DATA")
        c.send(b"Subject: lmtp-bad\r\n\r\nx\ny\r\n.\r\n")
        assert [c.getreply()[0] for _ in range(2)] == [554, 554]
        assert c.noop()[0] == 250


def test_lmtp_answers_each_when_the_store_is_lost(told):
    with smtplib.LMTP(told.address, 24, timeout=30) as c:
        c.ehlo("client.example")
        c.mail("a@client.example")
        for name in ("user", "bob"):
            assert c.rcpt(name + "@told.example")[0] == 250
        c.docmd("DATA")
        c.send(b"Subject: lmtp-lost\r\n\r\nx\r\n")
        told.kill_role("store")
        c.send(b".\r\n")
        assert [c.getreply()[0] for _ in range(2)] == [451, 451]
        assert c.noop()[0] == 250
    # whose server this is, too, has it back
    t = Talk(told, 25)
    wait_for(lambda: t.ask("VRFY user@told.example").startswith("250"), what="the next store")


def test_lmtp_is_not_for_port_25(told):
    path = os.path.join(told.dir, "lmtp25.toml")
    with open(path, "w") as f:
        f.write(told.toml().replace("port = 24", "port = 25"))
    out = told.cli("config", "check", "-c", path, check=False)
    assert out.returncode != 0 and "2033" in out.stdout + out.stderr
