# SPDX-License-Identifier: ISC
"""Routes: smarthosts with a login, weights and TLS, LMTP, discard, error, by
sender, relay targets; and the mail hosts of domains, when they are odd."""
import base64
import hashlib
import hmac
import json
import os
import re
import select
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

from mua import compose, imap, submit
from receivers import Receiver
from world import PASSWORD, Dns, Ulak, add_address, tls_context, wait_for

USER = "user@box.example"
SECRET = "hop secret"


def certificate(directory, name):
    key, chain = os.path.join(directory, name + ".key"), os.path.join(directory, name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", chain, "-days", "2", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=DNS:" + name], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context, chain


class Hop(Receiver):
    """A smarthost: who has not logged in may not send."""
    mechanisms = ["PLAIN", "LOGIN"]
    needs_login = True

    def on_ehlo(self, c, line):
        c.logged_in = False
        c.helo = line.decode()
        extra = ["AUTH " + " ".join(self.mechanisms)] if self.mechanisms and (c.has_tls or not self.tls) else []
        self.extensions = Receiver.extensions + extra
        super().on_ehlo(c, line)

    def on_auth(self, c, line):
        words = line.decode().split(" ")
        ok = getattr(self, "auth_" + words[1].replace("-", "_").lower())(c, words[2:])
        c.logged_in = ok
        c.say("235 2.7.0 welcome" if ok else "535 5.7.8 wrong password")

    def auth_plain(self, c, words):
        return base64.b64decode(words[0]) == b"\0hop\0" + SECRET.encode()

    def auth_login(self, c, words):
        c.say("334 VXNlcm5hbWU6")
        user = base64.b64decode(c.line())
        c.say("334 UGFzc3dvcmQ6")
        return user == b"hop" and base64.b64decode(c.line()) == SECRET.encode()

    def auth_scram_sha_256(self, c, words):
        first = base64.b64decode(words[0]).decode()[3:]
        nonce = first.split("r=")[1] + "server"
        server = f"r={nonce},s={base64.b64encode(b'salt').decode()},i=4096"
        c.say("334 " + base64.b64encode(server.encode()).decode())
        final = base64.b64decode(c.line()).decode()
        auth = ",".join([first, server, final.rsplit(",p=", 1)[0]]).encode()
        salted = hashlib.pbkdf2_hmac("sha256", SECRET.encode(), b"salt", 4096)
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), auth, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        if base64.b64decode(final.rsplit(",p=", 1)[1]) != proof:
            return False
        v = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth, "sha256")
        c.say("334 " + base64.b64encode(b"v=" + base64.b64encode(v)).decode())
        return c.line() == b""

    def on_mail(self, c, line):
        if self.needs_login and not c.logged_in:
            c.say("530 5.7.0 log in first")
            return
        super().on_mail(c, line)


class Lmtp(Receiver):
    """RFC 2033: one reply for each recipient behind the dot."""

    def on_lhlo(self, c, line):
        self.on_ehlo(c, b"EHLO")

    def finish(self, c, data):
        with self.lock:
            self.mails.append((c.sender, list(c.rcpts), data))
        for r in c.rcpts:
            c.say("550 5.2.1 gone away" if "gone" in r else "452 4.2.2 full" if "full" in r else "250 2.1.5 in")
        c.reset()


