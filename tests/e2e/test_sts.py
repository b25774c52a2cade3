# SPDX-License-Identifier: ISC
"""MTA-STS (RFC 8461): which policies are taken, which are not, and how long they hold."""
import email
import email.policy
import gzip
import json
import os
import re
import shutil
import socket
import ssl
import tempfile
import time

import pytest

from conftest import FAST
from mua import compose, submit
from receivers import Receiver
from web import Authority, Page, Web, silent
from world import Dns, Ulak, add_address, soon, wait_for

GOOD = "version: STSv1\r\nmode: {mode}\r\n{mx}max_age: {age}\r\n"


def policy(mode="enforce", mx=("mx.{}",), age=86400, domain=""):
    return GOOD.format(mode=mode, age=age, mx="".join("mx: " + m.format(domain) + "\r\n" for m in mx))


# domain: whether it has a policy that is taken, and what its web server does
ODD = {
    "large": Page(policy(domain="large.example") + "x: y\n" * 20000),
    "redirected": Page(status=301, headers=[("Location", "https://mta-sts.good.example/.well-known/mta-sts.txt")]),
    "html": Page("<html></html>", type="text/html"),
    "typed": Page(policy(domain="typed.example"), type="application/octet-stream"),
    "untyped": Page(policy(domain="untyped.example"), type=None),
    "absent": Page(status=404),
    "partial": Page(policy(domain="partial.example"), status=206),
    "broken": Page("version: STSv1\nmode: sometimes\n"),
}

# domains that mail goes to
MAILED = ["secured", "plain", "othercert", "untrusted", "mismatch", "tested", "changing", "lasting", "again", "reported"]


class Place:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="ulak-sts.")
        os.chmod(self.dir, 0o755)
        self.authority = Authority(os.path.join(self.dir, "ca"))
        names = ["good", *MAILED, *ODD]
        self.web = Web("192.0.2.80", self.authority.certificate(
            "web", [f"mta-sts.{n}.example" for n in names] + ["report.reported.example"]))
        self.receivers = {}
        self.silence = silent("192.0.2.81")
        self.txt = {n: [f"v=STSv1; id={n}1;"] for n in [*names, "wrongname", "expired", "common", "stranger", "slow", "dead"]}
        self.txt["unsaid"] = self.txt["reader"] = []
        self.txt["doubled"] = ["v=STSv1; id=1;", "v=STSv1; id=2;"]
        self.txt["nonsense"] = ["v=STSv1; id;"]
        for name in ("doubled", "nonsense", "unsaid", "good", *MAILED):
            self.page(name, Page(policy(domain=f"{name}.example")))
        self.page("mismatch", Page(policy(mx=("*.mx.{}", "{}"), domain="mismatch.example")))
        self.page("tested", Page(policy("testing", domain="tested.example")))
        self.web.pages["report.reported.example"] = Page(status=201)
        for name, page in ODD.items():
            self.page(name, page)
        a = self.authority
        self.stranger = stranger = Authority(os.path.join(self.dir, "stranger"), "Somebody else")
        for name, certificate in {
                "wrongname": a.certificate("wrongname", ["other.example"]),
                "expired": a.certificate("expired", ["mta-sts.expired.example"], days=-1),
                "common": a.certificate("common", [], cn="mta-sts.common.example"),
                "stranger": stranger.certificate("stranger", ["mta-sts.stranger.example"])}.items():
            self.page(name, Page(policy(domain=f"{name}.example"), certificate=certificate))
        self.dns = Dns(os.path.join(self.dir, "dns"), signed=False)
        self.write_dns()
        self.dns.start()
        self.server = Ulak(os.path.join(self.dir, "one"), "one.example", "192.0.2.1", self.dns, extra={
            **FAST, "outbound": [*FAST["outbound"], f'authorities = "{a.pem}"', 'mta_sts_timeout = "4s"', 'mta_sts_wait = "6s"']})
        self.server.init()
        self.server.start()

    def page(self, name, page):
        self.web.pages[f"mta-sts.{name}.example"] = page

    def write_dns(self):
        records = ["one IN MX 10 mx.one", "mx.one IN A 192.0.2.1"]
        for name, texts in self.txt.items():
            address = {"slow": "192.0.2.81", "dead": "192.0.2.82"}.get(name, "192.0.2.80")
            records += [f"{name} IN MX 10 mx.{name}", f"mx.{name} IN A {self.mail_address(name)}", f"mta-sts.{name} IN A {address}"]
            records += [f'_mta-sts.{name} 1 IN TXT "{text}"' for text in texts]
        records += ["silent IN MX 10 mx.silent", "mx.silent IN A 192.0.2.99", "_mta-sts.silent IN NS ns.silent",
                    "ns.silent IN A 192.0.2.83"]
        records += ['_smtp._tls.reported IN TXT "v=TLSRPTv1; rua=mailto:tls@reader.example,https://report.reported.example/tls?v=1"',
                    "report.reported IN A 192.0.2.80"]
        self.dns.zone(".", [])
        self.dns.zone("example.", records)
        self.dns.write()

    def mail_address(self, name):
        return f"192.0.2.{100 + sorted(self.txt).index(name)}"

    def receiver(self, name, certificate=None):
        r = self.receivers[name] = Receiver(self.mail_address(name), f"mx.{name}.example")
        if certificate is not None:
            r.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            r.tls.load_cert_chain(certificate)
        return r

    def send(self, name, more=""):
        subject, message = compose("user@one.example", f"jo@{name}.example", more=more)
        submit(self.server, "user@one.example", [f"jo@{name}.example"], message)
        return subject

    def change_txt(self, name, *texts):
        self.txt[name] = list(texts)
        self.dns.stop()
        self.write_dns()
        self.dns.start()

    def refresh(self, name):
        """The line of the log that says what became of it."""
        before = len(self.server.log())
        self.server.cli("sts", "refresh", f"{name}.example")

        def line():
            lines = [x for x in self.server.log()[before:].splitlines() if f"domain={name}.example " in x and "event=sts-" in x]
            return lines and lines[0]
        return wait_for(line, what=f"the policy of {name}")

    def kept(self):
        return {row["domain"].replace(".example", ""): row for row in self.server.cli_json("sts", "list")}

    def stop(self):
        self.server.stop()
        self.web.stop()
        for r in self.receivers.values():
            r.close()
        self.silence.close()
        self.dns.stop()


