# SPDX-License-Identifier: ISC
"""What docs/internet-in-a-box.md lists and no other file has: name servers that lie, receivers that hang or leave
between two mails, and mail that goes in circles."""
import os
import re
import shutil
import tempfile
import threading

import pytest

import hostile_dns
from hostile_dns import A, MX, NXDOMAIN, HostileDns, good, mx
from mua import compose, imap, inject, submit
from receivers import Receiver
from world import Dns, Ulak, wait_for

USER = "user@box.example"
DEAD = "203.0.113.240"  # nothing listens there: refused at once
LIAR = "203.0.113.241"  # who was named by a lie


class Hangs(Receiver):
    """Says nothing more, once, at the step that its domain names."""
    at = None

    def may_hang(self, c, step):
        if self.at == step and c.number == 1:
            c.silence()

    def on_ehlo(self, c, line):
        self.may_hang(c, "ehlo")
        super().on_ehlo(c, line)

    def on_mail(self, c, line):
        self.may_hang(c, "mail")
        super().on_mail(c, line)

    def on_rcpt(self, c, line):
        self.may_hang(c, "rcpt")
        super().on_rcpt(c, line)

    def on_data(self, c, line):
        self.may_hang(c, "data")
        super().on_data(c, line)

    def body(self, c):
        if self.at == "body" and c.number == 1:
            threading.Event().wait(60)  # reads nothing
        super().body(c)

    def finish(self, c, data):
        if self.at == "dot" and c.number == 1:
            self.take(c, data)
            c.silence()
        super().finish(c, data)


class Leaves(Hangs):
    """Hangs up, once, at the step that its domain names: without a word."""

    def may_hang(self, c, step):
        if self.at == step and c.number == 1:
            c.hang_up()


class Leaves421(Hangs):
    """The same with a 421."""

    def may_hang(self, c, step):
        if self.at == step and c.number == 1:
            c.say("421 4.3.2 closing down")
            c.hang_up()

    def finish(self, c, data):
        self.may_hang(c, "dot")
        Receiver.finish(self, c, data)


class LeavesBehind250(Receiver):
    """Accepts the recipient, and is gone, once."""

    def on_rcpt(self, c, line):
        super().on_rcpt(c, line)
        if c.number == 1:
            c.hang_up()


class OneEach(Receiver):
    """Closes each connection behind its mail, without a word."""

    def finish(self, c, data):
        super().finish(c, data)
        c.hang_up()


class Gate(Receiver):
    """Takes mails, and answers none of them until it is opened."""

    def __init__(self, *args):
        self.is_free = threading.Event()
        super().__init__(*args)

    def finish(self, c, data):
        self.take(c, data)
        if not self.is_free.wait(120):
            c.hang_up()
        c.say("250 2.0.0 taken")
        c.reset()


STEPS = ["ehlo", "mail", "rcpt", "data"]
HANGS = [*STEPS, "body", "dot"]
# zone: what becomes of mail for it; the words that are kept with it
KEPT = {"silent": "DNS", "garbage": "DNS", "short": "DNS", "refused": "DNS", "servfail": "DNS", "cut": "DNS", "itself": "DNS",
        "wrong-id": "DNS", "other-question": "DNS", "endless": "DNS", "ring": "DNS", "bogus": "DNSSEC"}


