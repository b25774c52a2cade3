# SPDX-License-Identifier: ISC
"""Sending to servers that misbehave: nothing lost, nothing bounced twice.

Every class below is a receiver with a domain of its own, and says with
`expect` what has to become of a mail to it: delivered (one copy, nothing left
in the queue, no bounce), bounced (one bounce with that status, no copy), kept
(in the queue with that reason, no bounce). All mails are sent at the start;
each test waits for its own."""
import email
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

import lies
import strict_dsn
from mua import compose, imap, inject, submit
from receivers import CASES, Receiver, case
from world import Dns, PATIENCE, Ulak, soon, wait_for

USER = "user@box.example"
N_DEAD = 250


@case("delivered")
class Good(Receiver):
    pass


# -- the greeting

@case("kept", "554.*not today")
class Greets554(Receiver):
    def greet(self, c):
        c.say("554 5.7.1 not today")
        c.line()
        c.hang_up()


@case("delivered")
class Greets421Once(Receiver):
    def greet(self, c):
        if c.number == 1:
            c.say("421 4.3.2 too busy")
            c.hang_up()
        super().greet(c)


@case("kept", "no greeting in time")
class GreetsNever(Receiver):
    def greet(self, c):
        c.silence()


@case("kept", "does not speak SMTP|out of step")
class GreetsWithGarbage(Receiver):
    def greet(self, c):
        c.raw(bytes(range(256)) * 20)
        c.silence()


@case("kept", "does not speak SMTP")
class GreetsLikeImap(Receiver):
    def greet(self, c):
        c.say("* OK IMAP4rev1 here")
        c.silence()


@case("kept", "closed")
class GreetsByHangingUp(Receiver):
    def greet(self, c):
        c.hang_up()


@case("kept", "closed|lost|cannot connect")
class GreetsByReset(Receiver):
    def greet(self, c):
        c.reset_connection()


@case("delivered")
class GreetsInManyLines(Receiver):
    def greet(self, c):
        c.say("220-a", "220-b", "220-", "220 c ESMTP")


@case("delivered")
class GreetsOctetByOctet(Receiver):
    def greet(self, c):
        for byte in b"220-slow\r\n220 server\r\n":
            c.raw(bytes([byte]))
            time.sleep(0.02)


@case("kept", "too long")
class GreetsEndlessly(Receiver):
    def greet(self, c):
        while True:
            c.say("220-and another thing")


@case("kept", "too long")
class GreetsWithALongLine(Receiver):
    def greet(self, c):
        c.say("220 " + "x" * 100000)
        c.silence()


@case("kept", "does not speak SMTP")
class EndsLinesInLf(Receiver):
    def greet(self, c):
        c.raw(b"220 lf\n")
        c.silence()


# -- EHLO and HELO

@case("delivered")
class KnowsNoEhlo(Receiver):
    def on_ehlo(self, c, line):
        c.say("502 5.5.1 what is that?")

    def on_mail(self, c, line):
        assert b" " not in line[10:], line  # no parameters after HELO
        super().on_mail(c, line)


@case("delivered")
class RefusesEhloForNow(Receiver):
    def on_ehlo(self, c, line):
        if c.number == 1:
            c.say("451 4.3.0 later")
        else:
            super().on_ehlo(c, line)


@case("kept", "550.*who are you")
class RefusesBothHellos(Receiver):
    def on_ehlo(self, c, line):
        c.say("550 5.7.1 who are you?")

    on_helo = on_ehlo


@case("delivered")
class OffersNothing(Receiver):
    extensions = []


@case("delivered")
class OffersOddThings(Receiver):
    extensions = ["", "SIZE", "SIZE x", "X-" + "y" * 400, "pipelining", "AUTH=LOGIN", "8bitMIME"]


@case("delivered")
class HangsUpAtEhloOnce(Receiver):
    def on_ehlo(self, c, line):
        if c.number == 1:
            c.hang_up()
        super().on_ehlo(c, line)


# -- STARTTLS

def certificate(directory):
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=other.example", "-days", "2", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@case("delivered")
class SpeaksTls(Receiver):
    wants_tls = True

    def on_mail(self, c, line):
        assert c.has_tls
        super().on_mail(c, line)


@case("delivered")
class RefusesStarttls(Receiver):
    extensions = ["PIPELINING", "STARTTLS"]

    def on_starttls(self, c, line):
        c.say("454 4.7.0 not now")


@case("delivered")
class BreaksTheHandshake(Receiver):
    extensions = ["STARTTLS"]

    def on_starttls(self, c, line):
        c.say("220 2.0.0 go")
        c.raw(b"this is no TLS\r\n")
        c.hang_up()


@case("delivered")
class HangsInTheHandshake(Receiver):
    extensions = ["STARTTLS"]

    def on_starttls(self, c, line):
        c.say("220 2.0.0 go")
        c.silence()


@case("delivered")
class HangsUpAtStarttls(Receiver):
    extensions = ["STARTTLS"]

    def on_starttls(self, c, line):
        c.hang_up()


@case("delivered")
class HangsUpInsideTls(Receiver):
    wants_tls = True

    def on_ehlo(self, c, line):
        if c.has_tls:
            c.hang_up()
        super().on_ehlo(c, line)


@case("delivered")
class InjectsBehindStarttls(Receiver):
    extensions = ["STARTTLS"]

    def on_starttls(self, c, line):
        c.say("220 2.0.0 go", "250 2.0.0 you are logged in")
        c.silence()


# -- the envelope

@case("delivered")
class RefusesMailForNow(Receiver):
    def on_mail(self, c, line):
        if self.count_of("MAIL") == 1:
            c.say("450 4.7.1 greylisted")
        else:
            super().on_mail(c, line)


@case("bounced", "5.7.1")
class RefusesMail(Receiver):
    def on_mail(self, c, line):
        c.say("550-5.7.1 not from you", "550 5.7.1 nor ever")


