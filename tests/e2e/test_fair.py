# SPDX-License-Identifier: ISC
"""Whose mail goes when there is much: tenants, senders, hosts that many domains share."""
import json
import os
import shutil
import smtplib
import tempfile
import threading
import time

import pytest

from receivers import Receiver
from world import Dns, Ulak, add_address, wait_for


class Counts(Receiver):
    """Takes mail while its gate is open, one after the other on each connection."""

    def __init__(self, *args):
        self.order, self.now, self.most = [], 0, 0
        self.hold = 0.0
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(*args)

    def take(self, c, data):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(60)
        time.sleep(self.hold)
        with self.lock:
            self.now -= 1
            self.order += list(c.rcpts)
        return super().take(c, data)


SERVERS = {"crowded": "192.0.2.121", "shared": "192.0.2.122", "open": "192.0.2.123",
           "warm": "192.0.2.124", "dual": "192.0.2.125", "dual6": "2001:db8:125::1"}
OURS6 = "2001:db8:120::1"


class Scene:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dns = Dns(os.path.join(directory, "dns"))
        records = ["box.example. IN MX 10 mx.box.example.", "mx.box.example. IN A 192.0.2.120"]
        for name, address in SERVERS.items():
            if ":" in address:
                records += [f"mx.dual.example. IN AAAA {address}"]
                continue
            records += [f"{name}.example. IN MX 10 mx.{name}.example.", f"mx.{name}.example. IN A {address}"]
        for name in ("one-of", "two-of"):  # the same hosts, written differently
            records += [f"{name}.example. IN MX {5 if name == 'one-of' else 7} mx.shared.example."]
        self.dns.zone(".", [])
        self.dns.zone("example.", records)
        self.dns.start()
        self.servers = {n: Counts(a, n) for n, a in SERVERS.items()}
        add_address(OURS6)
        self.box = Ulak(os.path.join(directory, "box"), "box.example", "192.0.2.120", self.dns, extra={
            "outbound": ['retry_first = "300s"', 'retry_max = "400s"', 'source_ipv4 = "192.0.2.120"', f'source_ipv6 = "{OURS6}"'], "smtp": ["max_per_client = 10000"],
            "relay": ['networks = ["127.0.0.0/8", "192.0.2.0/24"]', "own_senders = false"]})
        self.box.init()
        self.box.start()

    def relay(self, sender, *mails):
        """Each of the mails is a list of recipients. The ids of their 250."""
        ids = []
        with smtplib.SMTP(self.box.address, 25, timeout=60) as s:
            s.ehlo("client.box.example")
            for rcpts in mails:
                s.mail(sender)
                for r in rcpts:
                    code, words = s.rcpt(r)
                    assert code == 250, words
                code, words = s.data(f"From: {sender}\r\nSubject: many\r\n\r\nhello\r\n".encode())
                assert code == 250, words
                ids.append(words.decode().split()[1])
        return ids

    def stop(self):
        self.box.stop()
        for r in self.servers.values():
            r.close()
        self.dns.stop()


@pytest.fixture(scope="module")
def scene():
    directory = tempfile.mkdtemp(prefix="ulak-fair.")
    s = Scene(directory)
    yield s
    s.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_one_mail_does_not_wait_for_fifteen_hundred(scene):
    """The crowd came first and fills the window; another tenant and another sender of its own come last."""
    box, server = scene.box, scene.servers["crowded"]
    server.gate.clear()
    server.hold = 0.01
    box.cli("destination", "set", "crowded.example", "concurrency=1", "recipients=1")
    scene.relay("news@crowd.example", *[[f"c{i}-{j}@crowded.example" for j in range(100)] for i in range(15)])
    wait_for(lambda: server.now == 1, what="the first of the crowd")
    scene.relay("jo@small.example", ["jo-has-one@crowded.example"])
    scene.relay("al@crowd.example", ["al-has-one@crowded.example"])
    server.gate.set()
    wait_for(lambda: {"jo-has-one@crowded.example", "al-has-one@crowded.example"} <= set(server.order), 60, "both")
    assert server.order.index("jo-has-one@crowded.example") < 500, "it waited for the crowd"
    assert server.order.index("al-has-one@crowded.example") < 500, "it waited for the crowd"
    box.cli("queue", "delete", "--yes", "--route", "crowded.example")


