# SPDX-License-Identifier: ISC
"""What single settings of [outbound] do, where no other file shows it (the time-outs: roles/courier; TLS: test_tls_out.py)."""
import datetime
import os
import shutil
import signal
import tempfile
import threading

import pytest

from mua import compose, submit
from receivers import Receiver
from world import DNS_OTHER_PORT, Dns, Ulak, add_address, wait_for

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
                        "slow": Notes("192.0.2.132", "slow"), "plain": Notes("192.0.2.134", "plain"),
                        "shared": Notes("192.0.2.135", "shared")}
        self.servers["plain"].extensions = ["PIPELINING", "ENHANCEDSTATUSCODES"]
        at = {name: s.address for name, s in self.servers.items()}
        self.dns.zone(".", [])
        self.dns.zone("example.", [
            "box.example. IN MX 10 mx.box.example.", "mx.box.example. IN A 192.0.2.130",
            "both.example. IN MX 10 mx.both.example.", f"mx.both.example. IN A {at['four']}", f"mx.both.example. IN AAAA {at['six']}",
            "six.example. IN MX 10 mx.six.example.", f"mx.six.example. IN AAAA {at['six']}",
            "slow.example. IN MX 10 mx.slow.example.", f"mx.slow.example. IN A {at['slow']}",
            "two.example. IN MX 10 mx.two.example.", "mx.two.example. IN A 192.0.2.136",
            "plain.example. IN MX 10 mx.plain.example.", f"mx.plain.example. IN A {at['plain']}",
            *[f"{n}.example. IN MX 10 mx.shared.example." for n in ("here", "there", "shared")], f"mx.shared.example. IN A {at['shared']}",
            "_mta-sts.both.example. IN TXT \"v=STSv1; id=1\""])
        self.dns.start()
        add_address(OURS4)
        add_address(OURS6)
        self.box = Ulak(os.path.join(directory, "box"), "box.example", "192.0.2.130", self.dns, extra={"outbound": [
            'hostname = "out.box.example"', f'source_ipv4 = "{OURS4}"', f'source_ipv6 = "{OURS6}"', 'addresses = "ipv4-first"',
            "per_message = 2", "per_destination = 1", "mta_sts = false", 'retry_first = "400ms"', 'retry_max = "1h"', "retry_growth = 100",
            "suppress_after = 1", 'suppress_for = "3s"']})
        anchor = os.path.join(directory, "anchor")
        with open(anchor, "w") as f:
            f.write("; of this test\n" + self.dns.anchor + "\n")
        os.chmod(anchor, 0o644)
        # its DNS: one server, at another port, and a trust anchor in a file
        self.two = Ulak(os.path.join(directory, "two"), "two.example", "192.0.2.136", None, extra={
            "resolver": [f'server = "{self.dns.address}"', f"port = {DNS_OTHER_PORT}", f'trust_anchor = "{anchor}"'],
            "relay": ['lifetime = "3h"'],
            "outbound": ["convert_8bit = false", "per_connection = 2", "per_hosts = 1", "mta_sts = false"]})
        for server in (self.box, self.two):
            server.init()
            server.start()

    def send(self, *rcpts, server=None, body="hello\r\n"):
        server = server or self.box
        user = "user@" + server.domain
        subject, message = compose(user, rcpts[0], body=body)
        self.said = submit(server, user, list(rcpts), message).split()[-1]
        return subject

    def stop(self):
        self.box.stop()
        self.two.stop()
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


def test_another_dns_server_and_a_trust_anchor_in_a_file(scene):
    """resolver.server, resolver.port, resolver.trust_anchor: what it says is vouched for by that anchor."""
    steps = scene.two.cli_json("route", "a@both.example")["steps"]
    answers = [s["text"] for s in steps if s["kind"] == "dns"]
    assert answers and all("(signed)" in text for text in answers), steps
    subject = scene.send("a@shared.example", server=scene.two)
    wait_for(lambda: scene.servers["shared"].copies(subject), what="the mail")


def test_a_trust_anchor_that_is_not_there(scene):
    """A file that is missing is no reason to trust anything else."""
    other = Ulak(scene.two.dir + "-bad", "bad.example", "192.0.2.137", None, extra={
        "resolver": [f'server = "{scene.dns.address}"', 'trust_anchor = "/nonexistent/anchor"']})
    other.init()
    other.start(wait=False)
    try:
        wait_for(lambda: "resolver.trust_anchor" in other.log(), what="the reason")
    finally:
        os.killpg(other.process.pid, signal.SIGKILL)
        other.process.wait()
        other.process = None


def test_mail_that_would_have_to_be_converted(scene):
    """convert_8bit = false."""
    scene.send("a@plain.example", server=scene.two, body="gr\u00fcn\r\n")
    ident = scene.said
    wait_for(lambda: "5.6.3" in scene.two.cli("trace", ident).stdout, what="its return")
    assert not scene.servers["plain"].mails


def test_two_on_a_connection_and_one_connection_for_all(scene):
    """per_connection = 2; per_hosts = 1, whatever per_destination says."""
    shared = scene.servers["shared"]
    shared.gate.clear()
    subjects = [scene.send("s@here.example", server=scene.two)]
    wait_for(lambda: shared.now == 1, what="the first")
    before, shared.most = shared.seen, 1
    subjects += [scene.send(f"s{i}@{domain}.example", server=scene.two) for i in range(3) for domain in ("there", "here")]
    shared.gate.set()
    wait_for(lambda: all(shared.copies(s) for s in subjects), what="all seven")
    assert shared.most == 1
    assert shared.seen >= before + 3, "more than two mails on a connection"


def test_how_long_we_keep_mail_for_others(scene):
    """relay.lifetime = 3h; other mail has five days."""
    two, slow = scene.two, scene.servers["slow"]
    slow.answers["kept"] = "451 4.2.1 later"
    two.cli("domain", "add", "late.example", "kind=relay", "target=slow.example")
    two.cli("domain", "rcpt", "add", "late.example", "*")
    scene.send("kept@late.example", server=two)
    kept = scene.said
    scene.send("kept@slow.example", server=two)
    rows = [two.cli_json("queue", "show", ident) for ident in (kept, scene.said)]
    rows = [r[0] if isinstance(r, list) else r for r in rows]
    assert [round(between(r, "created", "expires") / 60) for r in rows] == [3 * 60, 5 * 24 * 60]
    two.cli("queue", "delete", "--yes", "--recipient", "kept@late.example")
    two.cli("queue", "delete", "--yes", "--recipient", "kept@slow.example")