class World:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dir = directory
        self.dns = Dns(os.path.join(directory, "dns"))
        self.receivers, n = {}, 0
        self.tls, self.ca = certificate(directory, "hop.hops.example")
        records = []

        def make(name, cls, **more):
            nonlocal n
            n += 1
            r = cls.__new__(cls)
            r.__dict__.update(more)
            Receiver.__init__(r, f"198.51.100.{100 + n}", name)
            self.receivers[name.split(".")[0]] = r
            records.append(f"{name}. IN A {r.address}")
            return r

        make("hop.hops.example", Hop, tls=self.tls)
        make("scram.hops.example", Hop, tls=self.tls, mechanisms=["PLAIN", "SCRAM-SHA-256"])
        make("bare.hops.example", Hop, mechanisms=["LOGIN"])
        make("open.hops.example", Receiver)
        make("second.hops.example", Receiver)
        make("lmtp.hops.example", Lmtp)
        own = make("own.hops.example", Receiver)
        dead = "198.51.100.99"
        add_address("198.51.100.80")
        records += [f"dead.hops.example. IN A {dead}", "four.hops.example. IN AAAA 2001:db8:77::99",
                    f"four.hops.example. IN A {own.address}",
                    "slow.example. IN MX 10 mx.slow.example.", "mx.slow.example. IN AAAA 2001:db8:78::1",
                    f"mx.slow.example. IN A {own.address}",
                    "box.example. IN MX 10 mx.box.example.", "mx.box.example. IN A 192.0.2.101",
                    "loop.example. IN MX 10 other.loop.example.", "loop.example. IN MX 20 own.hops.example.",
                    "other.loop.example. IN A 192.0.2.101",
                    "behind.example. IN MX 10 own.hops.example.", "behind.example. IN MX 20 other.loop.example.",
                    "outside.example. IN MX 10 mx.outside.example.", "mx.outside.example. IN A 203.0.113.77",
                    "beside.example. IN MX 10 own.hops.example.", "beside.example. IN MX 20 mx.outside.example.",
                    "sixes.example. IN MX 10 four.hops.example.",
                    "dangling.example. IN MX 5 nothing.hops.example.", "dangling.example. IN MX 10 own.hops.example.",
                    "aka.example. IN MX 5 mx.aka.example.", "mx.aka.example. IN CNAME own.hops.example."]
        for i in range(200):
            records += [f"many.example. IN MX {10 + i} h{i}.many.example.", f"h{i}.many.example. IN A {own.address}"]
        for name in ("a", "b", "c", "shut", "away", "never", "local", "clear", "scr", "wrong", "src", "shares", "xn--bcher-kva"):
            records.append(f"{name}.example. IN MX 10 own.hops.example.")
        self.dns.zone(".", [])
        self.dns.zone("example.", records)
        self.dns.start()
        self.box = Ulak(os.path.join(directory, "box"), "box.example", "192.0.2.101", self.dns,
                        {"outbound": ['retry_first = "2s"', 'retry_max = "4s"', 'connect_timeout = "60s"', 'fallback_delay = "300ms"', 'greeting_timeout = "30s"',
                                      'own_addresses = ["203.0.113.64/26", "2001:db8:79::1"]',
                                      f'authorities = "{self.ca}"']})
        self.box.init()
        self.box.start()

    def stop(self):
        self.box.stop()
        for r in self.receivers.values():
            r.close()
        self.dns.stop()

    def route(self, action, name, *pairs, password=None, check=True):
        more = ["--password-stdin"] if password else []
        return self.box.cli("route", action, name, *more, *pairs, stdin=password, check=check)

    def send(self, rcpts, sender=USER, body="hello\r\n"):
        rcpts = [rcpts] if isinstance(rcpts, str) else rcpts
        subject, message = compose(sender, rcpts[0], body=body)
        return subject, submit(self.box, sender, rcpts, message, user=USER).split()[-1]

    def at(self, name, subject, seconds=20):
        r = self.receivers[name]
        return wait_for(lambda: r.copies(subject), seconds, lambda: f"mail at {name}: {r.lines[-6:]} {self.queue()}")[0]

    def queue(self):
        return [(r["recipient"], r["route"], r["text"]) for r in self.box.cli_json("queue", "list")]


@pytest.fixture(scope="module")
def net():
    directory = tempfile.mkdtemp(prefix="ulak-route.")
    w = World(directory)
    yield w
    w.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_a_smarthost_with_login_and_verified_tls(net):
    net.route("add", "hop", "kind=smarthost", "hosts=hop.hops.example:25", "to=a.example", "user=hop",
              password=SECRET)
    subject, _ = net.send("x@a.example")
    net.at("hop", subject)
    assert not net.receivers["own"].copies(subject)
    shown = net.box.cli("route", "show", "hop", "--json").stdout
    assert '"password": "set"' in shown and SECRET not in shown
    assert SECRET not in net.box.log()


def test_scram_comes_first(net):
    net.route("add", "scram", "kind=smarthost", "hosts=scram.hops.example", "to=scr.example", "user=hop",
              "tls=encrypt", password=SECRET)
    subject, _ = net.send("x@scr.example")
    net.at("scram", subject)
    lines = [line for _, line in net.receivers["scram"].lines]
    assert any(line.startswith("AUTH SCRAM-SHA-256 ") for line in lines)
    assert not any(line.startswith("AUTH PLAIN") for line in lines)


