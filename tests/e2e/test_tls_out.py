# SPDX-License-Identifier: ISC
"""TLS on the way out: DANE (RFC 7672), what is wanted at least, resumption, and TLS that breaks.

Each domain has a mail host of its own, in a signed zone unless its name says
otherwise; what a host shows and what the DNS says of it stands in CASES.
"""
import datetime
import hashlib
import json
import os
import re
import shutil
import ssl
import tempfile
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mua import compose, imap, submit
from receivers import Receiver
from test_smtp_extensions import Talk
from world import Dns, Ulak, wait_for

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


class Certificate:
    """Signed by `issuer`, or by itself; days: how long it is good yet."""

    def __init__(self, directory, label, names=(), issuer=None, days=2, is_ca=False):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(self.name).issuer_name((issuer or self).name)
                   .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=10))
                   .not_valid_after(now + datetime.timedelta(days=days))
                   .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())
        self.chain = [self] + ([issuer] if issuer else [])
        self.file = os.path.join(directory, label + ".pem")
        with open(self.file, "wb") as f:
            f.write(self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
            for c in self.chain:
                f.write(c.certificate.public_bytes(PEM))

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context

    def tlsa(self, usage=3, selector=1, matching=1):
        data = (self.certificate.public_bytes(DER) if selector == 0 else
                self.key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo))
        digest = {0: lambda d: d.hex(), 1: lambda d: hashlib.sha256(d).hexdigest(),
                  2: lambda d: hashlib.sha512(d).hexdigest()}[matching]
        return f"{usage} {selector} {matching} {digest(data)}"


class Host(Receiver):
    """Keeps of each mail whether it came by TLS, and by a resumed session."""
    def take(self, c, data):
        data += b"X-TLS: %d\r\nX-Resumed: %d\r\n" % (c.has_tls, c.has_tls and c.s.session_reused)
        super().take(c, data)


class Leaves(Host):
    """One mail, then it goes."""
    def finish(self, c, data):
        super().finish(c, data)
        c.hang_up()


class Garbage(Host):
    extensions = ["PIPELINING", "STARTTLS"]

    def on_starttls(self, c, line):
        c.say("220 go")
        c.raw(b"\x16\x03\x03this is no handshake\r\n")
        c.silence()


class Resets(Garbage):
    def on_starttls(self, c, line):
        c.say("220 go")
        c.reset_connection()


class Silent(Garbage):
    def on_starttls(self, c, line):
        c.say("220 go")
        c.silence()


class Refuses(Garbage):
    def on_starttls(self, c, line):
        c.say("554 5.7.0 not today")


class Injects(Garbage):
    """RFC 3207, the reply of somebody between: more than the 220 in one piece."""
    def on_starttls(self, c, line):
        c.raw(b"220 go\r\n250 injected\r\n")
        c.start_tls(self.tls)


class Alerts(Garbage):
    """A fatal alert: handshake_failure."""
    def on_starttls(self, c, line):
        c.say("220 go")
        c.raw(b"\x15\x03\x03\x00\x02\x02\x28")
        c.silence()


