# SPDX-License-Identifier: ISC
"""From whom mail is taken: proxies, names, lists, limits, early talkers.

A server of its own, with lists of senders in zones that nsd serves, a list
that is dead, and listeners behind a proxy. Everybody speaks from the server's
own address (that is how loopback works), so other clients are played by PROXY
and XCLIENT.
"""
import os
import re
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time

import pytest

from world import PATIENCE, add_address, Dns, Ulak, soon, tls_context, wait_for
from test_transcripts import LIVE

ADDRESS, DNS = "192.0.2.9", "192.0.2.54"
HOST = "mx.from.example"
ALICE = "alice@one.example"


def merge(lines, more):
    by_key = {line.split(" = ")[0]: line for line in lines + more}
    return list(by_key.values())


class Server(Ulak):
    """With listeners that only proxies may use, one hundred ports above."""

    def toml(self):
        more = ""
        for service, port in self.PORTS.items():
            more += (f'[[listener]]\nservice = "{service}"\naddress = "{self.address}"\nport = {port + 10000}\n'
                     f'proxy = ["{self.address}", "2001:db8::/32"]\n\n')
        return super().toml() + "\n" + more

    def restart(self, **sections):
        self.stop()
        self.extra = {k: merge(BASE.get(k, []), sections.get(k, [])) for k in {**BASE, **sections}}
        with open(self.config, "w") as f:
            f.write(self.toml())
        self.start()


BASE = {
    "smtp": ["max_per_client = 100000", f'xclient = ["{ADDRESS}"]', 'tarpit_delay = "50ms"', 'lookup_timeout = "30s"'],
    "clients": [f'exempt = ["127.0.0.0/8", "{ADDRESS}", "192.0.2.77"]'],
    "dnsbl": ['lists = ["bl.lists.example 2 127.0.0.2-11", "wl.lists.example -5", "small.lists.example 1"]',
              "threshold = 2"],
}


@pytest.fixture(scope="module")
def dns():
    directory = tempfile.mkdtemp(prefix="ulak-from-dns.")
    os.chmod(directory, 0o755)
    d = Dns(directory, DNS)
    d.zone(".", [])
    d.zone("example.", [
        f"{HOST}. IN A {ADDRESS}", f"one.example. IN MX 1 {HOST}.",
        "mx.client.example. IN A 198.18.0.1", "liar.example. IN A 198.18.0.200",
        "*.nowhere.example. IN A 192.0.2.1"])
    d.zone("lists.example.", [
        # RFC 5782: the client's octets, backwards
        "66.100.51.198.bl IN A 127.0.0.2", '66.100.51.198.bl IN TXT "listed for a test"',
        "67.100.51.198.bl IN A 127.0.0.2", "67.100.51.198.wl IN A 127.0.0.5",
        "68.100.51.198.bl IN A 127.0.0.99", "69.100.51.198.small IN A 127.0.0.2",
        "70.100.51.198.bl IN A 127.255.255.254", "71.100.51.198.bl IN A 203.0.113.1",
        "bad.example.rhs IN A 127.0.1.2", "m1.shady.example.rhs IN A 127.0.1.2", "mx.client.example.rhs IN A 127.0.1.4",
        "shady.example.rhs IN A 127.0.0.99", "good.example.rhswl IN A 127.0.0.2", "odd.example.rhslight IN A 127.0.0.2",
        "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl IN A 127.0.0.3",
        # nobody is at that address: a list that never answers
        "dead IN NS ns.dead.lists.example.", "ns.dead IN A 192.0.2.254"])
    # not a range of the documentation: libunbound answers those itself
    d.zone("0.18.198.in-addr.arpa.", ["1 IN PTR mx.client.example.", "2 IN PTR liar.example.",
                                        "3 IN PTR mx.client.example."])
    d.start()
    add_address("192.0.2.254")
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("192.0.2.254", 53))
    yield d
    silent.close()
    d.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def server(dns):
    directory = tempfile.mkdtemp(prefix="ulak-from.")
    os.chmod(directory, 0o755)
    s = Server(os.path.join(directory, "s"), "one.example", ADDRESS, dns, extra=BASE)
    s.host = HOST
    s.init("user@one.example")
    s.start()
    for name in ("alice", "bob"):
        s.account(name + "@one.example", "correct horse")
    yield s
    s.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def plain(server):
    """The server as BASE has it."""
    if server.extra is not BASE:
        server.restart()
        server.extra = BASE
    return server