@case("delivered")
class GreylistsRcpt(Receiver):
    def judge(self, c, rcpt):
        return "450 4.2.0 come again" if self.count_of("RCPT") == 1 else "250 2.1.5 ok"


@case("bounced", "5.1.1")
class RefusesRcpt(Receiver):
    def judge(self, c, rcpt):
        return "550 5.1.1 nobody"


@case("bounced", "5.0.0")
class RefusesRcptWithoutCode(Receiver):
    extensions = []

    def judge(self, c, rcpt):
        return "550 nobody"


@case("delivered")
class AnswersRcptWith251(Receiver):
    def judge(self, c, rcpt):
        return "251 2.1.5 will forward"


@case("delivered")
class Says421AtRcptOnce(Receiver):
    def judge(self, c, rcpt):
        if c.number == 1:
            c.say("421 4.3.2 going down")
            c.hang_up()
        return "250 2.1.5 ok"


@case("bounced", "5.3.4")
class TakesLittle(Receiver):
    extensions = ["SIZE 100"]


@case("bounced", "5.3.4")
class RefusesSizeAtMail(Receiver):
    def on_mail(self, c, line):
        assert b"SIZE=" in line
        c.say("552 5.3.4 too big")


@case("delivered")
class HangsUpAtRcptOnce(Receiver):
    def judge(self, c, rcpt):
        if c.number == 1:
            c.hang_up()
        return "250 2.1.5 ok"


@case("kept", "no reply in time")
class NeverAnswersMail(Receiver):
    def on_mail(self, c, line):
        c.silence()


# -- the message

@case("kept", "no reply to DATA in time")
class NeverSays354(Receiver):
    extensions = []

    def on_data(self, c, line):
        c.silence()


@case("bounced", "5.7.0")
class RefusesData(Receiver):
    def on_data(self, c, line):
        c.say("554 5.7.0 no")


@case("delivered")
class RefusesDataOnce(Receiver):
    def on_data(self, c, line):
        if self.count_of("DATA") == 1:
            c.say("451 4.3.0 later")
        else:
            super().on_data(c, line)


@case("kept", "out of step")
class AnswersDataWith250(Receiver):
    def on_data(self, c, line):
        c.say("250 2.0.0 fine")
        c.silence()


@case("kept", "out of step|closed|lost|spoke")
class TakesBeforeTheDot(Receiver):
    def on_data(self, c, line):
        c.say("354 go", "250 2.0.0 taken already")
        c.silence()


@case("bounced", "5.7.1")
class RefusesTheMessage(Receiver):
    def finish(self, c, data):
        c.say("550 5.7.1 spam")


@case("delivered")
class RefusesTheMessageOnce(Receiver):
    def finish(self, c, data):
        if self.count_of("DATA") == 1:
            c.say("451 4.3.0 scanner is away")
            c.reset()
        else:
            super().finish(c, data)


@case("delivered", copies=2)
class LosesTheLastReplyOnce(Receiver):
    """RFC 5321 4.5.3.2.6: the one case in which a second copy is right."""

    def finish(self, c, data):
        self.take(c, data)
        if len(self.mails) == 1:
            c.hang_up()
        c.say("250 2.0.0 taken")
        c.reset()


@case("delivered")
class AnswersLate(Receiver):
    def finish(self, c, data):
        time.sleep(2)
        super().finish(c, data)


@case("delivered")
class AnswersOctetByOctet(Receiver):
    def finish(self, c, data):
        self.take(c, data)
        for byte in b"250-2.0.0 taken\r\n250 2.0.0 as x\r\n":
            c.raw(bytes([byte]))
            time.sleep(0.02)
        c.reset()


@case("delivered")
class HangsUpInTheMessageOnce(Receiver):
    def body(self, c):
        if c.number == 1:
            c.hang_up()
        super().body(c)


@case("delivered")
class HangsUpAfterTheLastReply(Receiver):
    def finish(self, c, data):
        super().finish(c, data)
        c.hang_up()


@case("delivered")
class NeverAnswersQuit(Receiver):
    def on_quit(self, c, line):
        c.silence()


@case("delivered")
class RefusesRset(Receiver):
    def on_rset(self, c, line):
        c.say("500 5.5.1 no")


# -- replies

@case("delivered")
class SaysOnlyCodes(Receiver):
    def judge(self, c, rcpt):
        return "250"


@case("bounced", "5.1.1")
class RefusesIn8Bit(Receiver):
    def judge(self, c, rcpt):
        return "550 5.1.1 nicht gefunden: \xe4\xff\x80\x01 \x7f"


@case("bounced", "5.1.1")
class RefusesIn90Lines(Receiver):
    def on_rcpt(self, c, line):
        c.say(*["550-5.1.1 " + "reason %d " % i * 8 for i in range(89)], "550 5.1.1 so no")


@case("kept", "does not speak SMTP")
class MixesCodes(Receiver):
    def on_rcpt(self, c, line):
        c.say("250-yes", "550 no")
        c.silence()


@case("kept", "does not speak SMTP")
class AnswersWith999(Receiver):
    def on_rcpt(self, c, line):
        c.say("999 what now")
        c.silence()


@case("bounced", "5.6.3")
class TakesSevenBits(Receiver):
    extensions = ["PIPELINING"]
    more = "X-Eight: \u00e4\r\n"


@case("kept", "out of step|does not speak SMTP")
class AnswersRcptTwice(Receiver):
    """More replies than commands, pipelined: whose they are nobody knows."""

    def on_mail(self, c, line):
        c.say("250 2.1.0 ok", "250 2.1.0 ok", "250 2.1.0 ok", "250 2.1.0 ok", "250 2.1.0 ok")
        c.silence()


@case("kept", "out of step|no reply in time")
class AnswersOneTooFew(Receiver):
    def on_rcpt(self, c, line):
        c.rcpts.append("somebody")