def test_two_domains_with_the_same_hosts(scene):
    """Two connections at a time, for both together, whichever has them; in different lanes or not."""
    box, server = scene.box, scene.servers["shared"]
    server.hold = 0.05
    for domain in ("one-of", "two-of"):
        box.cli("destination", "set", domain + ".example", "concurrency=2")
    for i in range(6):
        for domain in ("one-of", "two-of"):
            scene.relay("jo@small.example", [f"r{i}@{domain}.example"])
    wait_for(lambda: len(server.order) == 12, 60, "all of both")
    assert server.most <= 2
    assert sorted(server.order) == sorted(f"r{i}@{d}.example" for i in range(6) for d in ("one-of", "two-of"))


def throttled(box, route):
    return [row for row in box.cli_json("queue", "list", "--route", route) if row.get("throttled")]


def where(box, rcpt, sender, kind):
    """What `ulak route` says of it, without sending: its exit status, and the rows of that kind."""
    out = box.cli("route", "test", rcpt, "--sender", sender, "--json", check=False)
    return out.returncode, {s["address"]: s["what"] for s in json.loads(out.stdout)["steps"] if s["kind"] == kind}


def test_a_sender_and_a_tenant_are_throttled(scene):
    """What is over it waits and says why; others' mail goes; a restart gives no burst; a change is for what waits."""
    box, server = scene.box, scene.servers["open"]
    box.cli("throttle", "set", "sender:Much@small.example", "mails=2", "period=1h", "burst=2")
    box.cli("throttle", "set", "tenant:crowd.example", "mails=1", "period=1d", "burst=1")
    assert [(t["subject"], t["mails"], t["period"], t["burst"]) for t in box.cli_json("throttle", "list")] == [
        ("sender:much@small.example", 2, 3600, 2), ("tenant:crowd.example", 1, 86400, 1)]
    scene.relay("much@small.example", *[[f"much{i}@open.example"] for i in range(5)])
    scene.relay("one@crowd.example", ["one@open.example"])
    scene.relay("two@crowd.example", ["two@open.example"])
    scene.relay("free@small.example", ["free@open.example"])
    wait_for(lambda: len(server.order) == 4, 30, "what may go")
    assert sorted(r[:3] for r in server.order).count("muc") == 2 and "free@open.example" in server.order
    wait_for(lambda: len(throttled(box, "open.example")) == 4, 20, "the others to say why")
    rows = throttled(box, "open.example")
    assert {row["throttled"] for row in rows} == {"sender:much@small.example", "tenant:crowd.example"}
    assert all(row["state"] == "waiting" and "throttled by" in row["text"] for row in rows)
    # the database has it with the results
    wait_for(lambda: where(box, "x@open.example", "much@small.example", "throttle") == (3, {"sender:much@small.example": "waits"}),
             20, "the sender's to be told")
    assert where(box, "x@open.example", "one@crowd.example", "throttle") == (3, {"tenant:crowd.example": "waits"})
    assert where(box, "x@open.example", "free@small.example", "throttle") == (0, {})
    assert box.cli_json("throttle", "show", "tenant:crowd.example")[0]["until"]
    box.stop()
    box.start()
    scene.relay("free@small.example", ["after@open.example"])
    wait_for(lambda: "after@open.example" in server.order, 30, "mail after the restart")
    assert len(server.order) == 5 and len(throttled(box, "open.example")) == 4
    box.cli("throttle", "unset", "sender:much@small.example")
    box.cli("throttle", "set", "tenant:crowd.example", "mails=100")
    wait_for(lambda: len(server.order) == 8, 30, "what the change has let go")
    box.cli("throttle", "set", "tenant:crowd.example", "burst=50")
    wait_for(lambda: len(server.order) == 9, 30, "the last one")
    box.cli("throttle", "unset", "tenant:crowd.example")
    assert box.cli_json("throttle", "list") == []


def test_a_route_is_throttled(scene):
    box, server = scene.box, scene.servers["open"]
    before = len(server.order)
    box.cli("throttle", "set", "route:open.example", "mails=3", "period=1h", "burst=3")
    scene.relay("a@small.example", *[[f"route{i}@open.example"] for i in range(4)])
    wait_for(lambda: len(server.order) == before + 3, 30, "three of four")
    wait_for(lambda: [row["throttled"] for row in throttled(box, "open.example")] == ["route:open.example"], 20, "why")
    wait_for(lambda: where(box, "x@open.example", "a@small.example", "throttle") == (3, {"route:open.example": "waits"}), 20, "the same")
    box.cli("throttle", "unset", "route:open.example")
    wait_for(lambda: len(server.order) == before + 4, 30, "the fourth")