def test_no_password_in_the_clear(net):
    net.route("add", "bare", "kind=smarthost", "hosts=bare.hops.example", "to=clear.example", "user=hop",
              "tls=may", password=SECRET)
    subject, _ = net.send("x@clear.example")
    wait_for(lambda: any("no login without TLS" in t for _, _, t in net.queue()) or
             "no login without TLS" in str(net.box.cli_json("queue", "list")), 20, "the refusal")
    assert not any(line.startswith("AUTH") for _, line in net.receivers["bare"].lines)
    net.route("set", "bare", "auth=clear")     # and what waits follows
    net.at("bare", subject)


def test_a_wrong_password_keeps_the_mail(net):
    net.route("add", "wrong", "kind=smarthost", "hosts=hop.hops.example", "to=wrong.example", "user=hop",
              "tls=encrypt", password="not it")
    subject, _ = net.send("x@wrong.example")
    wait_for(lambda: "event=route-login-refused" in net.box.log(), 20, "the operator's line")
    assert any(r["recipient"] == "x@wrong.example" for r in net.box.cli_json("queue", "list"))
    net.route("set", "wrong", password=SECRET)
    net.at("hop", subject)


def test_several_with_weights_one_dead(net):
    net.route("add", "many", "kind=smarthost", "to=b.example",
              "hosts=dead.hops.example*1000@1, open.hops.example*3@5, second.hops.example*1@5")
    subjects = [net.send(f"x{i}@b.example")[0] for i in range(2)]
    for s in subjects:
        wait_for(lambda: net.receivers["open"].copies(s) or net.receivers["second"].copies(s), 20, s)


def test_weights_are_shares_of_mails(net):
    """And not of connections: those are kept, and the one that is free first would have most of it."""
    net.route("add", "shares", "kind=smarthost", "to=shares.example",
              "hosts=open.hops.example*3, second.hops.example, dead.hops.example*4")
    with smtplib.SMTP(net.box.address, 587, timeout=60) as c:
        c.starttls(context=tls_context())
        c.login(USER, PASSWORD)
        subject, message = compose(USER, "x@shares.example")
        for i in range(80):
            c.sendmail(USER, [f"x{i}@shares.example"], message)

    def shares():
        got = [len(net.receivers[n].copies(subject)) for n in ("open", "second")]
        return sum(got) == 80 and got
    got = wait_for(shares, 40, "eighty mails")
    # those that found out about the dead one went to either
    assert 10 <= got[1] <= 30, got
    net.route("set", "shares", "hosts=open.hops.example*3, second.hops.example")
    subject, message = compose(USER, "x@shares.example")
    submit(net.box, USER, [f"y{i}@shares.example" for i in range(40)], message)   # one mail
    for i in range(39):
        submit(net.box, USER, ["z@shares.example"], message)
    wait_for(lambda: sum(len(net.receivers[n].copies(subject)) for n in ("open", "second")) == 40, 40, "forty mails")
    assert [len(net.receivers[n].copies(subject)) for n in ("open", "second")] == [30, 10]


def test_tls_required_and_not_offered(net):
    net.route("add", "must", "kind=smarthost", "hosts=open.hops.example", "to=c.example", "tls=encrypt")
    subject, _ = net.send("x@c.example")
    wait_for(lambda: "does not offer STARTTLS" in str(net.box.cli_json("queue", "list")), 20, "the reason")
    assert not net.receivers["open"].copies(subject)
    net.route("delete", "must")               # to its own mail hosts, then
    net.at("own", subject)


def test_lmtp_tells_each_recipient(net):
    net.route("add", "mailboxes", "kind=lmtp", "hosts=lmtp.hops.example:25", "to=local.example")
    subject, ident = net.send(["in@local.example", "gone@local.example", "full@local.example"])
    net.at("lmtp", subject)

    def settled():
        left = [r["recipient"] for r in net.box.cli_json("queue", "list") if "local.example" in r["recipient"]]
        return left == ["full@local.example"]
    wait_for(settled, 20, "one that waits")
    assert any(line.startswith("LHLO mx.box.example") for _, line in net.receivers["lmtp"].lines)
    net.box.cli("queue", "delete", "--yes", "--recipient", "full@local.example")