class World:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dir = directory
        self.dns = Dns(os.path.join(directory, "dns"), "192.0.2.160")
        self.liar = HostileDns("192.0.2.161")
        self.receivers, self.records = {}, []
        for step in HANGS:
            self.receiver(f"hangs-{step}", Hangs, at=step)
        for step in STEPS:
            self.receiver(f"leaves-{step}", Leaves, at=step)
            self.receiver(f"leaves-421-{step}", Leaves421, at=step)
        self.receiver("leaves-421-dot", Leaves421, at="dot")
        self.receiver("leaves-behind-250", LeavesBehind250)
        self.receiver("one-each", OneEach)
        self.receiver("gate", Gate)
        for label in ("good", "cut-tcp", "many", "hostile-names", "moves", "poison"):
            self.receiver(label, Receiver, has_zone=label == "good")
        self.zones()
        for name, at in (("box", "192.0.2.162"), ("other", "192.0.2.163")):
            self.records += [f"{name}.example. IN MX 10 mx.{name}.example.", f"mx.{name}.example. IN A {at}"]
        self.records += [f"gate{i}.example. IN MX 10 mx.gate.example." for i in range(30)]
        self.records += ["circle.example. IN MX 10 mx.box.example.", "bogus.example. IN MX 10 goodgood.example."]
        self.dns.spoilt.append(("goodgood.example", "evilevil.example"))
        self.dns.zone(".", [])
        self.dns.zone("example.", self.records + self.liar.records())
        self.dns.start()
        self.box = self.server("box", "192.0.2.162", [f'{t}_timeout = "3s"' for t in (
            "connect", "greeting", "command", "mail", "rcpt", "data_start", "data", "dot")])
        self.other = self.server("other", "192.0.2.163", [])
        labels = [*self.receivers, *KEPT]
        self.subjects = {label: self.send(f"r@{label}.example", body=LARGE if label == "hangs-body" else "hello\r\n")
                         for label in labels if label not in ("one-each", "gate", "moves", "poison", "good")}

    def receiver(self, label, cls, has_zone=True, **more):
        at = f"198.51.100.{200 + len(self.receivers)}"
        r = cls.__new__(cls)
        r.__dict__.update(more)
        r.__init__(at, f"mx.{label}.example")
        self.receivers[label] = r
        if has_zone:
            self.records += [f"{label}.example. IN MX 10 mx.{label}.example.", f"mx.{label}.example. IN A {at}"]

    def zones(self):
        z, d = self.liar.zones, hostile_dns
        for label, act in (("silent", d.silent), ("garbage", d.garbage), ("short", d.short), ("refused", d.refused),
                           ("servfail", d.servfail), ("cut", d.cut_and_no_tcp), ("itself", d.points_to_itself),
                           ("wrong-id", d.wrong_id), ("other-question", d.other_question), ("endless", d.endless_aliases),
                           ("ring", d.aliases_in_a_ring)):
            z[label + ".example"] = act
        z["cut-tcp.example"] = self.only_over_tcp
        z["many.example"] = self.two_hundred_hosts
        z["hostile-names.example"] = self.hosts_with_odd_names
        self.at = {"moves.example": DEAD}
        z["moves.example"] = good("moves.example", lambda: self.at["moves.example"], ttl=1)
        z["poison.example"] = self.more_than_was_asked
        z["says-both.example"] = self.says_both
        self.says_none = True

    def only_over_tcp(self, q):
        at = self.receivers["cut-tcp"].address
        return good("cut-tcp.example", lambda: at)(q) if q.is_tcp else q.reply(flags=hostile_dns.AA | hostile_dns.TC)

    def two_hundred_hosts(self, q):
        """The one that lives is the third by preference, and the last that is told."""
        if q.type == MX:
            hosts = [("many.example", MX, mx(100 + i, f"h{i}.many.example")) for i in range(197)]
            hosts += [("many.example", MX, mx(i, f"p{i}.many.example")) for i in (1, 2, 3)]
            return q.reply(hosts) if q.is_tcp else q.reply(flags=hostile_dns.AA | hostile_dns.TC)
        if q.type == A:
            return q.reply([(q.name, A, hostile_dns.address(self.receivers["many"].address if q.name.startswith("p3.") else DEAD))])
        return q.nothing("many.example")

    def hosts_with_odd_names(self, q):
        zone = "hostile-names.example"
        if q.type == MX:
            tail = [b"hostile-names", b"example"]
            odd = [[b"a b"], [b"a\r\nQUIT"], [b"\0\xff\x80"], [b"<script>"], [b"a.b"], [b"-"], [b"_"], [b"x" * 63] * 3, [b"*"], [b"$(id)"]]
            return q.reply([(zone, MX, mx(i, labels + tail)) for i, labels in enumerate(odd)] + [(zone, MX, mx(99, "mx." + zone))])
        if q.type == A and q.name == "mx." + zone:
            return q.reply([(q.name, A, hostile_dns.address(self.receivers["hostile-names"].address))])
        return q.nothing(zone, NXDOMAIN)

    def more_than_was_asked(self, q):
        """Who asks for this domain is told where the mail host of another one is."""
        lie = [("mx.good.example", A, hostile_dns.address(LIAR), 3600), ("good.example", MX, mx(1, "mx.poison.example"), 3600)]
        if q.type == MX:
            return q.reply([("poison.example", MX, mx(10, "mx.poison.example")), *lie], more=lie, authority=lie)
        if q.type == A and q.name == "mx.poison.example":
            return q.reply([(q.name, A, hostile_dns.address(self.receivers["poison"].address)), *lie], more=lie)
        return q.nothing("poison.example")

    def says_both(self, q):
        """No such domain, and here is its mail host."""
        return q.reply([(q.name, MX, mx(1, "mx.good.example"))] if q.type == MX else [], rcode=NXDOMAIN)

    def server(self, name, at, times):
        s = Ulak(os.path.join(self.dir, name), name + ".example", at, self.dns, extra={
            "outbound": [*times, 'retry_first = "1s"', 'retry_max = "2s"', 'mta_sts_wait = "1s"'],
            "smtp": ["max_per_client = 10000"]})
        s.init()
        s.start()
        return s

    def send(self, rcpt, body="hello\r\n"):
        subject, message = compose(USER, rcpt, body=body)
        self.last_id = submit(self.box, USER, [rcpt], message).split()[1]
        return subject

    def stop(self):
        self.receivers["gate"].is_free.set()
        for r in self.receivers.values():
            r.close()
        for s in (self.box, self.other):
            s.stop()
        self.liar.close()
        self.dns.stop()