@case("kept", "no reply in time|out of step")
class LiesAboutPipelining(Receiver):
    """Forgets what came in one piece with the first command."""

    def on_mail(self, c, line):
        c.buffer = b""
        c.say("250 2.1.0 ok")


@case("kept", "does not speak SMTP|out of step")
class AnswersWith150(Receiver):
    def on_mail(self, c, line):
        c.say("150 wait for it")
        c.silence()


@case("kept", "out of step|does not speak SMTP")
class Says354ToMail(Receiver):
    def on_mail(self, c, line):
        c.say("354 go on")
        c.silence()


@case("kept", "too long")
class AnswersRcptEndlessly(Receiver):
    def on_rcpt(self, c, line):
        while True:
            c.say("250-and more")


@case("kept", "too long")
class AnswersRcptWithALongLine(Receiver):
    def on_rcpt(self, c, line):
        c.raw(b"550 5.1.1 " + b"x" * 100000 + b"\r\n")
        c.silence()


@case("kept", "too long")
class OffersEndlessly(Receiver):
    def on_ehlo(self, c, line):
        while True:
            c.say("250-X-" + "Y" * 60)


@case("bounced", "5.1.1")
class AnswersWithNul(Receiver):
    def on_rcpt(self, c, line):
        c.raw(b"550 5.1.1 \0no\r\n")


@case("kept", "closed|lost")
class HangsUpAfter354(Receiver):
    def on_data(self, c, line):
        c.say("354 go")
        c.hang_up()


@case("bounced", "5.5.1")
class Says503ToMail(Receiver):
    def on_mail(self, c, line):
        c.say("503 5.5.1 say EHLO first")

    def on_rcpt(self, c, line):
        c.say("503 5.5.1 say EHLO first")

    on_data = on_rcpt


@case("kept", "later")
class ChattersBehindTheDot(Receiver):
    """Two endings of one mail: the first counts, the session is not trusted."""

    def finish(self, c, data):
        c.say("451 4.3.0 later", "250 2.0.0 no, taken", "250 2.0.0 and again")
        c.silence()


# -- the world of a test

class World:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dir = directory
        self.dns = Dns(os.path.join(directory, "dns"), address="192.0.2.153")
        self.records = ["box.example. IN MX 10 mx.box.example.", "mx.box.example. IN A 192.0.2.150",
                        "brief.example. IN MX 10 mx.brief.example.", "mx.brief.example. IN A 192.0.2.151"]
        self.receivers = {}
        tls = certificate(directory)
        for i, cls in enumerate(CASES):
            self.receiver(cls, cls.label, f"198.51.100.{i + 1}", tls)
        self.odd_domains(tls)
        self.dns.zone(".", [])
        self.dns.zone("example.", self.records)
        self.dns.start()
        self.box = self.server("box.example", "192.0.2.150", {"outbound": ["suppress_after = 2"], "smtp": ["max_per_client = 10000"]})
        self.brief = self.server("brief.example", "192.0.2.151", {
            "outbound": ['lifetime = "6s"', 'delay_warning = "2s"'], "smtp": ["max_per_client = 10000"]})
        self.subjects = {cls.label: self.send(f"rcpt@{cls.label}.example", more=getattr(cls, "more", ""),
                                               body=getattr(cls, "text", "hello\r\n"))
                         for cls in CASES}

    def receiver(self, cls, label, address, tls=None, mx=True):
        r = cls(address, f"mx.{label}.example")
        if getattr(cls, "wants_tls", False):
            r.tls = tls
        self.receivers[label] = r
        if mx:
            self.records += [f"{label}.example. IN MX 10 mx.{label}.example.", f"mx.{label}.example. IN A {address}"]
        return r

    def odd_domains(self, tls):
        far = "203.0.113."
        for name in ("second", "two-addresses", "only-a", "cname", "refused-first", "literal", "many", "one-by-one", "mixed",
                     "late-bounce", "twin", "again", "full", "half", "refuses-bounces", *PLAIN):
            self.receiver({"many": Many, "one-by-one": OneByOne, "mixed": Mixed, "twin": Twin, "full": Many552,
                           "again": Again, "refuses-bounces": RefusesBounces, **PLAIN}.get(name, Receiver),
                          name, far + str(len(self.receivers) % 100 + 1), mx=False)
        at = {n: r.address for n, r in self.receivers.items()}
        self.receiver(Greets554, "refuser", far + "200", mx=False)
        self.records += [
            "second.example. IN MX 5 dead.second.example.", "second.example. IN MX 10 live.second.example.",
            "dead.second.example. IN A 203.0.113.250", f"live.second.example. IN A {at['second']}",
            "two-addresses.example. IN MX 10 mx.two-addresses.example.",
            "mx.two-addresses.example. IN A 203.0.113.251", f"mx.two-addresses.example. IN A {at['two-addresses']}",
            f"only-a.example. IN A {at['only-a']}",
            "cname.example. IN CNAME real.cname-target.example.", "real.cname-target.example. IN MX 10 mx.cname-target.example.",
            f"mx.cname-target.example. IN A {at['cname']}",
            "refused-first.example. IN MX 5 a.refused-first.example.",
            "refused-first.example. IN MX 10 b.refused-first.example.",
            "a.refused-first.example. IN A 203.0.113.200", f"b.refused-first.example. IN A {at['refused-first']}",
            "null-mx.example. IN MX 0 .", "null-mx.example. IN A 203.0.113.200",
            "no-address.example. IN MX 10 nowhere.example.",
            "nothing.example. IN TXT \"no mail here\"",
            "self.example. IN MX 10 mx.box.example.",
            "self-second.example. IN MX 5 dead.second.example.", "self-second.example. IN MX 10 mx.box.example.",
            "lame.example. IN NS ns.lame.example.", "ns.lame.example. IN A 203.0.113.252",
        ]
        self.receiver(DropsHalf, "half-first", far + "201", mx=False)
        self.records += ["half.example. IN MX 5 a.half.example.", "half.example. IN MX 10 b.half.example.",
                         "a.half.example. IN A 203.0.113.201", f"b.half.example. IN A {at['half']}"]
        self.receiver(Receiver, "six", "2001:db8::25", mx=False)
        self.receiver(Receiver, "odd-mx", far + "202", mx=False)
        self.receiver(Lingers, "lingers", far + "203")
        self.receiver(Hears, "lingers-too", far + "204")
        self.records += [
            "six.example. IN MX 10 mx.six.example.", "mx.six.example. IN AAAA 2001:db8::25", "mx.six.example. IN A 203.0.113.253",
            # what stands in real zones: a host that is none, an address, an alias; one is good
            "odd-mx.example. IN MX 1 nowhere.odd-mx.example.", "odd-mx.example. IN MX 2 192\\.0\\.2\\.9.",
            "odd-mx.example. IN MX 3 192.0.2.9.", "odd-mx.example. IN MX 4 zero.odd-mx.example.",
            "zero.odd-mx.example. IN A 0.0.0.0", "odd-mx.example. IN MX 5 mx.lame.example.",
            "odd-mx.example. IN MX 6 alias.odd-mx.example.", "alias.odd-mx.example. IN CNAME real.odd-mx.example.",
            "real.odd-mx.example. IN A 203.0.113.202",
        ]
        self.records += [f"dead{i}.example. IN A 203.0.113.{96 + i % 32}" for i in range(N_DEAD)]
        # addresses that answer nothing at all: what is sent there is dropped
        for silent in ("203.0.113.96/27", "203.0.113.248/29"):
            subprocess.run(["ip", "route", "add", silent, "dev", "lo"], check=True)
        for name in ("many", "one-by-one", "mixed", "twin", "again", "full", "refuses-bounces", *PLAIN):
            self.records += [f"{name}.example. IN MX 10 mx.{name}.example.", f"mx.{name}.example. IN A {at[name]}"]

    def server(self, domain, address, extra):
        timeouts = ['connect_timeout = "4s"', 'greeting_timeout = "4s"', 'command_timeout = "4s"', 'mail_timeout = "4s"', 'rcpt_timeout = "4s"', 'data_start_timeout = "4s"', 'data_timeout = "5s"',
                    'dot_timeout = "8s"', 'retry_first = "1s"', 'retry_max = "2s"']
        extra["outbound"] = timeouts + extra["outbound"]
        s = Ulak(os.path.join(self.dir, domain), domain, address, self.dns, extra=extra)
        s.init()
        s.start()
        return s

    def send(self, *rcpts, sender=USER, more="", body="hello\r\n"):
        subject, message = compose(sender, rcpts[0], more=more, body=body)
        self.last_id = submit(self.box if sender == USER else self.brief, sender, rcpts, message).split()[1]
        return subject

    def stop(self):
        for r in self.receivers.values():
            r.close()
        for s in (self.box, self.brief):
            s.stop()
        self.dns.stop()