def test_discard_and_error(net):
    net.route("add", "away", "kind=discard", "to=away.example")
    net.route("add", "never", "kind=error", "to=never.example", "reply=550 5.7.1 no mail for them")
    _, ident = net.send("x@away.example")
    wait_for(lambda: "discarded" in net.box.cli("trace", ident).stdout, 20, "the event")
    assert not any("away.example" in r["recipient"] for r in net.box.cli_json("queue", "list"))
    with pytest.raises(AssertionError, match="no mail for them"):
        net.send("x@never.example")


def test_by_sender_and_from_an_address_of_ours(net):
    net.route("add", "door", "kind=mx", "from=user@box.example", "source=198.51.100.80", "helo=out.box.example")
    subject, ident = net.send("x@src.example")
    net.at("own", subject)
    assert any(line == "EHLO out.box.example" for _, line in net.receivers["own"].lines)
    out = net.box.cli("route", "test", "x@src.example", "--sender", USER)
    assert re.search("How it leaves:\n +out.box.example +EHLO .*\n +198.51.100.80 +IPv4 ", out.stdout), out.stdout
    net.route("delete", "door")


def test_targets_of_relay_domains(net):
    net.box.cli("domain", "add", "late.example", "kind=relay", "target=b.example")
    net.box.cli("domain", "rcpt", "add", "late.example", "*")
    subject, _ = net.send("x@late.example")
    wait_for(lambda: net.receivers["open"].copies(subject) or net.receivers["second"].copies(subject), 20, subject)


def test_our_own_address_among_the_mail_hosts(net):
    subject, ident = net.send("x@loop.example")
    wait_for(lambda: "5.4.6" in net.box.cli("trace", ident).stdout, 20, "the loop")
    subject, _ = net.send("x@behind.example")
    net.at("own", subject)


def test_an_address_of_ours_that_only_the_world_knows(net):
    """Behind a NAT no interface has it: outbound.own_addresses says so."""
    subject, ident = net.send("x@outside.example")
    wait_for(lambda: "5.4.6" in net.box.cli("trace", ident).stdout, 20, "the loop")
    answer, got = steps(net, "x@outside.example", status=1)
    assert answer == "bounces" and got["verdict"][0]["what"] == "554 5.4.6"
    subject, _ = net.send("x@beside.example")
    net.at("own", subject)


@pytest.mark.parametrize("domain", ["b\u00fccher.example", "sixes.example", "dangling.example", "aka.example", "many.example"])
def test_odd_mail_hosts(net, domain):
    rcpt = "x@" + domain.encode("idna").decode()
    subject, _ = net.send(rcpt)
    net.at("own", subject)


def test_refusals_say_why(net):
    for pairs, why in ((["kind=smarthost"], "needs hosts="), (["kind=mx", "to=a b"], "to= takes"),
                       (["kind=smarthost", "hosts=x:0"], "port"), (["kind=mx", "to=a.example"], "for the route hop"),
                       (["kind=banana"], "kind is"), (["tls=verify", "source=banana"], "source is")):
        out = net.route("add", "bad", *pairs, check=False)
        assert out.returncode == 1 and why in out.stderr, out.stderr


def steps(net, *args, status=0):
    out = net.box.cli("route", *args, "--json", check=False)
    assert out.returncode == status, out.stdout + out.stderr
    got = json.loads(out.stdout)
    return got["answer"], {k: [r for r in got["steps"] if r["kind"] == k]
                           for k in ("route", "hop", "dns", "host", "verdict", "rcpt", "destination", "target")}