LARGE = ("x" * 998 + "\r\n") * 9000


@pytest.fixture(scope="module")
def net():
    directory = tempfile.mkdtemp(prefix="ulak-box.")
    w = World(directory)
    yield w
    w.stop()
    shutil.rmtree(directory, ignore_errors=True)


def rows(server, address):
    return [r for r in server.cli_json("queue", "list") if address in str(r)]


def reports(server, subject, user=USER):
    c = imap(server, user)
    c.select("INBOX", readonly=True)
    _, found = c.search(None, "FROM", "MAILER-DAEMON", "TEXT", subject)
    got = [c.fetch(n, "(BODY.PEEK[])")[1][0][1].decode() for n in found[0].split()]
    c.logout()
    return got


def delivered(net, label, subject, copies=1):
    r, address = net.receivers[label], f"r@{label}.example"
    wait_for(lambda: r.copies(subject) and not rows(net.box, address), 40, lambda: f"{label}: {r.lines[-6:]} {rows(net.box, address)}")
    assert len(r.copies(subject)) == copies
    assert not reports(net.box, subject)


# -- receivers

@pytest.mark.parametrize("step", HANGS)
def test_silence_ends_in_time(net, step):
    """RFC 5321, 4.5.3.2: each has its time; the next attempt finds it well. Behind the dot: one twin."""
    label = "hangs-" + step
    delivered(net, label, net.subjects[label], 2 if step == "dot" else 1)


@pytest.mark.parametrize("label", [f"leaves-{s}" for s in STEPS] + [f"leaves-421-{s}" for s in [*STEPS, "dot"]] + ["leaves-behind-250"])
def test_who_leaves_at_any_stage_gets_it_later(net, label):
    delivered(net, label, net.subjects[label])


def test_a_connection_that_ends_between_mails_is_no_failure(net):
    """Each mail goes over the next connection at once; no attempt is counted, no host has failed."""
    ids, subjects = [], []
    for _ in range(12):
        subjects.append(net.send("r@one-each.example"))
        ids.append(net.last_id)
    for subject in subjects:
        delivered(net, "one-each", subject)
    for i in ids:
        assert "delayed" not in net.box.cli("trace", i).stdout
    assert net.receivers["one-each"].count_of("DATA") == len(subjects)


def test_a_courier_that_dies_with_thirty_mails(net):
    """Their server has them and has answered none: each is there, twice at most, and nobody hears of a failure."""
    gate = net.receivers["gate"]
    subjects = {}
    for i in range(30):
        rcpt = f"r@gate{i}.example"
        subjects[rcpt], message = compose("user@other.example", rcpt)
        submit(net.other, "user@other.example", [rcpt], message)
    wait_for(lambda: len(gate.mails) == 30, 60, lambda: f"mails behind the dot: {len(gate.mails)}")
    assert net.other.kill_role("courier")
    gate.is_free.set()
    wait_for(lambda: not rows(net.other, "@gate"), 60, lambda: str(rows(net.other, "@gate")))
    assert {len(gate.copies(s)) for s in subjects.values()} == {2}  # nobody heard that they were taken
    assert not reports(net.other, "gate", "user@other.example")