# -- a client ------------------------------------------------------------------

def proxy2(source, command=0x21, tlv=b"", family=None):
    if source is None:
        return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20, 0]) + struct.pack(">H", len(tlv)) + tlv
    if ":" in source:
        ends, kind = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "2001:db8::25"), 0x21
    else:
        ends, kind = socket.inet_aton(source) + socket.inet_aton(ADDRESS), 0x11
    body = ends + struct.pack(">HH", 4660, 25) + tlv
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family or kind]) + struct.pack(">H", len(body)) + body


def proxy1(source):
    is_6 = ":" in source
    return f"PROXY TCP{6 if is_6 else 4} {source} {'2001:db8::25' if is_6 else ADDRESS} 4660 25\r\n".encode()


class Talk:
    def __init__(self, port=25, first=b"", tls=False, greet=True):
        self.sock = socket.create_connection((ADDRESS, port), timeout=20 * PATIENCE)
        if first:
            self.sock.sendall(first)
        if tls:
            self.sock = tls_context().wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")
        self.greeting = self.reply() if greet else None

    def line(self):
        return self.file.readline().decode("latin-1").rstrip("\r\n")

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")
        return self.reply()

    def waits(self):
        """There is nothing to read yet."""
        return not select.select([self.sock], [], [], 0)[0]

    def ended(self):
        try:
            return self.sock.recv(1000) == b""
        except ConnectionResetError:
            return True

    def envelope(self, sender="a@client.example", rcpt=ALICE):
        self.say("EHLO client.example")
        assert self.say(f"MAIL FROM:<{sender}>").startswith("250")
        return self.say(f"RCPT TO:<{rcpt}>")

    def data(self, subject="hello"):
        assert self.say("DATA").startswith("354")
        return self.say(f"Subject: {subject}\r\n\r\nhello\r\n.")


def as_client(ip, greet=True):
    return Talk(10025, proxy2(ip), greet=greet)


def fetch(server, subject):
    """The source of alice's mail with that subject."""
    t = Talk(993, tls=True)

    def command(text):
        t.sock.sendall(b"x " + text.encode() + b"\r\n")
        out = b""
        while True:
            line = t.file.readline()
            out += line
            assert line
            if line.startswith(b"x "):
                assert line.startswith(b"x OK"), line
                return out
    command("LOGIN alice@one.example \"correct horse\"")
    command("SELECT INBOX")
    found = re.search(rb"SEARCH ([0-9 ]+)", command(f'SEARCH SUBJECT "{subject}"'))
    assert found, subject
    return command(f"FETCH {found[1].split()[-1].decode()} BODY[]").decode()


def new_log(server, since):
    return server.log()[since:]


# -- PROXY ---------------------------------------------------------------------

@pytest.mark.parametrize("first,seen", [
    (proxy2("198.51.100.9"), "198.51.100.9"),
    (proxy2("2001:db8::99"), "IPv6:2001:db8::99"),
    (proxy2("198.51.100.10", tlv=b"\x05\0\x02id\x04\0\0"), "198.51.100.10"),
    (proxy2("::ffff:198.51.100.11"), "198.51.100.11"),
    (proxy2(None), ADDRESS),
    (proxy1("198.51.100.12"), "198.51.100.12"),
    (proxy1("2001:db8::98"), "IPv6:2001:db8::98"),
    (b"PROXY UNKNOWN\r\n", ADDRESS),
], ids=["v2", "v2-ipv6", "v2-tlv", "v2-mapped", "v2-local", "v1", "v1-ipv6", "v1-unknown"])
def test_proxy_names_the_client(plain, first, seen):
    t = Talk(10025, first)
    assert t.greeting.startswith("220"), t.greeting
    assert t.envelope().startswith("250")
    subject = f"proxy {seen} {len(first)}"
    assert t.data(subject).startswith("250")
    assert f"[{seen}]" in fetch(plain, subject).split("\r\n\tby")[0]


