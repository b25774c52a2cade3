# SPDX-License-Identifier: ISC
"""Who is it for: names and their rules, groups, quotas, limits, relaying.

One server for all tests, set up by the commands that an administrator types;
what RCPT says is compared with what `ulak address` had said before.
"""
import base64
import email
import json
import os
import re
import shutil
import smtplib
import tempfile
from datetime import datetime

import pytest

from mua import compose, count, find, imap
from world import PASSWORD, Dns, Ulak, add_address, tls_context, wait_for

ADDRESS, OTHER, DNS, PRINTER = "192.0.2.8", "192.0.2.18", "192.0.2.58", "192.0.2.88"
JO, AL, ED, US = "jo@rcpt.example", "al@rcpt.example", "ed@rcpt.example", "user@rcpt.example"


class Server(Ulak):
    PORTS = dict(Ulak.PORTS, lmtp=24)

    def toml(self):
        return super().toml() + '\n[[listener]]\nservice = "mx"\naddress = "0.0.0.0"\nport = 2526\n'


@pytest.fixture(scope="module")
def servers():
    directory = tempfile.mkdtemp(prefix="ulak-rcpt.")
    os.chmod(directory, 0o755)
    dns = Dns(os.path.join(directory, "dns"), DNS)
    dns.zone(".", [])
    dns.zone("example.", [
        f"rcpt.example. IN MX 10 mx.rcpt.example.", f"mx.rcpt.example. IN A {ADDRESS}",
        f"other.example. IN MX 10 mx.other.example.", f"mx.other.example. IN A {OTHER}",
        "backup.example. IN MX 10 mx.other.example.", "backup.example. IN MX 20 mx.rcpt.example.",
        # nobody is there: what is for it waits
        "dead.example. IN MX 10 mx.dead.example.", "mx.dead.example. IN A 192.0.2.254"])
    dns.start()
    fast = ['retry_first = "1s"', 'retry_max = "2s"']
    ours = Server(directory + "/ours", "rcpt.example", ADDRESS, dns, extra={
        "outbound": fast, "relay": [f'networks = ["{PRINTER}/32"]'], "smtp": ["max_per_client = 10000"],
        "clients": [f'exempt = ["127.0.0.0/8", "{ADDRESS}", "{PRINTER}"]']})
    other = Ulak(directory + "/other", "other.example", OTHER, dns, extra={
        "outbound": fast, "smtp": ["max_per_client = 10000"]})
    add_address(PRINTER)
    for s in (ours, other):
        s.init()
        s.start()
    for address in (JO, AL, ED):
        ours.account(address)
    other.cli("domain", "add", "backup.example")
    other.account("known@backup.example")
    yield ours, other
    for s in (ours, other):
        s.stop()
    dns.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def ours(servers):
    return servers[0]


@pytest.fixture(scope="module")
def other(servers):
    return servers[1]


class Talk(smtplib.SMTP):
    """Plain at 25, or logged in at 465 when there is a user."""

    def __init__(self, server, user=None, source=None):
        self._user = user
        super().__init__(timeout=30, source_address=(source, 0) if source else None, local_hostname="client.example")
        if user:
            self._tls = tls_context()
        self.connect(server.address, 465 if user else 25)
        assert self.ehlo()[0] == 250
        if user:
            token = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
            assert self.docmd("AUTH", "PLAIN " + token)[0] == 235

    def _get_socket(self, host, port, timeout):
        sock = super()._get_socket(host, port, timeout)
        return self._tls.wrap_socket(sock) if self._user else sock

    def say(self, line):
        code, text = self.docmd(line)
        return f"{code} {text.decode()}"


def rcpts(server, sender, *addresses, user=None, size=None, source=None):
    """The replies to RCPT in one transaction."""
    with Talk(server, user, source) as t:
        reply = t.say(f"MAIL FROM:<{sender}>" + (f" SIZE={size}" if size else ""))
        assert reply.startswith("250"), reply
        return [t.say(f"RCPT TO:<{a}>") for a in addresses]


def deliver(server, sender, addresses, message, user=None, source=None):
    """All must be taken; the reply at the end of data."""
    with Talk(server, user, source) as t:
        assert t.say(f"MAIL FROM:<{sender}>").startswith("250")
        for a in addresses:
            reply = t.say(f"RCPT TO:<{a}>")
            assert reply.startswith("250"), (a, reply)
        code, text = t.data(message)
        return f"{code} {text.decode()}"