@pytest.fixture(scope="module")
def place(request):
    p = Place()
    yield p
    p.stop()
    if request.session.testsfailed:
        print(f"\nlogs are kept in {p.dir}")
    else:
        shutil.rmtree(p.dir, ignore_errors=True)


def test_a_policy_is_fetched_and_kept(place):
    assert "event=sts-fetched" in place.refresh("good")
    row = wait_for(lambda: place.kept().get("good"), what="the row")
    assert (row["mode"], row["mx"], row["id"]) == ("enforce", "mx.good.example", "good1")
    assert place.web.asked[-1] == ("mta-sts.good.example", "GET", "/.well-known/mta-sts.txt")
    assert place.server.cli("sts", "show", "absent.example", check=False).returncode != 0


@pytest.mark.parametrize("name, words", [
    ("large", "too large"), ("redirected", "says 301"), ("html", "text/plain"), ("typed", "text/plain"), ("untyped", "text/plain"),
    ("absent", "says 404"), ("partial", "says 206"), ("broken", "the mode is none of"), ("slow", "imed out"), ("dead", "onnect"),
    ("wrongname", "mismatch"), ("expired", "expired"), ("common", "mismatch"), ("stranger", "issuer")])
def test_what_is_no_policy(place, name, words):
    line = place.refresh(name)
    assert "event=sts-not-fetched" in line and words in line, line
    kind = {"broken": "sts-policy-invalid"}.get(
        name, "sts-webpki-invalid" if name in ("wrongname", "expired", "common", "stranger") else "sts-policy-fetch-error")
    assert f"result={kind} " in line
    assert name not in place.kept()


@pytest.mark.parametrize("name", ["doubled", "nonsense", "unsaid"])
def test_no_record_no_policy(place, name):
    """Two records are none, and so is a wrong one: nothing is fetched, mail goes."""
    receiver = place.receiver(name)
    subject = place.send(name)
    wait_for(lambda: receiver.copies(subject), what="the mail")
    assert place.web.count(f"mta-sts.{name}.example") == 0


def test_a_silent_name_server_holds_nothing_up(place):
    """Who does not answer whether there is a policy has none; the second mail does not wait for him at all."""
    add_address("192.0.2.83")
    silence = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silence.bind(("192.0.2.83", 53))
    receiver = place.receivers["silent"] = Receiver("192.0.2.99", "mx.silent.example")

    def there():
        subject = place.send("silent")
        wait_for(lambda: receiver.copies(subject), what="the mail")
    there()
    soon(4, there)
    silence.close()


def test_enforced_and_kept(place):
    """A mail host with a certificate for its name, under a policy that is enforced."""
    receiver = place.receiver("secured", place.authority.certificate("secured", ["mx.secured.example"]))
    subject = place.send("secured")
    wait_for(lambda: receiver.copies(subject), what="the mail")
    assert receiver.count_of("STARTTLS") == 1
    assert place.kept()["secured"]["mode"] == "enforce"


@pytest.mark.parametrize("name, words", [
    ("plain", "MTA-STS policy demands it"), ("othercert", "MTA-STS policy demands it"), ("untrusted", "MTA-STS policy demands it"), ("mismatch", "does not name")])