def test_proxy_header_in_pieces(plain):
    s = socket.create_connection((ADDRESS, 10025), timeout=20 * PATIENCE)
    for byte in proxy2("198.51.100.9"):
        s.sendall(bytes([byte]))
        time.sleep(0.002)
    assert s.recv(100).startswith(b"220")


@pytest.mark.parametrize("first", [
    b"EHLO client.example\r\n",
    b"\r\n\r\n\0\r\nQUIX\n" + b"x" * 20,
    proxy2("198.51.100.9", command=0x31),
    proxy2("198.51.100.9", command=0x22),
    proxy2("198.51.100.9", family=0x12),
    proxy2("198.51.100.9", tlv=b"\x05\0\x09id"),
    b"\r\n\r\n\0\r\nQUIT\n!\x11\xff\xff",
    b"PROXY TCP4 198.51.100.9 192.0.2.9 99999 25\r\n",
    b"PROXY TCP4 198.51.100.9\r\n",
    b"PROXY " + b"x" * 200,
], ids=["smtp", "signature", "version", "command", "datagram", "tlv", "length", "v1-port", "v1-short", "v1-long"])
def test_proxy_wrong_header_ends_it_with_one_event(plain, first):
    since = len(plain.log())
    t = Talk(10025, first, greet=False)
    assert t.ended()
    wait_for(lambda: "event=proxy-refused" in new_log(plain, since), what="the event")
    assert new_log(plain, since).count("event=proxy-refused") == 1


def test_proxy_half_a_header_and_gone(plain):
    since = len(plain.log())
    socket.create_connection((ADDRESS, 10025)).sendall(b"\r\n\r\n\0\r\nQU")
    wait_for(lambda: "closed before its end" in new_log(plain, since), what="the event")


def test_proxy_is_not_read_where_it_is_not_asked_for(plain):
    t = Talk(25)
    assert t.say("PROXY TCP4 198.51.100.9 192.0.2.9 1 25").startswith("500")


@pytest.mark.parametrize("port", [10465, 10993, 10995])
def test_proxy_before_tls(plain, port):
    t = Talk(port, proxy2("198.51.100.9"), tls=True)
    assert t.greeting.startswith(("220", "* OK", "+OK"))
    # the same without a header is no handshake to it
    with pytest.raises((ssl.SSLError, OSError)):
        Talk(port, tls=True)


@pytest.mark.parametrize("port", [10143, 10110, 10587])
def test_proxy_other_services(plain, port):
    assert Talk(port, proxy1("198.51.100.9")).greeting.startswith(("220", "* OK", "+OK"))


# -- names ---------------------------------------------------------------------

@pytest.mark.parametrize("ip,name", [
    ("198.18.0.1", "mx.client.example"),
    ("198.18.0.2", None),   # its name points elsewhere
    ("198.18.0.3", None),   # somebody else's good name
    ("198.18.0.4", None),   # none
], ids=["both-ways", "liar", "borrowed", "none"])
def test_reverse_name_stands_in_received(plain, ip, name):
    t = as_client(ip)
    assert t.envelope().startswith("250")
    subject = f"name of {ip}"
    assert t.data(subject).startswith("250")
    received = fetch(plain, subject).split("\r\n\tby")[0]
    if name:
        assert f"({name} [{ip}])" in received
    else:
        assert f"([{ip}])" in received and "liar" not in received


def test_require_reverse_dns(server):
    server.restart(smtp=["require_reverse_dns = true"])
    assert as_client("198.18.0.1").envelope().startswith("250")
    assert as_client("198.18.0.2").envelope().startswith("450 4.7.25")
    assert as_client("198.18.0.4").envelope().startswith("450 4.7.25")
    assert as_client("198.18.0.4").envelope(rcpt="postmaster@one.example").startswith("250")


# -- lists ---------------------------------------------------------------------

