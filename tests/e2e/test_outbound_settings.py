# SPDX-License-Identifier: ISC
"""What single settings of [outbound] do, where no other file shows it (the time-outs: roles/courier; TLS: test_tls_out.py)."""
import datetime
import os
import shutil
import tempfile
import threading

import pytest

from mua import compose, submit
from receivers import Receiver
from world import Dns, Ulak, add_address, wait_for

USER = "user@box.example"
OURS4, OURS6 = "192.0.2.133", "2001:db8:133::1"


class Notes(Receiver):
    """Who it was that came, how many were at it at once, and what it says to whom."""

    def __init__(self, *args):
        self.peers, self.now, self.most, self.answers = [], 0, 0, {}
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(*args)

    def greet(self, c):
        with self.lock:
            self.peers.append(c.s.getpeername()[0])
        super().greet(c)

    def judge(self, c, rcpt):
        return self.answers.get(rcpt.split("@")[0], "250 2.1.5 ok")

    def finish(self, c, data):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(60)
        with self.lock:
            self.now -= 1
        super().finish(c, data)


class Scene:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dns = Dns(os.path.join(directory, "dns"))
        self.servers = {"four": Notes("192.0.2.131", "four"), "six": Notes("2001:db8:131::1", "six"),
                        "slow": Notes("192.0.2.132", "slow")}
        at = {name: s.address for name, s in self.servers.items()}
        self.dns.zone(".", [])
        self.dns.zone("example.", [
            "box.example. IN MX 10 mx.box.example.", "mx.box.example. IN A 192.0.2.130",
            "both.example. IN MX 10 mx.both.example.", f"mx.both.example. IN A {at['four']}", f"mx.both.example. IN AAAA {at['six']}",
            "six.example. IN MX 10 mx.six.example.", f"mx.six.example. IN AAAA {at['six']}",
            "slow.example. IN MX 10 mx.slow.example.", f"mx.slow.example. IN A {at['slow']}",
            "_mta-sts.both.example. IN TXT \"v=STSv1; id=1\""])
        self.dns.start()
        add_address(OURS4)
        add_address(OURS6)
        self.box = Ulak(os.path.join(directory, "box"), "box.example", "192.0.2.130", self.dns, extra={"outbound": [
            'hostname = "out.box.example"', f'source_ipv4 = "{OURS4}"', f'source_ipv6 = "{OURS6}"', 'addresses = "ipv4-first"',
            "per_message = 2", "per_destination = 1", "mta_sts = false", 'retry_first = "400ms"', 'retry_max = "1h"', "retry_growth = 100",
            "suppress_after = 1", 'suppress_for = "3s"']})
        self.box.init()
        self.box.start()

    def send(self, *rcpts):
        subject, message = compose(USER, rcpts[0])
        submit(self.box, USER, list(rcpts), message)
        return subject

    def stop(self):
        self.box.stop()
        for s in self.servers.values():
            s.close()
        self.dns.stop()


@pytest.fixture(scope="module")
def scene():
    directory = tempfile.mkdtemp(prefix="ulak-settings.")
    s = Scene(directory)
    yield s
    s.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_who_we_say_we_are_and_from_where(scene):
    """hostname, source_ipv4, source_ipv6, addresses."""
    four, six = scene.servers["four"], scene.servers["six"]
    subject = scene.send("a@both.example")
    wait_for(lambda: four.copies(subject), what="the mail, over IPv4")
    assert "EHLO out.box.example" in [line for _, line in four.lines]
    assert set(four.peers) == {OURS4} and not six.seen
    subject = scene.send("a@six.example")
    wait_for(lambda: six.copies(subject), what="the mail, over IPv6")
    assert set(six.peers) == {OURS6}


def test_no_policy_is_looked_for(scene):
    """mta_sts = false: its record says that there is one, and nobody asks."""
    steps = scene.box.cli_json("route", "a@both.example")["steps"]
    assert [s["what"] for s in steps if s["kind"] == "tls"] == ["may"] and not [s for s in steps if s["kind"] == "sts"]


def test_recipients_of_one_mail(scene):
    """per_message = 2."""
    four = scene.servers["four"]
    subject = scene.send(*[f"r{i}@both.example" for i in range(5)])
    wait_for(lambda: sum(len(m[1]) for m in four.copies(subject)) == 5, what="five recipients")
    assert sorted(len(m[1]) for m in four.copies(subject)) == [1, 2, 2]


def test_one_at_a_time(scene):
    """per_destination = 1."""
    slow = scene.servers["slow"]
    slow.gate.clear()
    subjects = [scene.send(f"s{i}@slow.example") for i in range(4)]
    wait_for(lambda: slow.now == 1, what="the first")
    assert slow.most == 1
    slow.gate.set()
    wait_for(lambda: all(slow.copies(s) for s in subjects), what="the others")
    assert slow.most == 1


def between(row, first, second):
    a, b = (datetime.datetime.fromisoformat(row[name].replace("Z", "+00:00")) for name in (first, second))
    return (b - a).total_seconds()


def test_pauses_that_do_not_grow(scene):
    """retry_growth = 100: the fifth pause is as long as the first, but for the jitter of a fifth."""
    slow = scene.servers["slow"]
    slow.answers["later"] = "451 4.2.1 later"
    scene.send("later@slow.example")

    def row():
        found = scene.box.cli_json("queue", "list", "--recipient", "later@slow.example")
        return found and found[0]["attempts"] >= 5 and found[0]["state"] == "waiting" and found[0]
    row = wait_for(row, what="five tries")
    assert between(row, "last", "due") < 3     # 6.4, if it doubled
    slow.answers["later"] = "250 2.1.5 ok"
    wait_for(lambda: not scene.box.cli_json("queue", "list", "--recipient", "later@slow.example"), what="its end")


def test_who_was_unknown_is_forgotten(scene):
    """suppress_after = 1, suppress_for = 3s."""
    slow = scene.servers["slow"]
    slow.answers["gone"] = "550 5.1.1 nobody here"
    scene.send("gone@slow.example")
    row = wait_for(lambda: scene.box.cli_json("suppress", "list"), what="the note of it")[0]
    assert (row["recipient"], row["times"]) == ("gone@slow.example", 1)
    assert between(row, "last", "expires") == 3
    wait_for(lambda: not scene.box.cli_json("suppress", "list"), what="the end of three seconds")
    scene.send("gone@slow.example")