def test_enforced_and_not_kept(place, name, words):
    """Nothing goes to a host that does not keep the policy, and nothing in the clear."""
    a = place.authority
    certificate = {"plain": None, "othercert": a.certificate("othercert", ["mx.other.example"]),
                   "untrusted": place.stranger.certificate("untrusted", ["mx.untrusted.example"]),
                   "mismatch": a.certificate("mismatch", ["mx.mismatch.example"])}[name]
    receiver = place.receiver(name, certificate)
    place.send(name)

    def texts():
        return [r["text"] for r in place.server.cli_json("queue", "list") if r["route"] == f"{name}.example"]
    wait_for(lambda: words in str(texts()), what=lambda: f"a failed attempt: {texts()}")
    assert receiver.mails == [] and receiver.count_of("MAIL") == 0
    place.server.cli("queue", "delete", "--yes", "--route", f"{name}.example")
    # RFC 8689, 4.2.2: unless its sender does without
    subject = place.send(name, "TLS-Required: No\r\n")
    place.server.cli("queue", "retry", "--yes", "--route", f"{name}.example")
    wait_for(lambda: receiver.copies(subject), seconds=40, what="the mail that does without")
    assert len(receiver.mails) == 1


def test_route_tells_what_is_demanded(place):
    """The policy, and what it means for each host; nothing is connected to."""
    def route(name):
        got = json.loads(place.server.cli("route", f"jo@{name}.example", "--json", check=False).stdout)
        first = {step["kind"]: step for step in reversed(got["steps"])}
        return got["answer"], first["sts"], first["tls"]
    answer, sts, tls = route("good")
    assert (answer, sts["what"], tls["what"]) == ("goes", "enforce", "verify")
    assert sts["text"].startswith("mx: mx.good.example; policy good1 of ")
    answer, sts, tls = route("mismatch")
    assert (answer, sts["what"], tls["what"]) == ("waits", "enforce", "not used") and "does not name" in tls["text"]
    answer, sts, tls = route("tested")
    assert (answer, sts["what"], tls["what"]) == ("goes", "testing", "may") and "only tested" in tls["text"]
    answer, sts, tls = route("absent")
    assert (answer, sts["what"], tls["what"]) == ("goes", "none", "may") and "sts-policy-fetch-error" in sts["text"]
    assert route("nonsense")[1]["text"] == "the domain has none"


def test_only_tested(place):
    """A policy in testing stops nothing."""
    receiver = place.receiver("tested")
    subject = place.send("tested")
    wait_for(lambda: receiver.copies(subject), what="the mail")
    assert place.kept()["tested"]["mode"] == "testing"


def test_a_new_id_brings_a_new_policy(place):
    """Enforced and not kept; then the domain says that it has none any more."""
    receiver = place.receiver("changing")
    subject = place.send("changing")
    wait_for(lambda: place.kept().get("changing"), what="the policy")
    time.sleep(1)
    assert receiver.mails == []
    place.page("changing", Page("version: STSv1\nmode: none\nmax_age: 60\n"))
    place.change_txt("changing", "v=STSv1; id=changing2;")
    place.server.cli("queue", "retry", "--yes", "--route", "changing.example")
    wait_for(lambda: receiver.copies(subject), seconds=40, what="the mail")
    assert place.kept()["changing"]["mode"] == "none"


def test_kept_over_a_restart_without_web_and_record(place):
    """What was enforced holds while web server and record are away, and over a restart (RFC 8461, 3.3)."""
    place.refresh("lasting")
    wait_for(lambda: place.kept().get("lasting"), what="the row")
    place.page("lasting", Page(status=500))
    place.change_txt("lasting")
    place.server.stop()
    place.server.start()
    receiver = place.receiver("lasting")
    place.send("lasting")
    wait_for(lambda: [r for r in place.server.cli_json("queue", "list") if r["route"] == "lasting.example" and r["text"]],
             what="a failed attempt")
    assert receiver.mails == []
    place.server.cli("queue", "delete", "--yes", "--route", "lasting.example")


def test_a_fetcher_that_dies_is_asked_again(place):
    receiver = place.receiver("again", place.authority.certificate("again", ["mx.again.example"]))
    place.server.kill_role("fetcher")
    subject = place.send("again")
    wait_for(lambda: receiver.copies(subject), seconds=30, what="the mail")
    assert receiver.count_of("STARTTLS") == 1


class House(Receiver):
    """A next hop that an operator has chosen: SMTP and LMTP, without TLS."""
    def on_lhlo(self, c, line):
        self.on_ehlo(c, b"EHLO")