@pytest.mark.parametrize("ip,code", [
    ("198.51.100.66", "554 5.7.1"),
    ("2001:db8::9", "554 5.7.1"),
    ("198.51.100.67", "250"),  # a list of good ones excuses it
    ("198.51.100.68", "250"),  # another reason than those that count
    ("198.51.100.69", "250"),  # below the threshold
    ("198.51.100.70", "250"),  # an error of the list
    ("198.51.100.71", "250"),  # a parked name
    ("198.51.100.72", "250"),
], ids=["listed", "ipv6", "excused", "other-reason", "light", "error", "parked", "unknown"])
def test_dnsbl(plain, ip, code):
    t = as_client(ip)
    assert t.greeting.startswith("220")
    reply = t.envelope()
    assert reply.startswith(code), reply
    if ip == "198.51.100.66":
        assert "bl.lists.example" in reply and "listed for a test" in reply and f"postmaster@{HOST}" in reply
        assert t.say("RCPT TO:<postmaster@one.example>").startswith("250")
        assert t.say("RCPT TO:<abuse@one.example>").startswith(("250", "550 5.1.1"))


def test_dnsbl_tags_what_is_taken(plain):
    t = as_client("198.51.100.69")
    t.envelope()
    t.data("tagged")
    assert "\r\nX-Ulak-Lists: small.lists.example=127.0.0.2 score=1\r\n" in fetch(plain, "tagged")


def test_dnsbl_spares_who_logs_in(plain):
    t = Talk(10587, proxy2("198.51.100.66"))
    t.say("EHLO x")
    assert t.say("STARTTLS").startswith("220")
    t.sock = tls_context().wrap_socket(t.sock)
    t.file = t.sock.makefile("rb")
    t.say("EHLO x")
    assert t.say("AUTH PLAIN AGFsaWNlQG9uZS5leGFtcGxlAGNvcnJlY3QgaG9yc2U=").startswith("235")
    assert t.say("MAIL FROM:<alice@one.example>").startswith("250")
    assert t.say(f"RCPT TO:<{ALICE}>").startswith("250")


def test_dead_list_passes_with_one_event(server):
    server.restart(smtp=['lookup_timeout = "1500ms"'], dnsbl=['lists = ["dead.lists.example 5", "bl.lists.example 2"]'])
    since = len(server.log())
    for i in range(8):
        assert as_client(f"198.51.100.{100 + i}").envelope().startswith("250")
    # the living one still counts
    wait_for(lambda: as_client("198.51.100.66").envelope().startswith("554 5.7.1"), what="an answer in time")
    log = new_log(server, since)
    assert log.count("event=dns-list-dead") == 1, log
    assert "list=dead.lists.example" in log
    # once that is known nobody waits for it
    assert soon(1, lambda: as_client("198.51.100.120").envelope()).startswith("250")


def test_slow_lookups_hold_nobody_else(server):
    server.restart(smtp=['lookup_timeout = "12s"'], dnsbl=['lists = ["dead.lists.example 5"]'])
    slow = as_client("198.51.100.1")
    slow.say("EHLO client.example")
    slow.say("MAIL FROM:<a@client.example>")
    slow.sock.sendall(f"RCPT TO:<{ALICE}>\r\n".encode())
    other = Talk(25)  # exempt: waits for no list
    assert other.envelope().startswith("250")
    assert other.data("meanwhile").startswith("250")
    assert slow.waits(), "the other came first"
    assert slow.reply().startswith("250")


def test_dead_resolver_harms_nobody(server):
    server.restart(smtp=['lookup_timeout = "1s"'])
    server.kill_role("resolver")
    assert as_client("198.51.100.66").envelope().startswith(("250", "554"))
    wait_for(lambda: as_client("198.51.100.66").envelope().startswith("554"), what="the resolver's return")


# -- limits --------------------------------------------------------------------