@pytest.fixture(scope="module")
def net():
    directory = tempfile.mkdtemp(prefix="ulak-receivers.")
    w = World(directory)
    yield w
    w.stop()
    shutil.rmtree(directory, ignore_errors=True)


def bounces(server, subject, user, raw=False):
    """The notices about the message with that subject."""
    c = imap(server, user)
    c.select("INBOX", readonly=True)
    _, found = c.search(None, "FROM", "MAILER-DAEMON", "TEXT", subject)
    got = [c.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in found[0].split()]
    c.logout()
    for one in got:
        strict_dsn.read(one)
    return got if raw else [email.message_from_bytes(one) for one in got]


def rows(server, address):
    return [r for r in server.cli_json("queue", "list") if address in str(r)]


def recipients(notice):
    """The per-recipient fields of a delivery status (RFC 3464, 2.3)."""
    assert notice.get_content_type() == "multipart/report"
    return notice.get_payload()[1].get_payload()[1:]


# What has bounced once must not have done so again when all is over.
ONLY_ONE = []


def assert_bounced(net, subject, address, status, server=None, user=USER, seconds=40):
    server = server or net.box
    wait_for(lambda: bounces(server, subject, user) and not rows(server, address), seconds, "the bounce for " + address)
    ONLY_ONE.append((server, subject, user))
    found = bounces(server, subject, user)
    assert len(found) == 1
    strict_report(found[0])
    fields = [f for f in recipients(found[0]) if address in f["Final-Recipient"]]
    assert len(fields) == 1
    assert fields[0]["Action"] == "failed"
    assert re.fullmatch(status, fields[0]["Status"]), fields[0].as_string()
    return found[0], fields[0]


def assert_delivered(net, label, subject, address, copies=1, seconds=40):
    r = net.receivers[label]
    wait_for(lambda: r.copies(subject) and not rows(net.box, address), seconds,
             lambda: f"{label}: {r.lines[-5:]} {rows(net.box, address)}")
    assert len(r.copies(subject)) == copies
    assert not bounces(net.box, subject, USER)


# what `queue list` says of a host that failed
KIND_OF_TROUBLE = {"greets554": (r"5\.7\.1", "policy"), "greets-never": (r"4\.4\.2", "network")}


@pytest.mark.parametrize("cls", CASES, ids=lambda c: c.label)
def test_receiver(net, cls):
    subject, r, address = net.subjects[cls.label], net.receivers[cls.label], f"rcpt@{cls.label}.example"
    if cls.expect == "delivered":
        assert_delivered(net, cls.label, subject, address, cls.copies_max)
    elif cls.expect == "bounced":
        assert_bounced(net, subject, address, cls.why)
        assert len(r.copies(subject)) == 0
    else:
        def said():
            return [f"{row['code']} {row['text']}" for row in rows(net.box, address)]
        wait_for(lambda: r.seen >= 2, 40, lambda: f"{cls.label} to be tried again: {said()}")
        wait_for(lambda: re.search(cls.why, str(said())), 40, lambda: f"{cls.label}: {cls.why}: {said()}")
        assert len(said()) == 1
        kind = KIND_OF_TROUBLE.get(cls.label, (r"[45]\.\d+\.\d+", "."))
        assert all(re.match(kind[0], row["status"]) and re.match(kind[1], row["class"]) for row in rows(net.box, address)), kind
        assert not bounces(net.box, subject, USER)
        assert not r.copies(subject)