@pytest.mark.parametrize("kind", ["smarthost", "lmtp"])
def test_a_chosen_hop_has_no_policy(place, kind):
    """RFC 8461 is about the hosts that a domain names; for those of a route the route speaks, and nobody is asked."""
    if "good" not in place.receivers:
        place.receivers["good"] = House(place.mail_address("good"), "mx.good.example")
    asked = place.web.count("mta-sts.good.example")
    place.server.cli("route", "add", kind, f"kind={kind}", "hosts=mx.good.example:25", "to=good.example")
    subject = place.send("good")
    wait_for(lambda: place.receivers["good"].copies(subject), what="the mail")
    assert place.web.count("mta-sts.good.example") == asked
    place.server.cli("route", "delete", kind)


RESULTS = {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
           "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
           "sts-policy-invalid", "sts-webpki-invalid"}


def check_report(report, domain, contact="postmaster@one.example"):
    """RFC 8460, 4.4: the members, their types, the sums."""
    assert set(report) == {"organization-name", "date-range", "contact-info", "report-id", "policies"}
    begin, end = report["date-range"]["start-datetime"], report["date-range"]["end-datetime"]
    assert begin.endswith("T00:00:00Z") and end == begin.replace("00:00:00", "23:59:59")
    assert report["contact-info"] == contact and report["report-id"]
    assert report["policies"]
    for policy in report["policies"]:
        about = policy["policy"]
        assert about["policy-type"] in ("tlsa", "sts", "no-policy-found")
        assert about["policy-domain"] == domain
        assert all(isinstance(line, str) for line in about.get("policy-string", []))
        summary = policy["summary"]
        assert set(summary) == {"total-successful-session-count", "total-failure-session-count"}
        details = policy.get("failure-details", [])
        assert sum(d["failed-session-count"] for d in details) == summary["total-failure-session-count"]
        for detail in details:
            assert detail["result-type"] in RESULTS
    return {p["policy"]["policy-type"]: p for p in report["policies"]}


def test_reports_by_mail_and_by_https(place):
    """What went well and what did not is told, to both places that the record names (RFC 8460)."""
    place.receiver("reported", place.authority.certificate("reported", ["mx.reported.example"]))
    reader = place.receiver("reader")
    for _ in range(2):
        subject = place.send("reported")
        wait_for(lambda: place.receivers["reported"].copies(subject), what="the mail")
        time.sleep(6)   # a connection of its own for the second
    place.receivers["reported"].tls = None
    subject = place.send("reported", "TLS-Required: No\r\n")
    wait_for(lambda: place.receivers["reported"].copies(subject), what="the mail that does without")
    place.send("reported")
    wait_for(lambda: [r for r in place.server.cli_json("queue", "list") if r["route"] == "reported.example" and r["text"]],
             what="a failed attempt")
    place.server.cli("queue", "delete", "--yes", "--route", "reported.example")
    wait_for(lambda: place.server.cli("reports", "tls", "send") and place.web.posted and reader.mails, what="both reports")
    host, path, headers, body = place.web.posted[0]
    assert (host, path) == ("report.reported.example", "/tls?v=1")
    assert headers["Content-Type"] == "application/tlsrpt+gzip"
    policies = check_report(json.loads(gzip.decompress(body)), "reported.example")
    sts = policies["sts"]
    assert sts["summary"]["total-successful-session-count"] == 2
    assert sts["summary"]["total-failure-session-count"] >= 2  # also what its sender did without
    assert sts["failure-details"][0]["result-type"] == "starttls-not-supported"
    assert sts["failure-details"][0]["receiving-mx-hostname"] == "mx.reported.example"
    assert "mode: enforce" in sts["policy"]["policy-string"] and sts["policy"]["mx-host"] == ["mx.reported.example"]

    sender, rcpts, data = reader.mails[0]
    assert sender.startswith(b"MAIL FROM:<>") and rcpts == ["tls@reader.example"]
    mail = email.message_from_bytes(data, policy=email.policy.default)
    assert mail.get_content_type() == "multipart/report" and mail.get_param("report-type") == "tlsrpt"
    assert mail["TLS-Report-Domain"] == "reported.example" and mail["TLS-Report-Submitter"] == "one.example"
    assert re.match(r"Report Domain: reported.example Submitter: one.example Report-ID: <\S+@one.example>$", mail["Subject"])
    text, attached = mail.iter_parts()
    assert text.get_content_type() == "text/plain" and attached.get_content_type() == "application/tlsrpt+gzip"
    assert re.match(r"one\.example!reported\.example!\d+!\d+![A-Z0-9]+\.json\.gz$", attached.get_filename())
    check_report(json.loads(gzip.decompress(attached.get_content())), "reported.example")
    theirs = json.loads(place.server.cli("reports", "tls", "read", "-", "--json", stdin=data.decode()).stdout)
    assert theirs[0]["good"] == 2 and theirs[1]["result"] == "starttls-not-supported" and theirs[1]["mx"] == "mx.reported.example"
    rows = place.server.cli_json("reports", "tls", "list")
    assert {r["state"] for r in rows if r["domain"] == "reported.example"} == {"sent"}