def test_connections_of_a_network(server):
    server.restart(clients=["open = 3", "open_users = 2"])
    mine = [as_client(f"198.51.100.{i}") for i in range(3)]
    one_more = as_client("198.51.100.200")
    assert one_more.greeting.startswith("421 mx.from.example too many"), one_more.greeting
    assert one_more.ended()
    assert as_client("203.0.113.1").greeting.startswith("220")
    # another service has a measure of its own
    users = [Talk(10143, proxy2("198.51.100.1")), Talk(10110, proxy2("198.51.100.2"))]
    assert Talk(10143, proxy2("198.51.100.3")).greeting.startswith("* BYE")
    assert Talk(10110, proxy2("198.51.100.3")).greeting.startswith("-ERR")
    assert "event=network-limit" in server.log()
    mine[0].say("QUIT")
    wait_for(lambda: as_client("198.51.100.201").greeting.startswith("220"), what="room again")
    del users


def test_connections_in_a_minute(server):
    server.restart(clients=["connections = 5"])
    for i in range(5):
        assert as_client("2001:db8::1").say("QUIT").startswith("221")
    # what comes in a minute drains in a minute: on a busy machine one more may have room
    wait_for(lambda: as_client("2001:db8::ffff").greeting.startswith("421 mx.from.example too many"), what="the limit")
    assert as_client("2001:db8:0:1::1").greeting.startswith("220")
    assert Talk(25).greeting.startswith("220")  # exempt


def test_harvest(server):
    server.restart(clients=["unknown_recipients = 5"], smtp=["tarpit_after = 0"])
    t = as_client("198.51.100.5")
    t.say("EHLO client.example")
    t.say("MAIL FROM:<a@client.example>")
    for i in range(8):
        t.say(f"RCPT TO:<nobody{i}@one.example>")
    t.say("QUIT")
    wait_for(lambda: as_client("198.51.100.6").greeting.startswith("421 mx.from.example too many"), what="the limit")
    assert as_client("203.0.113.6").greeting.startswith("220")


def test_limit_is_felt_within_a_session(server):
    server.restart(clients=["mails = 2"])
    t = as_client("198.51.100.5")
    replies = []
    for i in range(40 * int(PATIENCE)):
        r = t.say("EHLO client.example") and t.say("MAIL FROM:<a@client.example>")
        if not r.startswith("250"):
            break
        t.say(f"RCPT TO:<{ALICE}>")
        replies.append(t.data("many"))
        time.sleep(0.1)
    assert r.startswith("421 4.7.0"), r
    assert t.ended()


def test_limits_hold_over_all_fronts(server):
    server.stop()
    with open(server.config) as f:
        text = f.read()
    server.extra = {**BASE, "clients": merge(BASE["clients"], ["open = 4"])}
    with open(server.config, "w") as f:
        f.write(server.toml().replace("[server]", "[server]\nfronts = 3", 1))
    server.start()
    open_now = [as_client("198.51.100.1") for _ in range(20)]
    served = [t for t in open_now if t.greeting.startswith("220")]
    assert len(served) == 4
    # a front that dies takes its connections out of the count
    for pid in server.roles()["mx"]:
        os.kill(pid, signal.SIGKILL)

    def served_again():
        try:
            return as_client("198.51.100.1").greeting.startswith("220")
        except OSError:
            return False
    wait_for(served_again, what="room again")
    with open(server.config, "w") as f:
        f.write(text)


# -- early talkers, haste, tarpit ------------------------------------------------

def test_early_talker(server):
    server.restart(smtp=['greet_delay = "500ms"'])
    begun = time.monotonic()
    assert as_client("198.51.100.1").greeting.startswith("220")
    assert time.monotonic() - begun >= 0.5
    t = Talk(10025, proxy2("198.51.100.1") + b"EHLO client.example\r\n")
    assert t.greeting.startswith("554"), t.greeting
    assert t.reply().startswith("503 5.5.1")
    assert t.say("QUIT").startswith("221")
    assert "event=early-talker" in server.log()
    assert soon(0.4, lambda: Talk(25)).greeting.startswith("220")  # exempt: no wait
    server.restart(smtp=['greet_delay = "500ms"', "refuse_early_talkers = false"])
    t = Talk(10025, proxy2("198.51.100.1") + b"EHLO client.example\r\n")
    assert t.greeting.startswith("220")
    assert t.reply().startswith("250")