def send(server, sender, *addresses, user=None, source=None, body="hello\r\n"):
    """Sends, and returns the subject."""
    subject, message = compose(sender, addresses[0], body=body)
    reply = deliver(server, sender, addresses, message, user, source)
    assert reply.startswith("250 2.0.0"), reply
    return subject


def copies(server, user, subject):
    """How many of it are in the mailbox."""
    c = imap(server, user)
    c.select("INBOX", readonly=True)
    _, found = c.search(None, "SUBJECT", f'"{subject}"')
    c.logout()
    return len(found[0].split())


def address(server, name, *args):
    out = server.cli("address", name, "--json", *args, check=False)
    answer = json.loads(out.stdout)
    assert out.returncode == (0 if answer["code"] < 300 else 1)
    return answer


# -- names ----------------------------------------------------------------------------


def test_rules_of_a_domain(ours):
    ours.cli("domain", "add", "kept.example", "case=keep", "subaddress=none")
    ours.cli("domain", "add", "dash.example", "subaddress=-=")
    ours.cli("domain", "add", "all.example", f"catch-all={JO}")
    ours.cli("domain", "add", "twin.example", "kind=alias", "target=rcpt.example")
    ours.account("Jo@kept.example")
    ours.account("a-b@dash.example")
    ours.account("a@dash.example")
    ours.cli("alias", "add", "info@rcpt.example", JO)
    ours.cli("alias", "add", "info@rcpt.example", "far@other.example")
    wanted = {
        JO: 250, "JO@RCPT.example": 250, "jo+news@rcpt.example": 250, "jo+@rcpt.example": 250, "+x@rcpt.example": 550,
        "jo-x@rcpt.example": 550, '"jo"@rcpt.example': 250, '"jo x"@rcpt.example': 550, "nobody@rcpt.example": 550,
        "Jo@kept.example": 250, "jo@kept.example": 550, "Jo+x@kept.example": 550,
        "a-b@dash.example": 250, "a-b-c@dash.example": 250, "a=x@dash.example": 250, "a+x@dash.example": 550,
        "whoever@all.example": 250, "who+x@all.example": 250,
        "jo@twin.example": 250, "Jo+x@twin.example": 250, "info@twin.example": 250, "no@twin.example": 550,
        "info@rcpt.example": 250, "info+x@rcpt.example": 250,
        "x@other.example": 550, "x@[192.0.2.8]": 550}
    said = {a: address(ours, a)["code"] for a in wanted}
    assert said == wanted
    with Talk(ours) as t:
        t.say("MAIL FROM:<a@client.example>")
        heard = {a: int(t.say(f"RCPT TO:<{a}>")[:3]) for a in wanted}
    assert heard == wanted


def test_each_gets_it_where_it_belongs(ours, other):
    subject = send(ours, "a@client.example", "jo+x@twin.example", "whoever@all.example", "a-b-c@dash.example", "info@rcpt.example",
                   "Jo@kept.example")
    assert copies(ours, JO, subject) == 1
    assert copies(ours, "a-b@dash.example", subject) == 1
    assert copies(ours, "a@dash.example", subject) == 0
    assert copies(ours, "Jo@kept.example", subject) == 1


def whole(server, user, text):
    """The mail with that text, when it has come."""
    def look():
        c = imap(server, user)
        c.select("INBOX", readonly=True)
        _, found = c.search(None, "TEXT", f'"{text}"')
        got = [email.message_from_bytes(c.fetch(n, "(BODY.PEEK[])")[1][0][1]) for n in found[0].split()]
        c.logout()
        return got
    return wait_for(look, 30, text)[0]


