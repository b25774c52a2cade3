# SPDX-License-Identifier: ISC
"""TLS policies at their edges: odd TLSA records and aliases, DANE beside MTA-STS, policies that end, and what a person reads.

What is usual stands in test_tls_out.py and test_sts.py. Each domain has a mail host of its own; what the DNS says of it stands
where the domain is made.
"""
import base64
import datetime
import email
import email.policy
import gzip
import json
import os
import re
import shutil
import ssl
import tempfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mua import compose, imap, inject, submit
from receivers import Receiver
from test_sts import check_report
from test_tls_out import Certificate, Host, Refuses
from web import Page, Web
from world import Dns, Ulak, wait_for

POLICY = "version: STSv1\nmode: {mode}\n{mx}max_age: {age}\n"


def policy(mode, *mx, age=86400):
    return POLICY.format(mode=mode, age=age, mx="".join(f"mx: {m}\n" for m in mx))


class Weak(Certificate):
    """A key that nobody would sign any more: RSA of 1024 bits."""
    def __init__(self, directory, label):
        super().__init__(directory, label)
        self.key = rsa.generate_private_key(65537, 1024)
        now = datetime.datetime.utcnow()
        self.certificate = (x509.CertificateBuilder().subject_name(self.name).issuer_name(self.name).public_key(self.key.public_key())
                            .serial_number(x509.random_serial_number()).not_valid_before(now + datetime.timedelta(days=1))
                            .not_valid_after(now + datetime.timedelta(days=9)).sign(self.key, hashes.SHA256()))
        with open(self.file, "wb") as f:
            f.write(self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
            f.write(self.certificate.public_bytes(serialization.Encoding.PEM))

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(self.file)
        return context


class Named(Host):
    """Keeps by which name it was asked (SNI)."""
    def __init__(self, *more):
        super().__init__(*more)
        self.names = []

    def on_starttls(self, c, line):
        def note(connection, name, context):
            self.names.append(name)
        self.tls.sni_callback = note
        super().on_starttls(c, line)


class NotNow(Refuses):
    def on_starttls(self, c, line):
        c.say("454 4.7.0 TLS not available due to temporary reason")


class Spies(Host):
    """Whatever is said between the 220 and the handshake is not of the session (RFC 3207, 4): the mail host's reply to EHLO
    from before it, either."""
    extensions = [*Receiver.extensions, "SIZE 1"]

    def on_ehlo(self, c, line):
        self.extensions = Receiver.extensions if c.has_tls else Spies.extensions
        super().on_ehlo(c, line)


def old(certificate):
    context = certificate.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context


def new(certificate, version):
    context = certificate.context()
    context.minimum_version = context.maximum_version = version
    return context


# label: what becomes of the mail ("tls", "clear", or why it waits); the rest is made in Net.cases
WANTED = {
    # one record of a usable form is enough to be held to it (RFC 7672, 2.2)
    "mixed-good": "tls", "mixed-stale": "does not match its TLSA",
    # none is: TLS with anybody
    "malformed": "tls", "malformed-plain": "does not offer STARTTLS", "unknown-usage": "tls", "garbage-key": "tls",
    # RFC 7672, 2.2.2: the addresses lie where nobody signs
    "insecure-host": "tls", "insecure-alias": "does not match its TLSA",
    # the domain is an alias itself (3.2.2): its own name and the other are good ones
    "aliased": "tls", "aliased-own": "tls", "aliased-other": "for another name",
    "tlsa-alias": "tls", "tlsa-alias-stale": "does not match its TLSA", "tlsa-lame": "no valid answer about the host's TLSA",
    "bogus-address": "validate|bogus|DNSSEC", "no-mx": "tls", "no-mx-stale": "does not match its TLSA", "over-v6": "tls",
    # usage 2: the anchor is a bare key, is not shown by the server, is behind one more authority
    "anchor-unseen": "tls", "anchor-key-unseen": "tls", "anchor-deep": "tls", "anchor-star": "tls", "anchor-cn": "tls",
    "anchor-no-name": "for another name", "anchor-is-leaf": "does not match its TLSA",
    "weak-early": "tls", "only-13": "tls", "only-12": "tls", "too-old": "TLS with the mail host failed", "too-old-open": "clear",
    "not-now": r"refuses STARTTLS, and TLS is required there \(454 4.7.0 TLS not available due to temporary reason\); the host's TLSA", "not-now-open": "clear", "spies": "tls",
    # both: DANE goes before MTA-STS, whatever that says (RFC 8461, 2)
    "both-dane-good": "tls", "both-sts-good": "does not match its TLSA", "both-unusable": "MTA-STS policy demands it",
    "both-bogus": "no valid answer about the host's TLSA",
    "sts-other": "for another name", "sts-expired": "has expired", "sts-unknown": "is not trusted", "sts-unnamed": "does not name",
    "sts-tested": "tls", "sts-tested-unnamed": "tls", "sts-good": "tls", "sts-broken": "tls", "sts-absent": "tls", "sts-stranger": "tls",
}


# What a report tells of the first session: the policy, the result (RFC 8460, 4.3; None: a success), words of its reason.
TLSA, STS, NONE = "tlsa", "sts", "no-policy-found"
REPORTED = {
    "mixed-good": (TLSA, None), "mixed-stale": (TLSA, "certificate-host-mismatch", "no matching DANE TLSA records"),
    "malformed": (TLSA, "tlsa-invalid", "none of the TLSA records is usable"), "malformed-plain": (TLSA, "starttls-not-supported"),
    "garbage-key": (TLSA, "tlsa-invalid", "none of the TLSA records is usable"), "insecure-host": (NONE, None),
    "tlsa-lame": (TLSA, "dnssec-invalid", "no valid answer"), "anchor-deep": (TLSA, None),
    "anchor-no-name": (TLSA, "certificate-host-mismatch", "hostname mismatch"), "over-v6": (TLSA, None),
    "too-old": (TLSA, "validation-failure", "protocol version"), "too-old-open": (NONE, "validation-failure", "protocol version"),
    "not-now": (TLSA, "starttls-not-supported", "454 4.7.0 TLS not available"), "not-now-open": (NONE, "starttls-not-supported"), "spies": (NONE, None),
    "both-dane-good": (TLSA, None), "both-sts-good": (TLSA, "certificate-host-mismatch"),
    "both-unusable": (TLSA, "certificate-not-trusted", "self-signed"), "both-bogus": (TLSA, "dnssec-invalid"),
    "sts-other": (STS, "certificate-host-mismatch", "hostname mismatch"), "sts-expired": (STS, "certificate-expired", "expired"),
    "sts-unknown": (STS, "certificate-not-trusted", "self-signed"), "sts-unnamed": (STS, "validation-failure", "does not name"),
    "sts-tested": (STS, "certificate-not-trusted", "self-signed"), "sts-tested-unnamed": (STS, "validation-failure", "does not name"),
    "sts-good": (STS, None), "sts-broken": (STS, "sts-policy-invalid", "version"), "sts-absent": (STS, "sts-policy-fetch-error", "404"),
    "sts-stranger": (STS, "sts-webpki-invalid", ""),
}


class Net:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="ulak-policies.")
        os.chmod(self.dir, 0o755)
        self.dns = Dns(os.path.join(self.dir, "dns"), "192.0.2.120")
        self.records, self.open, self.hosts, self.n = [], [], {}, 0
        c = lambda label, *names, **more: Certificate(self.dir, label, names, **more)
        self.ca, self.other_ca = c("ca", is_ca=True), c("other-ca", is_ca=True)
        self.middle = c("middle", issuer=self.ca, is_ca=True)
        self.own, self.next, self.weak = c("own", "nobody.example"), c("next"), Weak(self.dir, "weak")
        self.web = Web("192.0.2.121", self.by_ca("web", *[f"mta-sts.{n}.example" for n in WANTED if n.startswith(("both", "sts"))],
                                                 "mta-sts.ends.example", "mta-sts.loops.example", "reports.example", "broken.example").file)
        self.web.pages["reports.example"] = Page(status=201)
        self.records += ["reports IN A 192.0.2.121"]
        self.cases()
        self.records += ["box IN MX 10 mx.box", "mx.box IN A 192.0.2.122"]
        self.dns.zone(".", [])
        self.dns.zone("example.", self.records)
        self.dns.zone("open.example.", self.open)
        self.dns.unsigned.add("open.example.")
        self.dns.start()
        self.box = Ulak(os.path.join(self.dir, "box"), "box.example", "192.0.2.122", self.dns, extra={
            "outbound": ['retry_first = "1s"', 'retry_max = "2s"', f'authorities = "{self.ca.file}"', 'mta_sts_timeout = "30s"',
                         'mta_sts_wait = "30s"'], "smtp": ["max_per_client = 10000"], "reports": ['tls_mailbox = "reports@box.example"']})
        self.box.init()
        self.box.start()
        self.box.account("reports@box.example")
        self.subjects = {label: self.send(f"r@{label}.example") for label in WANTED}

    def by_ca(self, label, *names, issuer=None, **more):
        return Certificate(self.dir, "by-" + label, names, issuer=issuer or self.ca, **more)

    def address(self):
        self.n += 1
        return f"198.51.100.{self.n}"

    def host(self, label, kind=Host, tls="own", records=None, tlsa=(), at=None, address=None, sts=None, rua=None):
        """tlsa: what stands at _25._tcp of the host; records: instead of MX and address. "own": the certificate of that name."""
        address = address or self.address()
        r = self.hosts[label] = kind(address, f"mx.{label}.example")
        if tls is not None:
            r.tls = getattr(self, tls).context() if isinstance(tls, str) else tls.context() if isinstance(tls, Certificate) else tls
        if records is None:
            records = [f"{label} IN MX 10 mx.{label}", f"mx.{label} IN A {address}"]
        self.records += [one.format(address=address) for one in records]
        if label.split("-")[0] != "aliased":
            self.records += [f'_smtp._tls.{label} IN TXT "v=TLSRPTv1; rua={rua or "https://reports.example/" + label}"']
        self.records += [f"_25._tcp.{at or 'mx.' + label} IN TLSA {one}" for one in tlsa]
        if sts is not None:
            self.records += [f'_mta-sts.{label} 1 IN TXT "v=STSv1; id=1;"', f"mta-sts.{label} IN A {self.web.address}"]
            self.web.pages[f"mta-sts.{label}.example"] = Page(sts)
        return r

    def cases(self):
        own, stale = self.own.tlsa(), self.next.tlsa()
        host = self.host
        host("mixed-good", tlsa=[self.next.tlsa(1, 0), "3 1 1 abcd", own])
        host("mixed-stale", tlsa=[self.own.tlsa(1, 1), self.own.tlsa(0, 0), stale])
        host("malformed", tlsa=["3 1 1 abcd", "3 7 1 " + stale[6:], "3 1 9 " + stale[6:], "2 0 0 abcdef"])
        host("malformed-plain", tls=None, tlsa=["3 1 1 abcd"])
        host("unknown-usage", tlsa=["4 1 1 " + stale[6:], "255 1 1 " + stale[6:]])
        host("garbage-key", tlsa=["3 1 0 3003020100"])
        self.open += [f"_25._tcp.mx IN TLSA {stale}", "mx IN A {}".format(address := self.address())]
        host("insecure-host", records=["insecure-host IN MX 10 mx.open"], address=address)
        self.open += ["alias IN A {}".format(address := self.address())]
        host("insecure-alias", records=["insecure-alias IN MX 10 mx.insecure-alias", "mx.insecure-alias IN CNAME alias.open"],
             tlsa=[stale], address=address)
        anchor = [self.ca.tlsa(2, 0)]
        for label, name in (("aliased", "mail-of.aliased.example"), ("aliased-own", "aliased-own.example"),
                            ("aliased-other", "open.example")):
            host(label, tls=self.by_ca(label, name), tlsa=anchor,
                 records=[f"{label} IN CNAME mail-of.{label}", f"mail-of.{label} IN MX 10 mx.{label}", f"mx.{label} IN A {{address}}"])
        for label, one in (("tlsa-alias", own), ("tlsa-alias-stale", stale)):
            host(label)
            self.records += [f"_25._tcp.mx.{label} IN CNAME records.{label}", f"records.{label} IN TLSA {one}"]
        host("tlsa-lame")
        self.records += ["_tcp.mx.tlsa-lame IN NS ns.nowhere"]
        host("bogus-address", records=["bogus-address IN MX 10 mx.bogus-address", "mx.bogus-address IN A 192.0.2.254"], tlsa=[own])
        self.dns.spoilt.append(("192.0.2.254", self.hosts["bogus-address"].address))
        host("no-mx", records=["no-mx IN A {address}"], tlsa=[own], at="no-mx")
        host("no-mx-stale", records=["no-mx-stale IN A {address}"], tlsa=[stale], at="no-mx-stale")
        host("over-v6", address="2001:db8::25", records=["over-v6 IN MX 10 mx.over-v6", "mx.over-v6 IN AAAA {address}"], tlsa=[own])
        self.anchors(host)
        host("weak-early", tls="weak", tlsa=[self.weak.tlsa()])
        host("only-13", tls=new(self.own, ssl.TLSVersion.TLSv1_3), tlsa=[own])
        host("only-12", tls=new(self.own, ssl.TLSVersion.TLSv1_2), tlsa=[own])
        host("too-old", tls=old(self.own), tlsa=[own])
        host("too-old-open", tls=old(self.own))
        host("not-now", kind=NotNow, tlsa=[own])
        host("not-now-open", kind=NotNow)
        host("spies", kind=Spies)
        host("both-dane-good", tlsa=[own], sts=policy("enforce", "other.example"))
        host("both-sts-good", tls=self.by_ca("both", "mx.both-sts-good.example"), tlsa=[stale],
             sts=policy("enforce", "mx.both-sts-good.example"))
        host("both-unusable", tlsa=["1 1 1 " + own[6:]], sts=policy("enforce", "mx.both-unusable.example"))
        host("both-bogus", tls=self.by_ca("both-bogus", "mx.both-bogus.example"), sts=policy("enforce", "*.both-bogus.example"))
        self.records += ["_tcp.mx.both-bogus IN NS ns.nowhere"]
        self.policies(host)
        # not of WANTED
        host("named", kind=Named, records=["named IN MX 10 mx.named", "mx.named IN CNAME real.named", "real.named IN A {address}"],
             tlsa=[own], at="real.named")
        host("rollover", tls="next", tlsa=[own])
        host("bounces", tls=None, tlsa=[own])
        host("ends", tls=None, sts=policy("enforce", "mx.ends.example", age=8))
        host("loops", tls=None, tlsa=[stale], sts=policy("enforce", "other.example"), rua="mailto:tls@loops.example")
        for label, to in (("first-fails", "https://broken.example/first"), ("second-fails", "https://broken.example/second")):
            host(label, rua=to)
        self.web.pages["broken.example"] = Page(status=500)
        self.records += ["ns.nowhere IN A 192.0.2.253", "broken IN A 192.0.2.121"]

    def anchors(self, host):
        def named(label, **more):
            return self.by_ca(label, f"mx.{label}.example", **more)
        unseen = named("anchor-unseen")
        unseen.chain = [unseen]
        host("anchor-unseen", tls=self.alone(named("anchor-unseen")), tlsa=[self.ca.tlsa(2, 0, 0)])
        host("anchor-key-unseen", tls=self.alone(named("anchor-key-unseen")), tlsa=[self.ca.tlsa(2, 1, 0)])
        deep = named("anchor-deep", issuer=self.middle)
        with open(deep.file, "ab") as f:
            f.write(self.ca.certificate.public_bytes(serialization.Encoding.PEM))
        host("anchor-deep", tls=deep, tlsa=[self.ca.tlsa(2, 0)])
        host("anchor-star", tls=self.by_ca("anchor-star", "*.anchor-star.example"), tlsa=[self.ca.tlsa(2, 0)])
        host("anchor-cn", tls=self.by_ca("mx.anchor-cn.example"), tlsa=[self.ca.tlsa(2, 0)])
        cn = Certificate(self.dir, "mx.anchor-cn.example", issuer=self.ca)
        self.hosts["anchor-cn"].tls = cn.context()
        host("anchor-no-name", tls=self.by_ca("anchor-no-name"), tlsa=[self.ca.tlsa(2, 0)])
        leaf = Certificate(self.dir, "leaf", ["mx.anchor-is-leaf.example"])
        host("anchor-is-leaf", tls=leaf, tlsa=[leaf.tlsa(2, 0)])

    def policies(self, host):
        """MTA-STS alone: one way in which it is not kept for each result."""
        def named(label, **more):
            return self.by_ca(label, f"mx.{label}.example", **more)
        mx = "mx.{}.example".format
        for label, tls, text in (
                ("sts-other", self.by_ca("sts-other", "sts-other.example"), policy("enforce", mx("sts-other"))),
                ("sts-expired", named("sts-expired", days=-1), policy("enforce", mx("sts-expired"))),
                ("sts-unknown", "own", policy("enforce", "*.sts-unknown.example")),
                ("sts-unnamed", named("sts-unnamed"), policy("enforce", "sts-unnamed.example", "*.mx.sts-unnamed.example")),
                ("sts-tested", "own", policy("testing", mx("sts-tested"))),
                ("sts-tested-unnamed", named("sts-tested-unnamed"), policy("testing", "other.example")),
                ("sts-good", named("sts-good"), policy("enforce", mx("STS-Good"))),
                ("sts-broken", "own", "version: STSv2\nmode: enforce\nmx: mx.example\nmax_age: 100\n"),
                ("sts-absent", "own", ""), ("sts-stranger", "own", policy("enforce", "other.example"))):
            host(label, tls=tls, sts=text)
        self.web.pages["mta-sts.sts-absent.example"].status = 404
        stranger = Certificate(self.dir, "stranger", ["mta-sts.sts-stranger.example"], issuer=self.other_ca)
        self.web.pages["mta-sts.sts-stranger.example"].certificate = stranger.file

    def alone(self, c):
        """Without the certificate of who has signed it."""
        with open(c.file, "wb") as f:
            pem = serialization.Encoding.PEM
            f.write(c.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
            f.write(c.certificate.public_bytes(pem))
        return c

    def send(self, rcpt, more=""):
        subject, message = compose("user@box.example", rcpt, more=more)
        self.last_id = submit(self.box, "user@box.example", [rcpt], message).split()[1]
        return subject

    def rows(self, label):
        return [r for r in self.box.cli_json("queue", "list") if r["route"] == label + ".example"]

    def stop(self):
        self.box.stop()
        self.web.stop()
        for r in self.hosts.values():
            r.close()
        self.dns.stop()


@pytest.fixture(scope="module")
def net():
    n = Net()
    yield n
    n.stop()
    shutil.rmtree(n.dir, ignore_errors=True)


@pytest.mark.parametrize("label", WANTED)
def test_case(net, label):
    host, subject, wanted = net.hosts[label], net.subjects[label], WANTED[label]
    if wanted in ("tls", "clear"):
        wait_for(lambda: host.copies(subject), what=lambda: f"{subject}: {host.lines[-8:]} {net.rows(label)}")
        assert (b"X-TLS: 1" in host.copies(subject)[0][2]) == (wanted == "tls")
        return
    wait_for(lambda: re.search(wanted, str(net.rows(label))), 40, lambda: f"{label}: {wanted}: {net.rows(label)}")
    assert not host.mails


def test_the_name_that_is_asked_for(net):
    """RFC 7672, 8.1: SNI has the TLSA base domain, the end of the alias."""
    host, subject = net.hosts["named"], net.send("r@named.example")
    wait_for(lambda: host.copies(subject), what=lambda: str(net.rows("named")))
    assert host.names == ["real.named.example"]
    trace = wait_for(lambda: "250 2.0.0 taken" in (text := net.box.cli("trace", net.last_id).stdout) and text, what="its dialogue")
    for attempt in trace.split(" attempt "):
        times = [int(t) for t in re.findall(r"\| \+(\d+) ", attempt)]
        assert times == sorted(times), trace


def test_a_key_that_changes_while_mail_waits(net):
    """The new certificate came before its record: mail waits, and goes once both agree."""
    host, subject = net.hosts["rollover"], net.send("r@rollover.example")
    wait_for(lambda: "does not match its TLSA" in str(net.rows("rollover")), what=lambda: str(net.rows("rollover")))
    assert not host.mails
    host.tls = net.own.context()
    wait_for(lambda: host.copies(subject), what=lambda: str(net.rows("rollover")))
    assert b"X-TLS: 1" in host.copies(subject)[0][2]


def report_of(net, subject):
    def look():
        c = imap(net.box, "user@box.example")
        c.select("INBOX", readonly=True)
        _, found = c.search(None, "FROM", "MAILER-DAEMON", "TEXT", subject)
        data = c.fetch(found[0].split()[0], "(BODY.PEEK[])")[1][0][1] if found[0] else None
        c.logout()
        return data
    return email.message_from_bytes(wait_for(look, 40, "the report"), policy=email.policy.default)


def test_what_its_sender_reads(net):
    """TLSA records and no STARTTLS until the mail is too old: the report says what is wrong, and who wants it right."""
    net.box.cli("destination", "set", "bounces.example", "lifetime=8s")
    subject = net.send("r@bounces.example")
    number = net.last_id
    report = report_of(net, subject)
    text, status = (part.get_content() if i == 0 else part.as_string() for i, part in enumerate(list(report.iter_parts())[:2]))
    assert "does not offer STARTTLS" in re.sub(r"\s+", " ", text) and "TLSA records demand it" in re.sub(r"\s+", " ", text), text
    assert "Action: failed" in status and "Status: 4.7.10" in status and "X-Ulak-Class: tls" in status, status
    assert not net.hosts["bounces"].mails
    trace = net.box.cli("trace", number).stdout
    assert "TLS: dane" in trace and "does not offer STARTTLS" in trace


def test_a_policy_that_ends(net):
    """Web server and record are away: what was enforced holds for max_age from its last fetch, then mail goes as it comes."""
    host, subject = net.hosts["ends"], net.send("r@ends.example")
    wait_for(lambda: "MTA-STS policy demands it" in str(net.rows("ends")), what=lambda: str(net.rows("ends")))
    net.web.pages["mta-sts.ends.example"] = Page(status=503)
    wait_for(lambda: host.copies(subject), what=lambda: str(net.rows("ends")))
    trace = net.box.cli("trace", net.last_id).stdout
    assert "MTA-STS: enforce" in trace and "sts-policy-fetch-error" in trace, trace


def test_what_is_reported(net):
    """Each result of RFC 8460, 4.3 where it belongs, with the policy as it was published and a reason to act on."""
    def reports():
        net.box.cli("reports", "tls", "send")
        return {path[1:]: json.loads(gzip.decompress(body)) for _, path, _, body in reversed(net.web.posted)}
    wait_for(lambda: set(REPORTED) <= set(reports()), what=lambda: set(REPORTED) - set(reports()))
    got = reports()
    for label, (kind, result, *words) in REPORTED.items():
        about = check_report(got[label], label + ".example", "postmaster@box.example")
        assert set(about) == {kind}, f"{label}: {got[label]}"
        about, sums, details = about[kind]["policy"], about[kind]["summary"], about[kind].get("failure-details", [])
        assert [d["result-type"] for d in details] == [result] * bool(result), f"{label}: {got[label]}"
        assert (sums["total-failure-session-count"] > 0) == bool(result) != (sums["total-successful-session-count"] > 0)
        for d in details:
            assert all(w in d["failure-reason-code"] for w in words), f"{label}: {d}"
            assert d["receiving-mx-hostname"] == f"mx.{label}.example"
            assert ("receiving-ip" in d) == ("sending-mta-ip" in d) == (result != "dnssec-invalid" and label != "sts-unnamed")
        if label == "mixed-stale":  # usable ones first, but all of them
            assert [line[:5] for line in about["policy-string"]] == ["3 1 1", "1 1 1", "0 0 1"]
        if label == "garbage-key":
            assert about["policy-string"] == ["3 1 0 3003020100"]
        if label == "sts-tested":
            assert about["policy-string"] == ["version: STSv1", "mode: testing", "mx: mx.sts-tested.example", "max_age: 86400"]
            assert about["mx-host"] == ["mx.sts-tested.example"]


def test_a_report_goes_where_nothing_else_may(net):
    """RFC 8460, 3: by mail to a host that keeps neither its TLSA records nor its policy, in the clear; and that is not told."""
    net.send("r@loops.example")
    wait_for(lambda: "does not offer STARTTLS" in str(net.rows("loops")), what=lambda: str(net.rows("loops")))
    net.box.cli("queue", "delete", "--yes", "--route", "loops.example")
    host = net.hosts["loops"]
    wait_for(lambda: net.box.cli("reports", "tls", "send") and host.mails, what=lambda: str(net.rows("loops")))
    sender, rcpts, data = host.mails[0]
    mail = email.message_from_bytes(data, policy=email.policy.default)
    assert sender.startswith(b"MAIL FROM:<>") and rcpts == ["tls@loops.example"]
    assert mail["TLS-Report-Domain"] == "loops.example" and b"X-TLS: 0" in data and len(host.mails) == 1
    wait_for(lambda: not net.rows("loops"), what=lambda: str(net.rows("loops")))
    for _ in range(2):
        net.box.cli("reports", "tls", "send")
    assert net.box.cli_json("reports", "tls", "show", "loops.example") == []
    assert [r["state"] for r in net.box.cli_json("reports", "tls", "list") if r["domain"] == "loops.example"] == ["sent"]


def test_reports_that_fail_are_sent_again(net):
    """`ulak reports tls send` tries each that waits once, whether its pause is over or not."""
    for label in ("first-fails", "second-fails"):
        subject = net.send(f"r@{label}.example")
        wait_for(lambda: net.hosts[label].copies(subject), what=lambda: str(net.rows(label)))

    def waiting(label, state="waiting"):
        return [r for r in net.box.cli_json("reports", "tls", "list") if r["domain"] == label + ".example" and r["state"] == state]
    wait_for(lambda: net.box.cli("reports", "tls", "send") and all(map(waiting, ("first-fails", "second-fails"))), what="two reports")
    assert "says 500" in waiting("first-fails")[0]["why"] and waiting("second-fails")[0]["due"] is not None
    net.web.pages["broken.example"] = Page(status=201)
    net.box.cli("reports", "tls", "send")
    for label in ("first-fails", "second-fails"):
        wait_for(lambda: waiting(label, "sent"), what=lambda: str(net.box.cli_json("reports", "tls", "list")))


REPORT = {"organization-name": "Company-X", "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
          "contact-info": "sts-reporting@company-x.example", "report-id": "5065427c-23d3", "policies": [{
              "policy": {"policy-type": "sts", "policy-string": ["version: STSv1", "mode: testing", "mx: *.mail.box.example", "max_age: 86400"],
                         "policy-domain": "box.example", "mx-host": ["*.mail.box.example"]},
              "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
              "failure-details": [{"result-type": "certificate-expired", "sending-mta-ip": "2001:db8:abcd:12::1",
                                   "receiving-mx-hostname": "mx1.mail.box.example", "failed-session-count": 100},
                                  {"result-type": "starttls-not-supported", "sending-mta-ip": "2001:db8:abcd:13::1",
                                   "receiving-mx-hostname": "mx2.mail.box.example", "receiving-ip": "203.0.113.56",
                                   "failed-session-count": 203, "additional-information": "https://reports.company-x.example/5065427c"}]}]}


def report_mail(content, subtype="tlsrpt+gzip"):
    return (b"From: sts-reporting@company-x.example\r\nTo: reports@box.example\r\nSubject: Report Domain: box.example\r\n"
            b" Submitter: company-x.example\r\n Report-ID: <5065427c-23d3@company-x.example>\r\nTLS-Report-Domain: box.example\r\n"
            b"TLS-Report-Submitter: company-x.example\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
            b"--b\r\nContent-Type: application/" + subtype.encode() + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
            base64.encodebytes(content).replace(b"\n", b"\r\n") + b"--b--\r\n")


def test_what_others_report(net):
    """What comes to reports.tls_mailbox is shown, from the newest down, each report once; what is no report, broken, a bomb or too
    large is counted, and stops nothing."""
    assert net.box.cli("reports", "tls", "received", "--json").stdout == "[]\n"
    second = dict(REPORT, **{"report-id": "2", "policies": [{"policy": {"policy-type": "no-policy-found", "policy-domain": "box.example"},
                             "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0}}]})
    packed = gzip.compress(json.dumps(REPORT).encode())
    for content, more in ((packed, {}), (json.dumps(second).encode(), {"subtype": "tlsrpt+json"}), (packed, {}), (packed[:-20], {}),
                          (gzip.compress(bytes(100 << 20)), {}), (b"[" * 100000, {"subtype": "tlsrpt+json"}), (os.urandom(900000), {})):
        inject(net.box, "sts-reporting@company-x.example", "reports@box.example", report_mail(content, **more))
    inject(net.box, "jo@company-x.example", "reports@box.example", compose("jo@company-x.example", "reports@box.example")[1])
    got = net.box.cli_json("reports", "tls", "received")
    assert [(r["id"], r["policy"], r["result"], r["good"], r["bad"], r["mx"]) for r in got] == [
        ("5065427c-23d3", "sts", "", 5326, 303, ""), ("5065427c-23d3", "sts", "certificate-expired", 0, 100, "mx1.mail.box.example"),
        ("5065427c-23d3", "sts", "starttls-not-supported", 0, 203, "mx2.mail.box.example"), ("2", "no-policy-found", "", 1, 0, "")]
    text = net.box.cli("reports", "tls", "received").stdout
    assert "Company-X" in text and "5 other mails, no report or larger than 1 MiB" in text, text
    assert len(net.box.cli_json("reports", "tls", "received", "--limit", "5")) == 0
    net.box.cli("account", "remove", "reports@box.example")
    refused = net.box.cli("reports", "tls", "received", check=False)
    assert refused.returncode == 1 and "reports.tls_mailbox" in refused.stderr