@pytest.mark.parametrize("label,verb,times", lies.ASKED)
def test_what_it_was_asked(net, label, verb, times):
    """By BDAT where CHUNKING is offered, and once where it is not known; TLS once."""
    r = net.receivers[label]
    wait_for(lambda: r.copies(net.subjects[label]), 40, label)
    assert r.count_of(verb) == times


# -- where to

@pytest.mark.parametrize("label", ["second", "two-addresses", "only-a", "cname", "refused-first", "six", "odd-mx"])
def test_finds_the_way(net, label):
    address = f"rcpt@{label}.example"
    assert_delivered(net, label, net.send(address), address)


@pytest.mark.parametrize("label,status", [("null-mx", "5.1.10"), ("no-address", "5.4.4"), ("nothing", "5.1.2|5.4.4"), ("missing", "5.1.2"),
                                          ("self", "5.4.6")])
def test_no_way_there(net, label, status):
    address = f"rcpt@{label}.example"
    assert_bounced(net, net.send(address), address, status)


def test_only_better_hosts_than_ourselves(net):
    address = "rcpt@self-second.example"
    subject = net.send(address)
    wait_for(lambda: rows(net.box, address) and "203.0.113.250" in str(net.box.cli("queue", "show", net.last_id).stdout), 30, "a try")
    assert not bounces(net.box, subject, USER)


def test_dns_that_fails_is_no_verdict(net):
    address = "rcpt@lame.example"
    subject = net.send(address)
    wait_for(lambda: [r for r in rows(net.box, address) if (r["status"], r["class"]) == ("4.4.3", "dns")], 60,
             f"the DNS to be told of: {rows(net.box, address)}")
    assert not bounces(net.box, subject, USER)


# -- several recipients

class Mixed(Receiver):
    def judge(self, c, rcpt):
        if rcpt.startswith("no"):
            return "550 5.1.1 nobody here"
        if rcpt.startswith("later") and len(self.mails) < 2:
            return "450 4.2.1 later"
        return "250 2.1.5 ok"


def test_each_recipient_has_its_own_fate(net):
    names = ["yes", "no-a", "later", "no-b"]
    subject = net.send(*[n + "@mixed.example" for n in names])
    r = net.receivers["mixed"]
    wait_for(lambda: len(r.copies(subject)) == 1, 20, "the first delivery")
    assert r.copies(subject)[0][1] == ["yes@mixed.example"]
    found, _ = assert_bounced(net, subject, "no-a@mixed.example", "5.1.1")
    failed = [f["Final-Recipient"].split(";")[1].strip() for f in recipients(found)]
    assert sorted(failed) == ["no-a@mixed.example", "no-b@mixed.example"]
    other = net.send("yes@mixed.example")
    wait_for(lambda: r.copies(other), 20, "the second mail")
    wait_for(lambda: len(r.copies(subject)) == 2 and not rows(net.box, "@mixed.example"), 20, "the late one")
    assert r.copies(subject)[1][1] == ["later@mixed.example"]
    assert len(bounces(net.box, subject, USER)) == 1


class Many(Receiver):
    limit, refusal = 7, "452 4.5.3 too many recipients"

    def judge(self, c, rcpt):
        return self.refusal if len(c.rcpts) >= self.limit else "250 2.1.5 ok"


class OneByOne(Many):
    limit, extensions = 1, []


class Many552(Many):
    """RFC 5321 4.5.3.1.10: a 552 here is to be taken for a 452."""
    refusal = "552 too many recipients"


@pytest.mark.parametrize("label", ["many", "one-by-one", "full"])
def test_too_many_recipients(net, label):
    names = [f"u{i}@{label}.example" for i in range(23)]
    subject = net.send(*names)
    r = net.receivers[label]
    wait_for(lambda: not rows(net.box, f"@{label}.example"), 60, f"{label} to have all")
    taken = [n for m in r.copies(subject) for n in m[1]]
    assert sorted(taken) == sorted(names)
    assert not bounces(net.box, subject, USER)


# -- large bodies, kept connections, crowds

LARGE = "".join(f"{i:07d} the quick brown fox jumps over the lazy dog\r\n.{i}\r\n" for i in range(60000))


class ReadsSlowly(Receiver):
    def body(self, c):
        while not c.buffer.endswith(b"\r\n.\r\n"):
            c.buffer += c.s.recv(32768)
            time.sleep(0.01)
        super().body(c)


class RefusesInTheBody(Receiver):
    def body(self, c):
        c.s.recv(4096)
        c.say("552 5.3.4 that is enough")
        c.hang_up()


class DropsHalf(Receiver):
    """Takes some of the body and dies; the next host has to get it whole."""

    def body(self, c):
        for _ in range(20):
            c.s.recv(65536)
        c.hang_up()


class TiresOfIdlers(Receiver):
    def on_mail(self, c, line):
        c.s.settimeout(1.5)
        super().on_mail(c, line)

    def finish(self, c, data):
        super().finish(c, data)
        try:
            c.more()
        except socket.timeout:
            c.say("421 4.4.2 you are idle")
            c.hang_up()


class OneMailEach(Receiver):
    """421 at the second mail of a connection."""

    def on_mail(self, c, line):
        c.n = getattr(c, "n", 0) + 1
        if c.n > 1:
            c.say("421 4.7.0 one is enough")
            c.hang_up()
        super().on_mail(c, line)