def test_forwarded_mail_has_a_sender_of_ours(ours, other):
    """policy/srs: there, and back again, and not for who forges."""
    far = "user@other.example"
    ours.cli("alias", "add", "fw@rcpt.example", far)
    ours.cli("alias", "add", "gone@rcpt.example", "nobody@other.example")
    subject = send(ours, "anna@stranger.example", "fw@rcpt.example", body="as it was\r\n")
    found = whole(other, far, subject)
    sender = found["Return-Path"].strip("<>")
    assert re.fullmatch(r"SRS0=[a-z2-7]{6}=[a-z2-7]{2}=stranger\.example=anna@rcpt\.example", sender)
    assert found.get_payload().replace("\r", "") == "as it was\n"
    told = ours.cli_json("route", "fw@rcpt.example", "--sender", "anna@stranger.example")["steps"]
    who = [s for s in told if s["kind"] == "sender"][0]
    assert who["what"] == "srs" and who["address"] == sender
    # what fails further on comes back to whom it names; what is bent, to nobody
    bent = sender.replace("anna", "bert")
    good, bad, upper = rcpts(ours, "", sender, bent, sender.upper())
    assert good.startswith("250") and upper.startswith("250"), (good, upper)
    assert bad.startswith("550 5.1.1"), bad
    # our own report goes straight to the sender
    subject = send(ours, far, "gone@rcpt.example")
    report = whole(other, far, subject)
    assert report.get_content_type() == "multipart/report" and report["To"] == f"<{far}>"
    # a sender of ours, and a domain that does not want it
    assert whole(other, far, send(ours, US, "fw@rcpt.example", user=US))["Return-Path"] == f"<{US}>"
    ours.cli("domain", "set", "rcpt.example", "srs=off")
    assert ours.cli_json("domain", "show", "rcpt.example")["srs"] == "off"
    told = ours.cli_json("route", "fw@rcpt.example", "--sender", "anna@stranger.example")["steps"]
    assert [(s["what"], s["address"]) for s in told if s["kind"] == "sender"] == [("kept", "anna@stranger.example")]
    again = whole(other, far, send(ours, "anna@stranger.example", "fw@rcpt.example"))
    assert again["Return-Path"] == "<anna@stranger.example>"
    ours.cli("domain", "set", "rcpt.example", "srs=on")


def test_circles_are_refused_when_they_are_made(ours):
    ours.cli("alias", "add", "c1@rcpt.example", "c2@rcpt.example")
    out = ours.cli("alias", "add", "c2@rcpt.example", "c1@rcpt.example", check=False)
    assert out.returncode == 1 and "back to itself" in out.stderr
    ours.cli("group", "add", "g1@rcpt.example")
    ours.cli("group", "add", "g2@rcpt.example")
    ours.cli("group", "member", "add", "g1@rcpt.example", "g2@rcpt.example")
    out = ours.cli("group", "member", "add", "g2@rcpt.example", JO, "g1@rcpt.example", check=False)
    assert out.returncode == 1 and "g1@rcpt.example" in out.stderr
    assert ours.cli_json("group", "member", "list", "g2@rcpt.example") == []  # all or none


def test_always_reached(ours):
    """RFC 5321, 4.5.1; RFC 2142: whatever the domain's rules are."""
    ours.cli("domain", "add", "empty.example")
    ours.cli("domain", "add", "strict.example")
    ours.account("first@strict.example")
    ours.cli("group", "add", "postmaster@strict.example", "post=owner")
    ours.cli("account", "set", "first@strict.example", "quota=1")
    names = ["postmaster", "PostMaster", "postmaster@rcpt.example", "Postmaster@mx.rcpt.example", f"postmaster@[{ADDRESS}]",
             "abuse@rcpt.example", f"abuse@[{ADDRESS}]", "postmaster@twin.example", "abuse@kept.example",
             "postmaster@empty.example", "abuse@empty.example", "postmaster@strict.example", "abuse@strict.example"]
    for sender in ("", "a@client.example", "postmaster@rcpt.example"):
        for name, reply in zip(names, rcpts(ours, sender, *names, size=1000)):
            assert reply.startswith("250 2.1.5"), (sender, name, reply)
    assert rcpts(ours, "", "first@strict.example", size=1000)[0].startswith("452 4.2.2")
    before = count(ours, "first@strict.example")
    send(ours, "", "postmaster@strict.example", "abuse@strict.example", body="x" * 1000)
    assert count(ours, "first@strict.example") == before + 1