def test_gone_while_waiting(server):
    server.restart(smtp=['greet_delay = "10s"'])
    for _ in range(50):
        as_client("198.51.100.1", greet=False).sock.close()
    assert Talk(25).greeting.startswith("220")


def test_tarpit(server):
    server.restart(smtp=["tarpit_after = 3", 'tarpit_delay = "200ms"'])

    def in_time():
        """A client that errs seven times; whether no reply came much later than it should."""
        t, times = as_client("198.51.100.1"), []
        for _ in range(7):
            begun = time.monotonic()
            assert t.say("SHOE").startswith("500")
            times.append(time.monotonic() - begun)
        assert all(took >= 0.2 * n for n, took in enumerate(times[3:], 1)), times
        return max(times[:3]) < 0.15 and all(took < 0.2 * n + 0.5 for n, took in enumerate(times[3:], 1)) and t
    t = wait_for(in_time, what="replies in time")
    soon(0.15, lambda: t.say("NOOP"))
    # everybody else is served meanwhile

    def others_first():
        t.sock.sendall(b"SHOE\r\n")
        is_first = as_client("198.51.100.2").envelope().startswith("250") and t.waits()
        return t.reply().startswith("500") and is_first
    wait_for(others_first, what="another client to come before a reply that is late")
    t.sock.sendall(b"SHOE\r\nSHOE\r\n")
    t.sock.close()  # and nothing breaks
    assert Talk(25).say("NOOP").startswith("250")


# -- transcripts -----------------------------------------------------------------

def live(*flags):
    return subprocess.run(["/usr/bin/python3", LIVE, *flags, ADDRESS, "25"], capture_output=True, text=True, timeout=300)


def test_transcripts_xclient(server):
    server.restart(greylist=["enabled = true", 'delay = "300s"'])
    out = live("--word", "xclient")
    assert out.returncode == 0, out.stdout + out.stderr
    assert "event=xclient" in server.log()


def test_transcripts_strict(server):
    server.restart(smtp=["strict_pipelining = true"])
    out = live("--word", "strict")
    assert out.returncode == 0, out.stdout + out.stderr
    assert "event=hasty-client" in server.log()


def test_xclient_moves_limits_and_names(plain):
    t = Talk(25)
    t.say("EHLO front.example")
    assert t.say("XCLIENT NAME=mx.said.example ADDR=198.51.100.5 HELO=said.example").startswith("220")
    assert t.envelope().startswith("250")
    t.data("by xclient")
    assert "from said.example (mx.said.example [198.51.100.5])" in fetch(plain, "by xclient")
    assert as_client("198.51.100.5").say("XCLIENT ADDR=192.0.2.77").startswith("550 5.7.0")


def test_greylist(server):
    server.restart(greylist=["enabled = true", 'delay = "2s"', "enough = 2"])

    def rcpt(ip, sender, to=ALICE):
        return as_client(ip).envelope(sender, to)
    assert rcpt("203.0.113.1", "bounce+1@m1.shop.example").startswith("451 4.7.1")
    begun = time.monotonic()
    reply = rcpt("203.0.113.1", "bounce+1@m1.shop.example")
    assert reply.startswith("451 4.7.1") or time.monotonic() - begun > 1.5  # too soon
    assert rcpt("203.0.113.1", "nobody@shop.example", "postmaster@one.example").startswith("250")
    assert rcpt("203.0.113.1", "x@shop.example", "nobody@one.example").startswith("550")
    time.sleep(2.2)
    # another host of its network, another address of its organisation
    assert rcpt("203.0.113.9", "bounce+2@m2.shop.example").startswith("250")
    assert rcpt("203.0.114.9", "bounce+2@m2.shop.example").startswith("451")
    assert rcpt("203.0.113.9", "a@other.example").startswith("451")
    time.sleep(2.2)
    assert rcpt("203.0.113.9", "a@other.example").startswith("250")
    # it has passed often enough: nobody of that network waits any more
    assert rcpt("203.0.113.77", "a@third.example").startswith("250")
    assert Talk(25).envelope().startswith("250")  # exempt