class TwoAtATime(Receiver):
    open_now = 0

    def _serve(self, s, number):
        with self.lock:
            self.open_now += 1
            is_full = self.open_now > 2
        if is_full:
            s.sendall(b"421 4.7.0 too many connections\r\n")
            s.close()
        else:
            super()._serve(s, number)
        with self.lock:
            self.open_now -= 1


class RefusesBounces(Receiver):
    def on_mail(self, c, line):
        if b"<>" in line:
            c.say("550 5.7.1 no bounces here")
        else:
            super().on_mail(c, line)


class ClosesAtFirst(Receiver):
    is_shut = True

    def on_mail(self, c, line):
        if self.is_shut:
            c.say("421 4.7.0 not now")
            c.hang_up()
        super().on_mail(c, line)


PLAIN = {"closes-at-first": ClosesAtFirst, "reads-slowly": ReadsSlowly, "refuses-in-the-body": RefusesInTheBody, "tires-of-idlers": TiresOfIdlers,
         "one-mail-each": OneMailEach, "two-at-a-time": TwoAtATime, "crowd": Receiver, "target": Receiver}


def sent_whole(taken, body):
    return taken[2].decode().split("\r\n\r\n", 1)[1] == body


def test_a_slow_reader_gets_all(net):
    address, r = "rcpt@reads-slowly.example", net.receivers["reads-slowly"]
    subject = net.send(address, body=LARGE)
    assert_delivered(net, "reads-slowly", subject, address, seconds=90)
    assert sent_whole(r.copies(subject)[0], LARGE)


def test_a_refusal_in_the_body_counts(net):
    """At once, although the connection breaks under our hands behind it."""
    address, r = "rcpt@refuses-in-the-body.example", net.receivers["refuses-in-the-body"]
    subjects = [net.send(address, body=LARGE) for _ in range(10)]
    for subject in subjects:
        assert_bounced(net, subject, address, "5.3.4")
    assert r.count_of("DATA") == len(subjects)


def test_the_next_host_gets_a_large_body_whole(net):
    address, r = "rcpt@half.example", net.receivers["half"]
    subject = net.send(address, body=LARGE)
    assert_delivered(net, "half", subject, address)
    assert sent_whole(r.copies(subject)[0], LARGE)
    assert net.receivers["half-first"].seen >= 1


def test_who_took_nothing_teaches_no_rate(net):
    """Only its back-off says when it is asked again, and that is what the queue's list shows."""
    address, r = "rcpt@closes-at-first.example", net.receivers["closes-at-first"]
    subject = net.send(address)
    wait_for(lambda: [x for x in rows(net.box, address) if x["code"] == 421], 20, "the refusal")
    terms = net.box.cli("destination", "show", "closes-at-first.example").stdout
    assert "retry_at" in terms and "rate_at_most" not in terms, terms
    r.is_shut = False
    assert_delivered(net, "closes-at-first", subject, address)


@pytest.mark.parametrize("label", ["tires-of-idlers", "one-mail-each", "two-at-a-time"])
def test_many_mails_to_a_fussy_host(net, label):
    address = f"rcpt@{label}.example"
    subjects = [net.send(address) for _ in range(12)]
    if label == "tires-of-idlers":
        time.sleep(2)
        subjects.append(net.send(address))
    for subject in subjects:
        assert_delivered(net, label, subject, address)


def test_many_recipients_in_one_mail(net):
    names = [f"u{i}@crowd.example" for i in range(350)]
    subject = net.send(*names)
    r = net.receivers["crowd"]
    wait_for(lambda: not rows(net.box, "@crowd.example"), 60, "all to be sent")
    assert sorted(n for m in r.copies(subject) for n in m[1]) == sorted(names)
    assert len(r.copies(subject)) <= 8


# -- bounces that leave

def stranger(net, sender, rcpt):
    subject, message = compose(sender, rcpt)
    inject(net.box, sender, rcpt, message)
    return subject


def test_a_bounce_goes_out_to_a_stranger(net):
    net.box.cli("alias", "add", "fwd@box.example", "rcpt@refuses-rcpt.example")
    subject = stranger(net, "ext@target.example", "fwd@box.example")
    r = net.receivers["target"]
    wait_for(lambda: r.copies(subject), 30, "the bounce")
    time.sleep(2)
    found = r.copies(subject)
    assert len(found) == 1
    assert found[0][0].startswith(b"MAIL FROM:<>") and found[0][1] == ["ext@target.example"]
    assert not found[0][2].startswith(b"Return-Path")
    assert not rows(net.box, "ext@target.example")


def test_a_bounce_that_is_refused_ends_there(net):
    net.box.cli("alias", "add", "fwd2@box.example", "rcpt@refuses-rcpt.example")
    r = net.receivers["refuses-bounces"]
    stranger(net, "ext@refuses-bounces.example", "fwd2@box.example")
    wait_for(lambda: r.count_of("MAIL FROM:<>"), 30, "the bounce")
    wait_for(lambda: not rows(net.box, "refuses-bounces.example"), 20, "the row to go")
    time.sleep(2)
    assert r.count_of("MAIL FROM:<>") == 1


# -- time

BRIEF = "user@brief.example"


def test_expiry_says_what_was_last_heard(net):
    subject = net.send("rcpt@greets554.example", sender=BRIEF)
    net.send("rcpt@greets-never.example", sender=BRIEF)
    found = wait_for(lambda: [b for b in bounces(net.brief, subject, BRIEF) if recipients(b)[0]["Action"] == "failed"],
                     90, "the bounce after the lifetime")
    fields = recipients(found[0])[0]
    assert re.fullmatch(r"[45]\.4\.7|4\.\d+\.\d+", fields["Status"])
    assert "not today" in found[0].as_string()
    wait_for(lambda: not rows(net.brief, "rcpt@greets554.example"), what="the row to go")
    notices = [recipients(b)[0]["Action"] for b in bounces(net.brief, subject, BRIEF)]
    assert sorted(notices) in (["delayed", "failed"], ["failed"])