def test_postmaster_where_the_client_came_to(ours):
    """RFC 5321, 4.1.3: any address of ours, also behind a listener for all."""
    with smtplib.SMTP(PRINTER, 2526, timeout=30) as c:
        c.ehlo("client.example")
        c.mail("a@client.example")
        assert c.rcpt(f"postmaster@[{PRINTER}]")[0] == 250
        assert c.rcpt(f"abuse@[{PRINTER}]")[0] == 250
        assert c.rcpt("postmaster@[198.51.100.1]")[0] == 550
        assert c.rcpt(f"jo@[{PRINTER}]")[0] == 550


def test_disabled_account(ours):
    ours.account("off@rcpt.example")
    ours.cli("account", "disable", "off@rcpt.example")
    assert rcpts(ours, "a@client.example", "off@rcpt.example")[0].startswith("550 5.2.1")
    ours.cli("account", "enable", "off@rcpt.example")
    assert rcpts(ours, "a@client.example", "off@rcpt.example")[0].startswith("250")


def test_mailbox_of_another_owner(ours):
    """RFC 7293: refused when the account is younger than the sender's knowledge."""
    with Talk(ours) as t:
        assert t.has_extn("rrvs")
        t.say("MAIL FROM:<a@client.example>")
        assert t.say(f"RCPT TO:<{JO}> RRVS=2001-01-01T00:00:00Z").startswith("550 5.7.17")
        assert t.say(f"RCPT TO:<{JO}> RRVS=2099-01-01T00:00:00Z").startswith("250")
        assert t.say("RCPT TO:<postmaster@rcpt.example> RRVS=2001-01-01T00:00:00Z").startswith("250")


# -- groups ---------------------------------------------------------------------------


def test_group_reaches_each_once(ours, other):
    ours.cli("group", "add", "crew@rcpt.example", "name=The crew")
    ours.cli("group", "add", "sub@rcpt.example")
    ours.cli("group", "member", "add", "sub@rcpt.example", "ed+x@rcpt.example", "jo@twin.example", "nobody@rcpt.example")
    ours.cli("group", "member", "add", "crew@rcpt.example", JO, AL, "sub@rcpt.example", "user@other.example")
    subject = send(ours, "a@client.example", "crew@rcpt.example", JO)
    for user in (JO, AL, ED):
        assert copies(ours, user, subject) == 1
    mail = find(other, "user@other.example", subject)
    assert re.match(rb"Return-Path: <SRS0=\w+=\w+=client\.example=a@rcpt\.example>", mail)
    answer = address(ours, "crew@rcpt.example")
    assert [t["what"] for t in answer["targets"]].count("mailbox") == 3
    assert any(s["what"] == "nobody" and s["address"] == "nobody@rcpt.example" for s in answer["steps"])


def test_owner_hears_of_failures(ours, other):
    ours.cli("group", "add", "news@rcpt.example", f"owner={ED}", "post=domain")
    ours.cli("group", "member", "add", "news@rcpt.example", "user@other.example", "gone@other.example")
    assert rcpts(ours, "a@client.example", "news@rcpt.example")[0].startswith("550 5.7.2")
    # who says that he is one of ours has not logged in
    assert rcpts(ours, JO, "news@rcpt.example")[0].startswith("550 5.7.2")
    subject = send(ours, JO, "news@rcpt.example", user=JO)
    assert find(other, "user@other.example", subject).startswith(b"Return-Path: <owner-news@rcpt.example>")
    bounce = find(ours, ED, "could not be delivered", seconds=30)
    assert b"gone@other.example" in bounce
    assert copies(ours, JO, "could not be delivered") == 0
    for name in ("owner-news", "news-owner", "news-request"):
        assert rcpts(ours, "", name + "@rcpt.example")[0].startswith("250")


def test_a_list_is_the_end_of_the_way(ours, other):
    """RFC 3461, 5.2.7.1: success is "delivered", and nothing that was asked for goes to the members."""
    ours.cli("group", "add", "dsn@rcpt.example", f"owner={ED}")
    ours.cli("group", "member", "add", "dsn@rcpt.example", "user@other.example", "gone@other.example", JO)
    subject, message = compose(JO, "dsn@rcpt.example")
    with Talk(ours, JO) as t:
        assert t.say(f"MAIL FROM:<{JO}> RET=FULL ENVID=to-the-list").startswith("250")
        assert t.say("RCPT TO:<dsn@rcpt.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@rcpt.example").startswith("250")
        assert t.data(message)[0] == 250
    told = find(ours, JO, "has arrived")
    assert b"to-the-list" in told and b"Action: delivered" in told and b"rfc822; first@" in told, told.decode()
    find(other, "user@other.example", subject)

    def owners():
        c = imap(ours, ED)
        c.select("INBOX", readonly=True)
        _, found = c.search(None, "TEXT", f'"{subject}"')
        got = found[0].split() and c.fetch(found[0].split()[0], "(BODY.PEEK[])")[1][0][1]
        c.logout()
        return got

    bounce = wait_for(owners, 30, "the owner's bounce")
    assert b"gone@other.example" in bounce and b"Original-" not in bounce and b"text/rfc822-headers" in bounce, bounce.decode()