def test_where_would_it_go(net):
    answer, got = steps(net, "x@a.example")
    assert answer == "goes" and got["route"][0]["what"] == "hop" and "recipient's domain" in got["route"][0]["text"]
    assert [h["address"] for h in got["host"]] == ["hop.hops.example"]
    assert got["hop"][0]["user"] == "hop" and SECRET not in str(got)
    answer, got = steps(net, "test", "x@dangling.example", "--sender", USER)
    assert answer == "goes" and got["route"][0]["what"] == "none"
    assert [h["address"] for h in got["host"]] == ["own.hops.example"]
    assert {d["what"] for d in got["dns"]} == {"MX", "A", "AAAA"} and "signed" in got["dns"][0]["text"]
    answer, got = steps(net, "x@loop.example", status=1)
    assert answer == "bounces" and got["verdict"][0]["what"] == "554 5.4.6"
    assert steps(net, "x@never.example", status=1)[0] == "bounces"
    assert steps(net, "x@away.example")[0] == "discarded"
    never = net.box.cli("route", "x@never.example", check=False)
    assert never.returncode == 1 and "RCPT would hear" in never.stdout and " 250 " not in never.stdout, never.stdout
    assert net.box.cli("route", USER).stdout.endswith("It stays here.\n")
    assert steps(net, "nobody@box.example", status=1)[1]["rcpt"][0]["what"].startswith("550")
    assert steps(net, USER)[1]["target"][0]["what"] == "mailbox"
    text = net.box.cli("route", "x@a.example").stdout
    assert "Hosts, in this order:" in text and text.endswith("It goes, to the first host that answers.\n")


def test_what_waits_would_wait(net):
    net.route("add", "shut", "kind=smarthost", "hosts=hop.hops.example:26", "to=shut.example")
    net.send("x@shut.example")
    wait_for(lambda: net.box.cli("route", "x@shut.example", check=False).returncode == 3, 20, "the destination")
    net.route("delete", "shut")
    net.box.cli("queue", "delete", "--yes", "--recipient", "x@shut.example")


def test_an_address_that_does_not_answer_costs_a_moment(net):
    """Its queue of connections is full, so that the kernel answers no more."""
    add_address("2001:db8:78::1")
    mute = socket.socket(socket.AF_INET6)
    mute.bind(("2001:db8:78::1", 25))
    mute.listen(0)
    # A busy kernel may answer several before it counts the first, or lose the first packet (the next comes after a second):
    # until one was answered and another is not.
    others, answered = [], True
    while answered or len(others) < 2:
        o = socket.socket(socket.AF_INET6)
        o.setblocking(False)
        o.connect_ex(("2001:db8:78::1", 25))
        others.append(o)
        answered = select.select([], [o], [], 2)[1]
    start = time.monotonic()
    subject, ident = net.send("x@slow.example")
    net.at("own", subject)
    assert time.monotonic() - start < 50  # connect_timeout is 60
    # answered all the same: then there is no greeting
    wait_for(lambda: re.search("no (answer|greeting) in time", net.box.cli("trace", ident).stdout),
             what=lambda: "the reason: " + net.box.cli("trace", ident).stdout)
    for s in others + [mute]:
        s.close()


class Implicit(Hop):
    """TLS before the greeting."""

    def greet(self, c):
        c.start_tls(self.tls)
        super().greet(c)

    def on_ehlo(self, c, line):
        super().on_ehlo(c, line)


def test_tls_from_the_first_octet(net):
    hop = Implicit.__new__(Implicit)
    hop.tls = net.tls
    add_address("198.51.100.70")
    Receiver.__init__(hop, "198.51.100.70", "smtps.hops.example")
    net.receivers["smtps"] = hop
    net.route("add", "smtps", "kind=smarthost", "hosts=[198.51.100.70]", "implicit=yes", "tls=encrypt", "user=hop",
              "to=scr2.example", password=SECRET)
    subject, _ = net.send("x@scr2.example")
    net.at("smtps", subject)
    assert not any(line.startswith("STARTTLS") for _, line in hop.lines)
    net.box.cli("domain", "add", "inner.example", "kind=relay", "target=route:smtps")   # a target may be a route
    net.box.cli("domain", "rcpt", "add", "inner.example", "*")
    subject, _ = net.send("x@inner.example")
    net.at("smtps", subject)
    assert net.box.cli("route", "delete", "smtps", check=False).returncode == 1


def test_a_domain_in_utf8_goes_out_in_a_labels(net):
    subject, message = compose(USER, "x@b.example")
    with smtplib.SMTP(net.box.address, 587, timeout=30) as c:
        c.starttls(context=tls_context())
        c.login(USER, PASSWORD)
        c.command_encoding = "utf-8"
        assert c.docmd("MAIL", f"FROM:<{USER}> SMTPUTF8")[0] == 250
        assert c.docmd("RCPT", "TO:<x@b\u00fccher.example>")[0] == 250
        assert c.data(message)[0] == 250
    assert net.at("own", subject)[1] == ["x@xn--bcher-kva.example"]