class Huge(Garbage):
    """A certificate message of 16 MB that never ends."""
    def on_starttls(self, c, line):
        c.say("220 go")
        c.raw(b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff" + bytes(16380))
        c.silence()


# label: (kind of host, certificate, TLSA records, what becomes of the mail: "tls", "clear" or the reason it is kept)
CASES = {}


def case(label, result, certificate="own", tlsa=(), kind=Host, **more):
    CASES[label] = dict(result=result, certificate=certificate, tlsa=tlsa, kind=kind, **more)


OWN, NEXT = lambda c: c["own"], lambda c: c["next"]
case("plain", "clear", certificate=None)
case("own", "tls")
case("ee", "tls", tlsa=[("own", 3, 1, 1)])
case("ee-whole", "tls", tlsa=[("own", 3, 0, 0)])
case("ee-512", "tls", tlsa=[("own", 3, 0, 2)])
case("ee-key", "tls", tlsa=[("own", 3, 1, 0)])
# usage 3: neither names nor dates (RFC 7672, 3.1.1)
case("ee-expired", "tls", certificate="expired", tlsa=[("expired", 3, 1, 1)])
case("ee-rollover", "tls", tlsa=[("next", 3, 1, 1), ("own", 3, 1, 1)])
case("ee-stale", "does not match its TLSA", tlsa=[("next", 3, 1, 1)])
# digest agility (RFC 7671, 9): the strongest that is published counts
case("agility", "does not match its TLSA", tlsa=[("own", 3, 1, 1), ("next", 3, 1, 2)])
case("ta", "tls", certificate="by-ca", tlsa=[("ca", 2, 0, 1)])
case("ta-domain", "tls", certificate="by-ca-for-domain", tlsa=[("ca", 2, 0, 1)])
case("ta-key", "tls", certificate="by-ca", tlsa=[("ca", 2, 1, 2)])
case("ta-other-name", "for another name", certificate="by-ca-for-other", tlsa=[("ca", 2, 0, 1)])
case("ta-expired", "has expired", certificate="by-ca-expired", tlsa=[("ca", 2, 0, 1)])
case("ta-other-ca", "does not match its TLSA|not trusted", certificate="by-other", tlsa=[("ca", 2, 0, 1)])
# unusable: TLS with anybody (RFC 7672, 2.2)
case("pkix", "tls", tlsa=[("own", 1, 1, 1)])
case("pkix-plain", "does not offer STARTTLS", certificate=None, tlsa=[("own", 0, 0, 1)])
case("ee-plain", "does not offer STARTTLS", certificate=None, tlsa=[("own", 3, 1, 1)])
case("bogus", "no valid answer about the host's TLSA", tlsa=[("own", 3, 1, 1)], bogus=True)
# nobody has signed it: nothing is demanded
case("unsigned", "tls", tlsa=[("next", 3, 1, 1)], zone="unsigned")
case("unsigned-mx", "tls", tlsa=[("next", 3, 1, 1)], zone="mx")
case("alias", "tls", tlsa=[("own", 3, 1, 1)], alias=True)
case("alias-stale", "does not match its TLSA", tlsa=[("next", 3, 1, 1)], alias=True)
for kind in (Garbage, Resets, Silent, Refuses, Injects, Alerts, Huge):
    name = kind.__name__.lower()
    case(name, "clear", kind=kind)
    case(name + "-ee", "refuses STARTTLS" if kind is Refuses else "TLS with the mail host failed", kind=kind,
         tlsa=[("own", 3, 1, 1)])


class Net:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dir = directory
        self.dns = Dns(os.path.join(directory, "dns"), "192.0.2.110")
        self.records, self.hosts = [], {}
        self.unsigned = []
        self.ca = Certificate(directory, "ca", is_ca=True)
        self.other_ca = Certificate(directory, "other-ca", is_ca=True)
        self.own = Certificate(directory, "own", ["nobody.example"])
        self.next = Certificate(directory, "next")
        self.expired = Certificate(directory, "expired", days=-1)
        for i, (label, c) in enumerate(CASES.items()):
            self.host(label, f"198.51.100.{100 + i}", **c)
        self.extra_hosts()
        servers = {"box": "192.0.2.111", "strict": "192.0.2.112"}
        for name, address in servers.items():
            self.records += [f"{name}.example. IN MX 10 mx.{name}.example.", f"mx.{name}.example. IN A {address}"]
        self.dns.zone(".", [])
        self.dns.zone("example.", self.records)
        self.dns.zone("unsigned.example.", self.unsigned)
        self.dns.unsigned.add("unsigned.example.")
        self.dns.start()
        self.box = self.server("box", servers["box"], [])
        self.strict = self.server("strict", servers["strict"], ['tls = "verify"', 'lifetime = "6s"'])
        self.subjects = {label: self.send(f"r@{self.domain_of(label)}") for label in CASES}

    def domain_of(self, label):
        return label + (".unsigned" if CASES.get(label, {}).get("zone") else "") + ".example"

    def certificate(self, which, host, domain):
        made = {"by-ca": ([host], self.ca, 2), "by-ca-for-domain": ([domain], self.ca, 2), "by-other": ([host], self.other_ca, 2),
                "by-ca-for-other": (["other.example"], self.ca, 2), "by-ca-expired": ([host], self.ca, -1)}
        if which in made:
            names, issuer, days = made[which]
            return Certificate(self.dir, which + "." + domain, names, issuer, days)
        return getattr(self, which)

    def host(self, label, address, kind=Host, certificate="own", tlsa=(), bogus=False, zone=None, alias=False, mx=True, **_):
        domain = label + (".unsigned" if zone else "") + ".example"
        host = "mx." + (domain if zone != "mx" else label + ".example")
        records = self.unsigned if zone == "unsigned" else self.records
        r = self.hosts[label] = kind(address, host)
        if certificate:
            r.tls = self.certificate(certificate, host, domain).context()
        if mx:
            (self.unsigned if zone else self.records).append(f"{domain}. IN MX 10 {host}.")
        if alias:
            records.append(f"{host}. IN CNAME real.{domain}.")
            host = "real." + domain
        records.append(f"{host}. IN A {address}")
        for which, usage, selector, matching in tlsa:
            data = getattr(self, which).tlsa(usage, selector, matching)
            if bogus:
                good = hashlib.sha256(label.encode()).hexdigest()
                self.dns.spoilt.append((good, data.split()[3]))
                data = f"{usage} {selector} {matching} {good}"
            records.append(f"_25._tcp.{host}. IN TLSA {data}")

    def extra_hosts(self):
        at = "203.0.113."
        # the first of two hosts fails DANE: the second is used
        self.host("first", at + "101", tlsa=[("next", 3, 1, 1)], mx=False)
        self.host("second", at + "102", tlsa=[("own", 3, 1, 1)], mx=False)
        self.records += ["two.example. IN MX 5 mx.first.example.", "two.example. IN MX 10 mx.second.example."]
        self.host("resumes", at + "103", kind=Leaves, tlsa=[("own", 3, 1, 1)])
        self.host("good", at + "104", certificate="by-ca")
        self.host("requires", at + "105", tlsa=[("own", 3, 1, 1)])
        self.host("expires", at + "106", kind=Later, certificate="by-ca")
        self.hosts["requires"].extensions = [*Receiver.extensions, "REQUIRETLS"]

    def server(self, name, address, outbound):
        s = Ulak(os.path.join(self.dir, name), name + ".example", address, self.dns, extra={
            "outbound": ['retry_first = "1s"', 'retry_max = "2s"', f'authorities = "{self.ca.file}"',
                         'command_timeout = "4s"', *outbound], "smtp": ["max_per_client = 10000"]})
        s.init()
        s.start()
        return s

    def send(self, rcpt, server=None, more=""):
        server = server or self.box
        sender = "user@" + server.domain
        subject, message = compose(sender, rcpt, more=more)
        self.last_id = submit(server, sender, [rcpt], message).split()[1]
        return subject

    def require(self, rcpt, subject, more=""):
        """With REQUIRETLS; returns the id."""
        t = Talk(self.box, 465, tls=True)
        t.login("user@box.example")
        t.say("MAIL FROM:<user@box.example> REQUIRETLS", 250)
        t.say(f"RCPT TO:<{rcpt}>", 250)
        t.say("DATA", 354)
        t.sock.sendall(f"Subject: {subject}\r\n{more}\r\nhello\r\n".encode())
        return t.say(".", 250).split()[2]

    def stop(self):
        for r in self.hosts.values():
            r.close()
        self.box.stop()
        self.strict.stop()
        self.dns.stop()


@pytest.fixture(scope="module")
def net():
    directory = tempfile.mkdtemp(prefix="ulak-tls-out.")
    n = Net(directory)
    yield n
    n.stop()
    shutil.rmtree(directory, ignore_errors=True)


def rows(server, address):
    return [r for r in server.cli_json("queue", "list") if address in str(r)]


def came(host, subject, seconds=40):
    wait_for(lambda: host.copies(subject), seconds, f"{subject} at {host.name}: {host.lines[-6:]}")
    return host.copies(subject)[0][2]


@pytest.mark.parametrize("label", CASES)
def test_case(net, label):
    host, subject, wanted = net.hosts[label], net.subjects[label], CASES[label]["result"]
    if wanted in ("tls", "clear"):
        data = came(host, subject)
        assert (b"X-TLS: 1" in data) == (wanted == "tls")
        return
    address = f"r@{net.domain_of(label)}"
    wait_for(lambda: re.search(wanted, str(rows(net.box, address))), 40, f"{label}: {wanted}: {rows(net.box, address)}")
    assert not host.mails


def test_the_next_host_is_asked(net):
    subject = net.send("r@two.example")
    assert b"X-TLS: 1" in came(net.hosts["second"], subject)
    assert not net.hosts["first"].mails
    wait_for(lambda: all(words in net.box.cli("trace", net.last_id).stdout for words in (
        "does not match its TLSA records", "DANE", "CN=own")), what=lambda: net.box.cli("trace", net.last_id).stdout)


def route(server, address, *more):
    """What `ulak route ADDRESS` says: its answer, and the steps by their kind."""
    got = json.loads(server.cli("route", address, *more, "--json", check=False).stdout)
    return got["answer"], {kind: [s for s in got["steps"] if s["kind"] == kind] for kind in {s["kind"] for s in got["steps"]}}


def test_what_would_be_demanded(net):
    """ulak route tells TLSA records, whether they count, and what follows, as the courier decides it."""
    def demanded(label, *more):
        answer, got = route(net.box, f"r@{net.domain_of(label)}", *more)
        return answer, got["dane"][0], got["tls"][0]
    answer, dane, tls = demanded("ee")
    assert answer == "goes" and dane["what"] == "validated" and dane["text"].startswith("3 1 1 ") and tls["what"] == "dane"
    assert demanded("ee-rollover")[1]["text"].count("3 1 1 ") == 2
    answer, dane, tls = demanded("bogus")
    assert (answer, dane["what"], tls["what"]) == ("waits", "failed", "not used") and "no valid answer" in tls["text"]
    answer, dane, tls = demanded("pkix")
    assert (answer, dane["what"], tls["what"]) == ("goes", "unusable", "encrypt")
    answer, dane, tls = demanded("unsigned")
    assert (answer, dane["what"], tls["what"]) == ("goes", "none", "may")
    domain = net.domain_of("unsigned-mx")
    net.box.cli("destination", "set", domain, "tls=dane", "rate=600")
    answer, got = route(net.box, f"r@{domain}")
    assert (answer, got["tls"][0]["what"]) == ("waits", "not used") and "DANE is demanded" in got["tls"][0]["text"]
    assert {(t["what"], t["address"], t["text"]) for t in got["terms"]} == {("tls", domain, "dane"), ("rate", domain, "600")}
    net.box.cli("destination", "unset", domain)
    text = net.box.cli("route", f"r@{net.domain_of('ee')}").stdout
    assert "Their TLSA records (DANE):" in text and "as its TLSA records say" in text
    assert route(net.strict, f"r@{net.domain_of('own')}")[1]["tls"][0]["what"] == "verify"


def test_a_session_is_resumed(net):
    for resumed in (0, 1):
        data = came(net.hosts["resumes"], net.send("r@resumes.example"))
        assert b"X-TLS: 1" in data and b"X-Resumed: %d" % resumed in data
    wait_for(lambda: ", resumed" in net.box.cli("trace", net.last_id).stdout, what="its trace")


def test_who_requires_tls_is_served_by_dane(net):
    net.require("r@requires.example", "by-dane")
    came(net.hosts["requires"], "by-dane")
    assert b"REQUIRETLS" in net.hosts["requires"].copies("by-dane")[0][0]


@pytest.mark.parametrize("label", ["ee-stale", "ee-plain", "bogus", "resets-ee", "ta-expired"])
def test_who_does_without_tls_is_served(net, label):
    """RFC 8689, 4.2.2: what the domain demands is tried, and not insisted on; REQUIRETLS goes before it (4.1)."""
    net.box.cli("queue", "delete", "--yes", "--route", f"{label}.example")
    subject = net.send(f"r@{label}.example", more="TLS-Required:\r\n no\r\n")
    net.box.cli("queue", "retry", "--yes", "--route", f"{label}.example", check=False)
    data = came(net.hosts[label], subject)
    assert (b"X-TLS: 1" in data) == (label not in ("ee-plain", "resets-ee"))
    assert "TLS-Required: No" in net.box.cli("trace", net.last_id).stdout
    if label == "ee-plain":
        number = net.require("r@ee-plain.example", "requires-and-not", "TLS-Required: No\r\n")
        wait_for(lambda: "5.7.10" in net.box.cli("trace", number).stdout or "STARTTLS" in net.box.cli("trace", number).stdout)
        assert not net.hosts[label].copies("requires-and-not")


def test_verified_is_what_is_wanted(net):
    assert b"X-TLS: 1" in came(net.hosts["good"], net.send("r@good.example", net.strict))
    subject = net.send("r@ee.example", net.strict)  # DANE is as good
    came(net.hosts["ee"], subject)
    refused = {label: net.send(f"r@{label}.example", net.strict) for label in ("own", "plain")}
    for label, words in (("own", "certificate is not trusted"), ("plain", "does not offer STARTTLS")):
        def bounce():
            c = imap(net.strict, "user@strict.example")
            c.select("INBOX", readonly=True)
            _, found = c.search(None, "FROM", "MAILER-DAEMON", "TEXT", refused[label])
            text = c.fetch(found[0].split()[0], "(BODY.PEEK[])")[1][0][1].decode() if found[0] else ""
            c.logout()
            return text
        text = wait_for(bounce, 40, "the report about " + label)
        assert words in re.sub(r"\s+", " ", text), text
        assert not net.hosts[label].copies(refused[label])


class Later(Host):
    """Puts off until it is told not to."""
    is_ready = False

    def on_mail(self, c, line):
        if self.is_ready:
            super().on_mail(c, line)
        else:
            c.say("451 4.3.0 not yet")
            c.hang_up()  # or the next attempt would use what was verified


def test_a_certificate_that_expires_while_mail_waits(net):
    """Verified at the first attempts, expired at the next: the mail waits, is never sent in the clear, and goes once there
    is a new one."""
    host, address = net.hosts["expires"], "r@expires.example"
    net.box.cli("destination", "set", "expires.example", "tls=verify")
    subject = net.send(address)
    wait_for(lambda: re.search("451.*not yet", str(rows(net.box, address))), 40, lambda: str(rows(net.box, address)))
    host.tls = net.certificate("by-ca-expired", "mx.expires.example", "expires.example").context()
    host.is_ready = True
    wait_for(lambda: "has expired" in str(rows(net.box, address)), 40, lambda: net.box.cli("trace", net.last_id).stdout)
    assert not host.mails
    assert "has expired" in net.box.cli("trace", net.last_id).stdout
    host.tls = net.certificate("by-ca", "mx.expires.example", "expires.example").context()
    assert b"X-TLS: 1" in came(host, subject)