# -- the DNS

@pytest.mark.parametrize("label", KEPT)
def test_what_the_dns_does_not_say_is_no_verdict(net, label):
    address = f"r@{label}.example"
    found = wait_for(lambda: [r for r in rows(net.box, address) if r["text"]], 90, f"an attempt: {label}")
    assert re.search(KEPT[label], found[0]["text"]) and str(found[0]["code"]).startswith("4"), found
    assert not reports(net.box, net.subjects[label])


def test_what_name_servers_say_is_not_what_the_log_says(net):
    """Each line is ours, whatever the DNS library thinks of them."""
    for line in net.box.log().splitlines():
        assert "event=" in line, line


@pytest.mark.parametrize("label", ["cut-tcp", "many", "hostile-names"])
def test_what_it_says_in_an_odd_way_counts(net, label):
    """Truncated and whole over TCP; 200 mail hosts; hosts with names that are none, of which one is good."""
    delivered(net, label, net.subjects[label])


def test_no_such_domain_whatever_stands_beside_it(net):
    """NXDOMAIN with a mail host in it: nothing goes to that host."""
    subject = net.send("r@says-both.example")
    wait_for(lambda: reports(net.box, subject) or rows(net.box, "r@says-both.example"), 30, "an end")
    wait_for(lambda: reports(net.box, subject) or [r for r in rows(net.box, "r@says-both.example") if r["text"]], 60, "a reason")
    assert not net.receivers["good"].copies(subject)


def test_what_was_not_asked_is_not_believed(net):
    delivered(net, "poison", net.send("r@poison.example"))
    delivered(net, "good", net.send("r@good.example"))


def test_a_domain_that_moves_between_attempts(net):
    """The first attempt finds the old place, dead; a later one the new one, behind the records' five seconds."""
    subject = net.send("r@moves.example")
    wait_for(lambda: [r for r in rows(net.box, "r@moves.example") if DEAD in r["text"]], 40, "an attempt at the old place")
    net.at["moves.example"] = net.receivers["moves"].address
    delivered(net, "moves", subject)


# -- circles

def test_two_servers_that_point_at_each_other(net):
    """An alias here leads there, and there back: it ends, and its sender hears of it once."""
    net.box.cli("alias", "add", "circle@box.example", "circle@other.example")
    net.other.cli("alias", "add", "circle@other.example", "circle@box.example")
    subject, message = compose(USER, "circle@other.example")
    inject(net.other, USER, "circle@other.example", message)
    found = wait_for(lambda: reports(net.box, subject), 120, lambda: str(rows(net.box, "circle") + rows(net.other, "circle")))
    wait_for(lambda: not rows(net.box, "circle") and not rows(net.other, "circle"), 30, "both queues")
    assert len(found) == 1 and "5.4.6" in found[0]


def test_a_route_back_to_where_it_came_from(net):
    """Each server's route for a domain of nobody's leads to the other one: refused there, and reported."""
    net.box.cli("route", "add", "nobody", "kind=smarthost", "to=nobody.example", "hosts=mx.other.example")
    subject = net.send("r@nobody.example")
    found = wait_for(lambda: reports(net.box, subject), 40, lambda: str(rows(net.box, "nobody")))
    assert len(found) == 1 and re.search(r"Status: 5\.(7\.1|1\.\d|4\.6)", found[0])


def test_our_own_address_as_the_mail_host(net):
    subject = net.send("r@circle.example")
    found = wait_for(lambda: reports(net.box, subject), 40, "the report")
    assert len(found) == 1 and "5.4.6" in found[0]


def test_a_hundred_hops_are_enough(net):
    subject, message = compose("x@elsewhere.example", USER)
    trace = b"".join(b"Received: from h%d.example by h%d.example; Mon, 23 Nov 2026 10:00:00 +0000\r\n" % (i, i + 1) for i in range(101))
    with pytest.raises(Exception, match="5.4.6"):
        inject(net.box, "x@elsewhere.example", USER, trace + message)