@pytest.mark.parametrize("args,why", [
    (["set", "small.example", "mails=1"], "cannot be throttled"),
    (["set", "sender:nobody", "mails=1"], "cannot be throttled"),
    (["set", "tenant:small.example", "mails=0"], "mails cannot be"),
    (["set", "tenant:small.example", "period=1h"], "how many"),
    (["set", "tenant:small.example", "mails=1", "period=1ms"], "period cannot be"),
    (["unset", "tenant:nobody.example"], ""),
    (["show", "tenant:nobody.example"], ""),
])
def test_throttles_are_refused(scene, args, why):
    out = scene.box.cli("throttle", *args, check=False)
    assert out.returncode in (1, 2, 64) and why in out.stderr, out


def test_a_new_address_warms_up(scene):
    """Each day a little more, while little is refused; who is over it waits and says why; then it is over."""
    box, server = scene.box, scene.servers["warm"]
    address = "192.0.2.120"  # what the configuration says
    box.cli("warmup", "add", address, "first=2", "growth=200", "day=1h")
    scene.relay("jo@small.example", *[[f"w{i}@warm.example"] for i in range(5)])
    wait_for(lambda: len(server.order) == 2, 30, "what may go today")
    wait_for(lambda: len(throttled(box, "warm.example")) == 3, 20, "the others to say why")
    assert {row["throttled"] for row in throttled(box, "warm.example")} == {"warmup"}
    wait_for(lambda: where(box, "x@warm.example", "jo@small.example", "warmup") == (3, {address: "used up"}), 20,
             "ulak route to say so: its host has no address of the other family")
    warm = box.cli_json("warmup", "show", address)[0]
    assert (warm["ceiling"], warm["sent"], warm["bad"]) == (2, 2, 0) and len(server.order) == 2
    box.stop()
    box.start()
    scene.relay("jo@small.example", ["w5@warm.example"])
    wait_for(lambda: len(throttled(box, "warm.example")) == 4, 20, "all to wait after a restart")
    assert len(server.order) == 2
    box.cli("warmup", "remove", address)
    wait_for(lambda: len(server.order) == 6, 30, "the others")
    # days of a second: 1, 2, 4, and with the fourth it is over
    box.cli("warmup", "add", address, "first=1", "growth=200", "until=8", "day=1s")
    scene.relay("jo@small.example", *[[f"v{i}@warm.example"] for i in range(30)])
    wait_for(lambda: len(server.order) == 36, 60, "all")
    wait_for(lambda: box.cli_json("warmup", "list")[0]["ceiling"] == 8, 20, "its end")
    box.cli("warmup", "remove", address)


def test_what_is_over_it_goes_by_the_other_family(scene):
    """IPv6 first; when its address has had its mails the rest goes by IPv4, and nothing waits."""
    box, four, six = scene.box, scene.servers["dual"], scene.servers["dual6"]
    box.cli("warmup", "add", OURS6, "first=2", "growth=200", "day=1h")
    scene.relay("jo@small.example", *[[f"d{i}@dual.example"] for i in range(6)])
    wait_for(lambda: len(four.order) + len(six.order) == 6, 30, lambda: f"all of it: {box.cli('queue', 'list').stdout}")
    assert (len(six.order), len(four.order)) == (2, 4)
    wait_for(lambda: where(box, "x@dual.example", "jo@small.example", "warmup") == (0, {OURS6: "used up"}), 20, "ulak route to say so")
    assert box.cli_json("warmup", "show", OURS6)[0]["sent"] == 2 and not throttled(box, "dual.example")
    box.cli("warmup", "remove", OURS6)


@pytest.mark.parametrize("args,why", [
    (["add", "mx.small.example"], "no address"),
    (["add", "192.0.2.7", "first=0"], "first cannot be"),
    (["add", "192.0.2.7", "first=9", "until=9"], "begins with more"),
    (["add", "192.0.2.7", "growth=100"], "growth cannot be"),
    (["remove", "192.0.2.7"], ""),
    (["show", "192.0.2.7"], ""),
])
def test_warmups_are_refused(scene, args, why):
    out = scene.box.cli("warmup", *args, check=False)
    assert out.returncode in (1, 2, 64) and why in out.stderr, out


def test_who_becomes_suppressed_is_refused_at_once(scene):
    """A network's recipients are remembered for a moment while nobody is suppressed; and not a moment longer."""
    def rcpt(address):
        with smtplib.SMTP(scene.box.address, 25, timeout=60) as s:
            s.ehlo("client.box.example")
            s.mail("jo@small.example")
            return s.rcpt(address)[0]
    assert [rcpt("fine@open.example") for _ in range(3)] == [250] * 3
    scene.box.cli("suppress", "add", "small.example", "fine@open.example")
    assert rcpt("fine@open.example") == 550
    assert rcpt("other@open.example") == 250
    scene.box.cli("suppress", "remove", "small.example", "fine@open.example")
    assert rcpt("fine@open.example") == 250