def test_who_may_post(ours):
    ours.cli("group", "add", "board@rcpt.example", f"owner={ED}", "post=members")
    ours.cli("group", "member", "add", "board@rcpt.example", JO, "friend@client.example")
    cases = [("friend@client.example", None, "250"), ("x@client.example", None, "550"), (JO, None, "550"), (JO, JO, "250"),
             (AL, AL, "550"), ("", None, "550")]
    for sender, user, code in cases:
        assert rcpts(ours, sender, "board@rcpt.example", user=user)[0].startswith(code), (sender, user)
    ours.cli("group", "set", "board@rcpt.example", "post=owner")
    assert rcpts(ours, ED, "board@rcpt.example", user=ED)[0].startswith("250")
    assert rcpts(ours, JO, "board@rcpt.example", user=JO)[0].startswith("550 5.7.2")


def test_six_hundred_members(ours, tmp_path):
    """More than one transaction takes: worked off behind the 250, through a
    death of the store, nobody missed and nobody twice."""
    members = [f"m{i}@dead.example" for i in range(600)] + [JO, "jo+x@rcpt.example", "sub@rcpt.example"]
    path = tmp_path / "members"
    path.write_text("# the long list\n\n" + "\n".join(members) + "\n")
    ours.cli("group", "add", "long@rcpt.example")
    assert "603 added" in ours.cli("group", "member", "import", "long@rcpt.example", str(path)).stdout
    assert "0 added, 603 were there" in ours.cli("group", "member", "import", "long@rcpt.example", str(path)).stdout
    assert ours.cli_json("group", "show", "long@rcpt.example")["members"] == 603
    assert address(ours, "long@rcpt.example")["targets"][0]["what"] == "list"
    subject = send(ours, "a@client.example", "long@rcpt.example", AL)
    ours.kill_role("store")

    def rows():
        out = ours.cli("queue", "list", "--json", "--route", "dead.example", "--limit", "5000", check=False)
        return json.loads(out.stdout) if out.returncode == 0 else []
    wait_for(lambda: len(rows()) >= 600, 60, "the members' rows")
    # what is an end: one more look changes nothing
    found = sorted(r["recipient"] for r in rows())
    assert found == sorted(m for m in members if "dead" in m)
    wait_for(lambda: copies(ours, ED, subject) == 1, 20, "the list within")
    assert copies(ours, JO, subject) == 1 and copies(ours, AL, subject) == 1
    ours.cli("queue", "delete", "--route", "dead.example", "--yes")


# -- quota ----------------------------------------------------------------------------


def test_quota(ours):
    ours.account("tiny@rcpt.example")
    ours.cli("account", "set", "tiny@rcpt.example", "quota=4KiB")
    assert rcpts(ours, "a@client.example", "tiny@rcpt.example", size=100)[0].startswith("250")
    reply = rcpts(ours, "a@client.example", "tiny@rcpt.example", size=100000)[0]
    assert reply.startswith("452 4.2.2"), reply
    # not said how large: found out at the end
    _, big = compose("a@client.example", "tiny@rcpt.example", subject="too-big", body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 100)
    reply = deliver(ours, "a@client.example", ["tiny@rcpt.example"], big)
    assert reply.startswith("452 4.2.2"), reply
    # nobody who has room goes without for who is full: that one waits
    reply = deliver(ours, "a@client.example", ["tiny@rcpt.example", JO], big)
    assert reply.startswith("250"), reply
    assert copies(ours, JO, "too-big") == 1 and copies(ours, "tiny@rcpt.example", "too-big") == 0
    assert [r for r in ours.cli_json("queue", "list") if r["recipient"] == "tiny@rcpt.example"]
    # one who is a member only is nobody else's affair: it waits
    ours.cli("group", "add", "some@rcpt.example")
    ours.cli("group", "member", "add", "some@rcpt.example", "tiny@rcpt.example", AL)
    subject = send(ours, "a@client.example", "some@rcpt.example", body=("z" * 70 + "\r\n") * 100)
    assert copies(ours, AL, subject) == 1 and copies(ours, "tiny@rcpt.example", subject) == 0
    assert [r for r in ours.cli_json("queue", "list") if r["recipient"] == "tiny@rcpt.example"]
    ours.cli("account", "set", "tiny@rcpt.example", "quota=none")
    find(ours, "tiny@rcpt.example", subject, seconds=60)
    find(ours, "tiny@rcpt.example", "too-big", seconds=60)