def test_greylist_outlives_a_restart(server):
    server.restart(greylist=["enabled = true", 'delay = "1s"'])

    def rcpt(ip, sender):
        return as_client(ip).envelope(sender)

    def rows(*which):
        return {(r["client"], r["sender"], r["state"]) for r in server.cli_json("greylist", "list", *which)}
    assert rcpt("203.0.115.1", "a@known.example").startswith("451 4.7.1")
    assert rcpt("203.0.115.1", "a@waits.example").startswith("451 4.7.1")
    assert rcpt("198.18.0.1", "a@named.example").startswith("451 4.7.1")
    time.sleep(1.1)
    assert rcpt("203.0.115.2", "b@known.example").startswith("250")
    net = "203.0.115.0/24"
    assert rows("--client", net) == {(net, "known.example", "known"), (net, "waits.example", "waiting"), (net, "", "client")}
    assert rows("--sender", "named.example") == {("client.example", "named.example", "waiting")}
    server.stop()
    server.start()
    assert rows("--client", net) == {(net, "known.example", "known"), (net, "waits.example", "waiting"), (net, "", "client")}
    assert rcpt("203.0.115.3", "c@known.example").startswith("250")
    assert rcpt("203.0.115.3", "c@waits.example").startswith("250")
    # a person helps
    assert server.cli("greylist", "remove", "--sender", "known.example").stdout == "1 row\n"
    assert rcpt("203.0.115.3", "c@known.example").startswith("451")
    server.cli("greylist", "allow", "203.0.112.0/21", "--note", "a test")
    server.cli("greylist", "allow", "Client.example")
    assert [r["client"] for r in server.cli_json("greylist", "allowed")] == ["203.0.112.0/21", "client.example"]
    wait_for(lambda: rcpt("203.0.115.3", "c@known.example").startswith("250"), what="the allowed network")
    assert rcpt("198.18.0.1", "a@other.example").startswith("250")
    assert rcpt("198.18.0.2", "a@other.example").startswith("451")
    server.cli("greylist", "disallow", "203.0.112.0/21")
    wait_for(lambda: rcpt("203.0.115.3", "d@third.example").startswith("451"), what="the end of it")
    assert server.cli("greylist", "disallow", "203.0.112.0/21", check=False).returncode == 1
    assert server.cli("greylist", "allow", "not a client", check=False).returncode == 1
    server.kill_role("store")
    wait_for(lambda: server.cli("greylist", "list", check=False).returncode == 0, what="the store's return")
    # what came within the last two seconds may be lost
    assert {(net, "waits.example", state) for state in ("waiting", "known")} & rows("--client", net)
    server.cli("greylist", "remove", "--all")
    assert rows() == set()
    # a domain of its own mind
    assert rcpt("203.0.116.1", "a@known.example").startswith("451")
    server.cli("domain", "set", "one.example", "greylist=off")
    assert rcpt("203.0.116.1", "a@known.example").startswith("250")
    server.cli("domain", "set", "one.example", "greylist=default")
    assert rcpt("203.0.116.2", "a@other.example").startswith("451")
    server.restart()
    assert rcpt("203.0.116.2", "a@third.example").startswith("250")
    server.cli("domain", "set", "one.example", "greylist=on")
    assert rcpt("203.0.116.3", "a@fourth.example").startswith("451")
    server.cli("domain", "set", "one.example", "greylist=default")


def test_slow_and_dead_lists_cost_others_nothing(server):
    """Forty clients wait for a list that never answers; their mail is taken after one time limit, not forty, and a client
    that is exempt is served meanwhile; one event says so."""
    server.restart(smtp=['lookup_timeout = "5s"'], dnsbl=['lists = ["dead.lists.example 5"]'])
    since = len(server.log())
    begun = time.monotonic()
    waiting = [as_client(f"198.51.100.{i}") for i in range(1, 41)]
    for t in waiting:
        t.sock.sendall(f"EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<{ALICE}>\r\n".encode())
    t = Talk(25)
    assert t.envelope().startswith("250") and t.data("beside").startswith("250")
    for t in waiting:
        t.reply()
        assert t.reply().startswith("250") and t.reply().startswith("250")
    took = time.monotonic() - begun
    assert took < 100, took
    log = new_log(server, since)
    assert log.count("event=dns-list-dead") == 1, log