def test_one_warning(net):
    subject = net.send("rcpt@greets554.example", sender=BRIEF)
    wait_for(lambda: len(bounces(net.brief, subject, BRIEF)) >= 2, 90, "warning and bounce")
    time.sleep(2)
    notices = bounces(net.brief, subject, BRIEF)
    assert sorted(recipients(b)[0]["Action"] for b in notices) == ["delayed", "failed"]
    delayed = [b for b in notices if recipients(b)[0]["Action"] == "delayed"][0]
    assert recipients(delayed)[0]["Will-Retry-Until"]
    assert recipients(delayed)[0]["Status"].startswith("4.")


# -- a bounce of a bounce; crashes

def test_no_bounce_for_a_bounce(net):
    """Null sender from submission to a domain that refuses it."""
    address = "rcpt@refuses-rcpt.example"
    before = len(bounces(net.box, "Subject", USER))
    _, message = compose("", address)
    import smtplib
    from world import PASSWORD, tls_context
    with smtplib.SMTP(net.box.address, 587, timeout=30) as c:
        c.starttls(context=tls_context())
        c.login(USER, PASSWORD)
        if c.mail("")[0] != 250:
            return  # submission takes no null sender: nothing to bounce
        c.rcpt(address)
        c.data(message)
    wait_for(lambda: not rows(net.box, address), 20, "the row to go")
    time.sleep(2)
    assert len(bounces(net.box, "Subject", USER)) == before


class Twin(Receiver):
    """Waits between the dot and its reply for the courier to die."""

    def finish(self, c, data):
        self.take(c, data)
        if len(self.mails) == 1:
            time.sleep(4)
        c.say("250 2.0.0 taken")
        c.reset()


def test_courier_killed_behind_the_dot(net):
    address, r = "rcpt@twin.example", net.receivers["twin"]
    subject = net.send(address)
    wait_for(lambda: r.copies(subject), 20, "the message")
    assert net.box.kill_role("courier")
    wait_for(lambda: not rows(net.box, address), 40, "the queue")
    time.sleep(1)
    assert len(r.copies(subject)) in (1, 2)
    assert not bounces(net.box, subject, USER)


class Lingers(Receiver):
    def finish(self, c, data):
        self.take(c, data)
        time.sleep(1.5)
        c.say("250 2.0.0 taken")
        c.reset()


class Hears(Receiver):
    """Takes the first mail and says so only when nobody is there any more to hear it."""
    has_killed = threading.Event()

    def finish(self, c, data):
        self.take(c, data)
        self.has_killed.wait(60)
        c.say("250 2.0.0 taken")
        c.reset()


def test_a_stop_waits_for_the_last_reply(net):
    """SIGTERM between dot and reply: the reply still counts, no second copy."""
    address, r = "rcpt@lingers.example", net.receivers["lingers"]
    subject = net.send(address)
    wait_for(lambda: r.copies(subject), 20, "the message")
    assert net.box.stop() == 0
    net.box.start()
    time.sleep(4)
    assert len(r.copies(subject)) == 1
    assert not rows(net.box, address)


def test_everything_killed_behind_the_dot(net):
    address, r = "rcpt@lingers-too.example", net.receivers["lingers-too"]
    subject = net.send(address)
    wait_for(lambda: r.copies(subject), 20, "the message")
    net.box.stop(signal.SIGKILL)
    r.has_killed.set()
    net.box.start()
    wait_for(lambda: not rows(net.box, address), 40, "the queue")
    assert len(r.copies(subject)) == 2  # the reply was heard by nobody
    assert not bounces(net.box, subject, USER)


def test_dead_hosts_do_not_hold_up_the_living(net):
    """More dead hosts than the courier tries at a time."""
    net.send(*[f"rcpt@dead{i}.example" for i in range(N_DEAD)])
    address = "rcpt@good.example"
    for _ in range(3):
        soon(12, lambda: assert_delivered(net, "good", net.send(address), address))


class Again(Receiver):
    is_well = False

    def on_mail(self, c, line):
        if self.is_well:
            super().on_mail(c, line)
        else:
            c.say("451 4.3.0 not yet")


def test_restart_in_the_middle_of_retries(net):
    address, r = "rcpt@again.example", net.receivers["again"]
    subject = net.send(address)
    wait_for(lambda: r.count_of("MAIL") >= 2, 30, "two tries")
    assert net.box.stop() == 0
    r.is_well = True
    net.box.start()
    assert_delivered(net, "again", subject, address)


def test_who_is_unknown_is_suppressed(net):
    """After two refusals as unknown (suppress_after), for this domain of senders, until somebody allows it."""
    address = "gone@refuses-rcpt.example"
    for _ in range(2):
        subject = net.send(address)
        wait_for(lambda: bounces(net.box, subject, USER), 30, "the bounce")
    row = net.box.cli_json("suppress", "show", address)[0]
    assert row["sender"] == "box.example" and row["times"] == 2 and row["refused"] is True and row["code"] == 550
    with pytest.raises(Exception, match="(?s)5.1.1.*ulak suppress"):
        net.send(address)
    told = json.loads(net.box.cli("route", address, "--sender", USER, "--json", check=False).stdout)
    assert told["answer"] == "bounces" and "550 5.1.1" in str([s["what"] for s in told["steps"]])
    assert [(s["what"], s["address"]) for s in told["steps"] if s["kind"] == "suppressed"] == [("refused", "box.example")]
    net.box.cli("suppress", "remove", "box.example", "gone@REFUSES-RCPT.example")
    again = net.box.cli("suppress", "remove", "box.example", address, check=False)
    assert again.returncode == 1 and address + " is not in the list" in again.stderr, again
    wrong = net.box.cli("suppress", "add", "box.example", "no address", check=False)
    assert wrong.returncode == 1 and "no address is no address" in wrong.stderr, wrong
    assert bounces_of(net, address)
    # by hand: from the first mail on; what a server refuses for its policy is never here
    net.box.cli("suppress", "add", "*", "good@good.example", "--note", "asked to be left alone")
    with pytest.raises(Exception, match="5.1.1"):
        net.send("good@good.example")
    assert [r["text"] for r in net.box.cli_json("suppress", "list", "--sender", "*")] == ["asked to be left alone"]
    assert not [r for r in net.box.cli_json("suppress", "list") if "refuses-mail.example" in r["recipient"]]
    net.box.cli("suppress", "remove", "*", "good@good.example")