def test_quota_of_a_domain(ours):
    ours.cli("domain", "add", "quota.example", "quota=1000")
    ours.account("a@quota.example")
    assert ours.cli_json("account", "show", "a@quota.example")["quota"] == 1000
    assert rcpts(ours, "", "a@quota.example", size=1001)[0].startswith("452 4.2.2")


def test_lmtp_leaves_out_who_is_full(ours):
    """RFC 2033, 4.2: each for himself."""
    ours.account("little@rcpt.example")
    ours.cli("account", "set", "little@rcpt.example", "quota=2KiB")
    with smtplib.LMTP(ours.address, 24, timeout=30) as c:
        c.ehlo("client.example")  # says LHLO
        assert c.docmd("MAIL", "FROM:<a@client.example>")[0] == 250
        names = [JO, "little@rcpt.example", AL]
        for name in names:
            assert c.docmd("RCPT", f"TO:<{name}>")[0] == 250
        assert c.docmd("DATA")[0] == 354
        c.send(b"Subject: lmtp-full\r\n\r\n" + b"x" * 70 + (b"\r\n" + b"y" * 70) * 60 + b"\r\n.\r\n")
        replies = [c.getreply() for _ in names]
    assert [r[0] for r in replies] == [250, 452, 250], replies
    assert replies[1][1].startswith(b"4.2.2")
    assert [copies(ours, n, "lmtp-full") for n in names] == [1, 0, 1]


# -- who may send ---------------------------------------------------------------------


def mail_reply(server, sender, user):
    with Talk(server, user) as t:
        return t.say(f"MAIL FROM:<{sender}>")


def test_senders_of_a_login(ours):
    for sender in (JO, "JO@rcpt.example", "jo+list@rcpt.example", "info@rcpt.example", "jo@twin.example", ""):
        assert mail_reply(ours, sender, JO).startswith("250"), sender
    for sender in (AL, "nobody@rcpt.example", "x@other.example", "postmaster@rcpt.example", "crew@rcpt.example",
                   "whoever@all.example"):
        reply = mail_reply(ours, sender, JO)
        assert reply.startswith("553 5.7.1"), (sender, reply)
        assert JO in reply and "info@rcpt.example" in reply
    ours.cli("account", "send-as", "add", JO, "x@other.example")
    ours.cli("account", "send-as", "add", JO, "@all.example")
    assert mail_reply(ours, "x@other.example", JO).startswith("250")
    assert mail_reply(ours, "whoever@all.example", JO).startswith("250")
    assert "x@other.example" in mail_reply(ours, AL, JO)
    ours.cli("account", "send-as", "remove", JO, "x@other.example")
    assert mail_reply(ours, "x@other.example", JO).startswith("553")
    assert ours.cli("account", "send-as", "add", JO, "@other.example", check=False).returncode == 1