DOMAINS = ['domain_lists = ["rhs.lists.example 2 127.0.1.0/24", "rhswl.lists.example -5", "rhslight.lists.example 1"]']


def test_lists_of_domains(server):
    server.restart(dnsbl=DOMAINS)

    def said(ip="198.51.100.80", helo="client.example", sender="a@client.example", rcpt=ALICE):
        t = as_client(ip)
        t.say(f"EHLO {helo}")
        assert t.say(f"MAIL FROM:<{sender}>").startswith("250")
        return t, t.say(f"RCPT TO:<{rcpt}>")

    def refuses(words, *args, **more):
        """Or takes it, when an answer of the DNS was lost on a busy machine."""
        wait_for(lambda: said(*args, **more)[1].startswith("554 5.7.1 " + words), what="554 5.7.1 " + words)
    since = len(server.log())
    assert said()[1].startswith("250")
    t, reply = said(sender="x@Bad.example")
    assert reply.startswith("554 5.7.1 bad.example is listed by rhs.lists.example; ask postmaster@"), reply
    assert t.say("RCPT TO:<postmaster@one.example>").startswith("250")
    # the next mail of the session has names of its own
    t.say("RSET")
    t.say("MAIL FROM:<x@fine.example>")
    assert t.say(f"RCPT TO:<{ALICE}>").startswith("250")
    t.say("RSET")
    t.say("MAIL FROM:<y@bad.example>")
    assert t.say(f"RCPT TO:<{ALICE}>").startswith("554 5.7.1")
    refuses("m1.shady.example", helo="m1.shady.example")
    refuses("mx.client.example", "198.18.0.1")  # its confirmed name
    assert said("198.18.0.2")[1].startswith("250")  # says it is somebody
    assert said(sender="x@shady.example")[1].startswith("250")  # not a reply that counts
    assert said(sender="x@odd.example")[1].startswith("250")  # too light alone
    refuses("odd.example", "198.51.100.69", sender="x@odd.example")  # with its address
    assert said(helo="good.example", sender="x@bad.example")[1].startswith("250")  # excused
    refuses("[198.51.100.66]", "198.51.100.66", helo="good.example")
    for helo, sender in (("[198.51.100.80]", ""), ("198.51.100.80", "a@localhost"), ("x" * 60, "a@" + "d" * 60 + ".example")):
        assert said(helo=helo, sender=sender)[1].startswith("250")
    t, _ = said(sender="x@odd.example")
    t.data("oddly tagged")
    assert "\r\nX-Ulak-Lists: rhslight.lists.example=127.0.0.2 score=1\r\n" in fetch(server, "oddly tagged")
    assert "event=dnsbl-refused" in new_log(server, since)
    assert Talk(25).envelope("x@bad.example").startswith("250")  # exempt


def test_dead_list_of_domains(server):
    server.restart(smtp=['lookup_timeout = "1s"'], dnsbl=['domain_lists = ["dead.lists.example 5", "rhs.lists.example 2"]'])
    since = len(server.log())
    for _ in range(5):
        assert as_client("198.51.100.81").envelope().startswith("250")
    assert soon(1, lambda: as_client("198.51.100.81").envelope()).startswith("250")
    wait_for(lambda: as_client("198.51.100.81").envelope("x@bad.example").startswith("554 5.7.1"), what="an answer in time")
    assert new_log(server, since).count("event=dns-list-dead") == 1
    t = as_client("198.51.100.81")  # and who does not wait for it
    t.sock.sendall(f"EHLO client.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{ALICE}>\r\n".encode())
    t.sock.close()
    server.kill_role("resolver")
    assert as_client("198.51.100.81").envelope().startswith("250")