def bounces_of(net, address):
    subject = net.send(address)
    return wait_for(lambda: bounces(net.box, subject, USER), 30, "the bounce")


def test_delivery_status_is_whole(net):
    """RFC 3464, RFC 6522, and RFC 3834 for what answers by itself."""
    subject = net.send("rcpt@refuses-rcpt.example", more="X-Long: " + "y" * 900 + "\r\n")
    found, fields = assert_bounced(net, subject, "rcpt@refuses-rcpt.example", "5.1.1")
    parts = found.get_payload()
    assert [p.get_content_type() for p in parts][:2] == ["text/plain", "message/delivery-status"]
    assert parts[2].get_content_type() in ("text/rfc822-headers", "message/rfc822")
    assert subject in parts[2].as_string()
    assert found["Return-Path"] == "<>"
    assert found["Auto-Submitted"].startswith("auto-")
    assert found["Date"] and found["Message-ID"] and found["From"] and found["To"]
    assert found["In-Reply-To"] == found["References"] == email.message_from_string(parts[2].get_payload())["Message-ID"]
    message = parts[1].get_payload()[0]
    assert message["Reporting-MTA"].replace(" ", "") == "dns;mx.box.example"
    assert message["Arrival-Date"]
    assert fields["Diagnostic-Code"].startswith("smtp;")
    assert "550" in fields["Diagnostic-Code"]
    assert fields["Remote-MTA"].replace(" ", "").startswith("dns;mx.refuses-rcpt.example")
    assert fields["Last-Attempt-Date"]
    assert fields["Final-Log-ID"] == message["X-Ulak-Message"]
    assert fields["X-Ulak-Class"] == "unknown-user"
    words = parts[0].get_payload()
    assert "There is no such mailbox there." in words and "slip of the pen" in words
    assert "> RCPT TO:<rcpt@refuses-rcpt.example>" in words and "< 550 5.1.1 nobody" in words
    strict_report(found)


SPOILT = [(b"Action: failed", b"Action: lost"), (b"Status: 5.1.1", b"Status: 5.1"), (b"Status: 5.1.1", b"Status: 2.1.5"),
          (b"550 5.1.1 nobody", b"450 5.1.1 nobody"), (b"Reporting-MTA: dns; ", b"Reporting-MTA: "),
          (b"Remote-MTA: dns; mx.", b"Remote-MTA: dns; mx. "), (b"Return-Path: <>", b"Return-Path: <a@b.example>"),
          (b"\r\nFinal-Log-ID:", b"\r\n\r\nFinal-Log-ID:"), (b"\r\nAction:", b"\nAction:"), (b"report-type=", b"x-type="),
          (b"Final-Recipient: rfc822; ", b"Final-Recipient: rfc822; \xc3\xa9"), (b"\r\nMIME-Version", b"\r\nDate: now\r\nMIME-Version"),
          (b"\r\nReferences:", b"\r\nX:"), (b"Last-Attempt-Date: ", b"Last-Attempt-Date: +"), (b"--\r\n", b"--\r\nx")]


def test_the_strict_reader_is_strict(net):
    subject = net.send("strict@refuses-rcpt.example")
    wait_for(lambda: bounces(net.box, subject, USER), 30, "the bounce")
    raw = bounces(net.box, subject, USER, raw=True)[0]
    strict_dsn.read(raw)
    for old, new in SPOILT:
        assert raw.count(old) >= 1, old
        with pytest.raises(AssertionError):
            strict_dsn.read(new.join(raw.rsplit(old, 1)))
            print("it takes", new)


def strict_report(found):
    """RFC 3464 and 6522 to the letter, as far as a program can see it."""
    assert found.get_content_type() == "multipart/report" and found.get_param("report-type") == "delivery-status"
    assert found["MIME-Version"] == "1.0" and len(found.get_all("Message-ID")) == 1
    assert not found.defects and not found["In-Reply-To"] or "@" in found["In-Reply-To"]
    blocks = found.get_payload()[1].get_payload()
    assert len(blocks) >= 2
    once = {"per message": ["Reporting-MTA"], "per recipient": ["Final-Recipient", "Action", "Status"]}
    for i, block in enumerate(blocks):
        assert not block.defects
        for name in once["per recipient" if i else "per message"]:
            assert len(block.get_all(name)) == 1, name
        assert len(block.keys()) == len(set(k.lower() for k in block.keys()))
    for block in blocks[1:]:
        assert block["Action"] in ("failed", "delayed", "delivered", "relayed", "expanded")
        assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", block["Status"])
        assert re.match(r"(rfc822|utf-8); \S+@\S+$", block["Final-Recipient"])
        assert ("Will-Retry-Until" in block) == (block["Action"] == "delayed")
        assert (block["Status"][0] == "2") == (block["Action"] in ("delivered", "relayed", "expanded"))
        for name in ("Last-Attempt-Date", "Will-Retry-Until"):
            assert name not in block or re.search(r" [+-]\d{4}$", block[name])
        if (block["Diagnostic-Code"] or "").startswith("smtp;"):
            assert re.match(r"smtp; [2-5]\d\d ", block["Diagnostic-Code"])
            assert block["Remote-MTA"]


def test_nothing_has_bounced_twice(net):
    """The last test of the file: whatever could have come has come."""
    for server, subject, user in ONLY_ONE:
        assert len(bounces(server, subject, user)) == 1