def test_limit_of_an_account_survives_a_restart(ours):
    ours.account("busy@rcpt.example")
    busy = "busy@rcpt.example"
    ours.cli("account", "set", busy, "messages-per-hour=2", "recipients-per-day=5")
    send(ours, busy, JO, user=busy)
    send(ours, busy, JO, AL, user=busy)
    reply = mail_reply(ours, busy, busy)
    assert reply.startswith("452 4.7.1") and re.search(r"again at \d{4}-\d\d-\d\dT", reply), reply
    shown = ours.cli_json("account", "show", busy)
    assert shown["messages_last_hour"] == 2 and shown["recipients_last_day"] == 3 and shown["messages_per_hour"] == 2
    ours.stop()
    ours.start()
    assert mail_reply(ours, busy, busy).startswith("452 4.7.1")
    assert mail_reply(ours, AL, AL).startswith("250")  # nobody else's affair
    ours.cli("account", "set", busy, "messages-per-hour=none")
    replies = rcpts(ours, busy, JO, AL, ED, user=busy)
    assert [r[:3] for r in replies] == ["250", "250", "452"], replies
    ours.cli("account", "set", busy, "recipients-per-day=default")
    assert rcpts(ours, busy, JO, AL, ED, user=busy)[2].startswith("250")


def test_limit_of_a_domain(ours):
    ours.cli("domain", "add", "slow.example", "messages-per-day=1")
    ours.account("a@slow.example")
    ours.account("b@slow.example")
    send(ours, "a@slow.example", JO, user="a@slow.example")
    reply = mail_reply(ours, "b@slow.example", "b@slow.example")
    assert reply.startswith("452 4.7.1") and "domain" in reply, reply
    # who mails there without a login is not counted
    assert rcpts(ours, "x@client.example", "b@slow.example")[0].startswith("250")
    assert "event=sending-limit" in ours.log()


# -- passed on ------------------------------------------------------------------------


def test_networks_that_relay(ours, other):
    subject = send(ours, JO, "user@other.example", source=PRINTER)
    find(other, "user@other.example", subject)
    assert rcpts(ours, "", "user@other.example", source=PRINTER)[0].startswith("250")
    # only as one of ours, and only from there
    assert rcpts(ours, "x@client.example", "user@other.example", source=PRINTER)[0].startswith("550 5.7.1")
    assert rcpts(ours, JO, "user@other.example")[0].startswith("550 5.7.1")
    assert rcpts(ours, "x@client.example", JO, source=PRINTER)[0].startswith("250")


def test_backup_of_a_domain(ours, other):
    assert rcpts(ours, "a@client.example", "known@backup.example")[0].startswith("550 5.7.1")
    ours.cli("domain", "add", "backup.example", "kind=relay")
    ours.cli("domain", "rcpt", "add", "backup.example", "known")
    heard = rcpts(ours, "a@client.example", "known@backup.example", "Known+x@backup.example", "unknown@backup.example",
                  "postmaster@backup.example")
    assert [r[:9] for r in heard] == ["250 2.1.5", "250 2.1.5", "550 5.1.1", "250 2.1.5"]
    # to the better MX, and not back to ourselves
    subject = send(ours, "a@client.example", "known@backup.example")
    assert find(other, "known@backup.example", subject).startswith(b"Return-Path: <a@client.example>")
    ours.cli("domain", "rcpt", "add", "backup.example", "*")
    assert rcpts(ours, "a@client.example", "unknown@backup.example")[0].startswith("250")
    ours.cli("domain", "rcpt", "remove", "backup.example", "*")
    assert rcpts(ours, "a@client.example", "unknown@backup.example")[0].startswith("550 5.1.1")


def test_backup_waits_longer(ours, other):
    other.stop()
    try:
        subject = send(ours, "a@client.example", "known@backup.example")
        row = [r for r in ours.cli_json("queue", "list") if r["recipient"] == "known@backup.example"][0]
        shown = ours.cli_json("queue", "show", row["id"])[0]
        days = (datetime.fromisoformat(shown["expires"].replace("Z", "+00:00")) -
                datetime.fromisoformat(shown["created"].replace("Z", "+00:00"))).days
        assert days == 14, days
    finally:
        other.start()
    find(other, "known@backup.example", subject, seconds=30)


def test_routes_of_a_relay_domain(ours, other):
    """Where the MX do not lead: the target does."""
    ours.cli("domain", "add", "inner.example", "kind=relay", "target=mx.other.example")
    ours.cli("domain", "rcpt", "add", "inner.example", "*")
    other.cli("domain", "add", "inner.example")
    other.account("in@inner.example")
    subject = send(ours, "a@client.example", "in@inner.example")
    find(other, "in@inner.example", subject)


def test_it_is_all_in_order(ours):
    out = ours.cli("verify")
    assert out.returncode == 0, out.stdout
