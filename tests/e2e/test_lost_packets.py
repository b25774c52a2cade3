# SPDX-License-Identifier: ISC
"""Answers of the DNS that are lost or late, and SYNs that nobody answers: a moment's trouble costs seconds, not the pause
that a dead host is given (five minutes, the default, stand here)."""
import os
import shutil
import socket
import tempfile
import threading
import time

import pytest

import hostile_dns
from hostile_dns import SERVFAIL, HostileDns, good
from mua import compose, submit
from receivers import Hangup, Receiver
from world import Dns, Ulak, add_address, wait_for

USER = "user@box.example"
MANY = 40
TCP_REPAIR = 19
SWALLOWS = "2001:db8:99::1"


class Swallower:
    """Its queue of connections is full: further SYNs are dropped, without a word."""

    def __init__(self, address):
        add_address(address)
        self.sockets = [socket.socket(socket.AF_INET6)]
        self.sockets[0].bind((address, 25))
        self.sockets[0].listen(0)
        is_full = False  # one is in the queue; on a busy machine that may take its time
        while True:
            s = socket.socket(socket.AF_INET6)
            self.sockets.append(s)
            s.settimeout(0.5)
            try:
                s.connect((address, 25))
                is_full = True
            except TimeoutError:
                if is_full:
                    return

    def close(self):
        for s in self.sockets:
            s.close()


class Forgets(Receiver):
    """Knows nothing of its first connection, which looks open from the other side: as Linux does with those beyond its queue,
    whose SYNs it answered with cookies."""

    def greet(self, c):
        if c.number == 1:
            c.s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            c.s.close()  # without a word
            raise Hangup
        super().greet(c)


class For:
    """Spoils a zone for so long from the first question on."""

    def __init__(self, seconds, then, spoilt):
        self.seconds, self.then, self.spoilt, self.begun = seconds, then, spoilt, None

    def __call__(self, q):
        self.begun = self.begun or time.monotonic()
        return self.spoilt(q) if time.monotonic() - self.begun < self.seconds else self.then(q)


class EachThird:
    """Loses or spoils each third answer, of all zones together."""

    def __init__(self, spoilt):
        self.spoilt, self.n, self.lock = spoilt, 0, threading.Lock()

    def of(self, then):
        def answer(q):
            with self.lock:
                self.n += 1
                is_spoilt = self.n % 3 == 0
            return self.spoilt(q) if is_spoilt else then(q)
        return answer


class World:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dns = Dns(os.path.join(directory, "dns"), "192.0.2.170")
        self.liar = HostileDns("192.0.2.171")
        self.well = Receiver("198.51.100.170", "mx.well.example")
        self.swallower = Swallower(SWALLOWS)
        self.forgets = Forgets("198.51.100.171", "mx.forgets.example")
        zones, at = self.liar.zones, lambda: self.well.address
        silent, servfail = hostile_dns.silent, lambda q: q.reply(rcode=SERVFAIL)
        for zone, seconds, spoilt in (("late.example", 5, silent), ("later.example", 15, silent), ("fails.example", 3, servfail)):
            zones[zone] = For(seconds, good(zone, at), spoilt)
        lossy, moody = EachThird(silent), EachThird(servfail)
        for i in range(MANY):
            for what in (lossy, moody):
                zone = f"{'lossy' if what is lossy else 'moody'}{i}.example"
                zones[zone] = what.of(good(zone, at))
        self.dns.zone(".", [])
        self.dns.zone("example.", ["box.example. IN MX 10 mx.box.example.", "mx.box.example. IN A 192.0.2.172",
                                   "drops.example. IN MX 10 mx.drops.example.", f"mx.drops.example. IN AAAA {SWALLOWS}",
                                   f"mx.drops.example. IN A {self.well.address}", "forgets.example. IN MX 10 mx.forgets.example.",
                                   f"mx.forgets.example. IN A {self.forgets.address}",
                                   *self.liar.records()])
        self.dns.start()
        self.box = Ulak(os.path.join(directory, "box"), "box.example", "192.0.2.172", self.dns,
                        extra={"outbound": ["mta_sts = false"], "smtp": ["max_per_client = 10000"]})
        self.box.init()
        self.box.start()
        self.sent = {what: self.send(what + ".example") for what in ("late", "later", "fails", "forgets")}

    def send(self, domain):
        subject, message = compose(USER, f"r@{domain}")
        return subject, submit(self.box, USER, [f"r@{domain}"], message).split()[1]

    def stop(self):
        self.box.stop()
        for each in (self.well, self.forgets, self.swallower, self.liar):
            each.close()
        self.dns.stop()


@pytest.fixture(scope="module")
def net():
    directory = tempfile.mkdtemp(prefix="ulak-lost.")
    w = World(directory)
    yield w
    w.stop()
    shutil.rmtree(directory, ignore_errors=True)


def arrives(net, subject, number, at=None):
    """Long before a host that failed would be asked again."""
    at = at or net.well
    wait_for(lambda: at.copies(subject), 50, lambda: net.box.cli("trace", number).stdout + net.box.cli("queue", "list").stdout)
    assert len(at.copies(subject)) == 1


@pytest.mark.parametrize("what", ["lossy", "moody"])
def test_each_third_answer_is_spoilt(net, what):
    sent = [net.send(f"{what}{i}.example") for i in range(MANY)]
    for subject, number in sent:
        arrives(net, subject, number)


def test_an_ipv6_address_that_swallows_packets(net):
    """RFC 8305: the IPv4 address of the same host has its turn at once, in the same attempt."""
    subject, number = net.send("drops.example")
    arrives(net, subject, number)
    trace = net.box.cli("trace", number).stdout
    assert SWALLOWS in trace and "delayed" not in trace, trace


@pytest.mark.parametrize("what", ["late", "later", "fails"])
def test_trouble_of_a_moment_costs_seconds(net, what):
    """The domain's name server says nothing, or SERVFAIL, for some seconds."""
    arrives(net, *net.sent[what])


def test_a_connection_that_the_host_has_not_heard_of(net):
    """It is asked whether it is there, and the connection begun anew, in the same attempt."""
    subject, number = net.sent["forgets"]
    arrives(net, subject, number, net.forgets)
    trace = net.box.cli("trace", number).stdout
    assert trace.count("* connected to") == 2 and "delayed" not in trace, trace
