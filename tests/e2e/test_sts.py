# SPDX-License-Identifier: ISC
"""MTA-STS (RFC 8461): which policies are taken, which are not, and how long they hold."""
import os
import shutil
import tempfile

import pytest

from conftest import FAST
from web import Authority, Page, Web, silent
from world import Dns, Ulak, wait_for

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


class Place:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="ulak-sts.")
        os.chmod(self.dir, 0o755)
        self.authority = Authority(os.path.join(self.dir, "ca"))
        names = ["good", "changing", "clear", *ODD]
        self.web = Web("192.0.2.80", self.authority.certificate("web", [f"mta-sts.{n}.example" for n in names]))
        self.silence = silent("192.0.2.81")
        self.txt = {n: [f"v=STSv1; id={n}1;"] for n in [*names, "wrongname", "expired", "common", "stranger", "slow", "dead"]}
        self.txt["doubled"] = ["v=STSv1; id=1;", "v=STSv1; id=2;"]
        self.txt["nonsense"] = ["v=STSv1; id;"]
        for name in ("doubled", "nonsense", "unsaid", "good", "clear"):
            self.page(name, Page(policy(domain=f"{name}.example")))
        for name, page in ODD.items():
            self.page(name, page)
        a = self.authority
        stranger = Authority(os.path.join(self.dir, "stranger"), "Somebody else")
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
            **FAST, "outbound": [*FAST["outbound"], f'authorities = "{a.pem}"', 'mta_sts_timeout = "1s"', 'mta_sts_wait = "2s"']})
        self.server.init()
        self.server.start()

    def page(self, name, page):
        self.web.pages[f"mta-sts.{name}.example"] = page

    def write_dns(self):
        records = ["one IN MX 10 mx.one", "mx.one IN A 192.0.2.1"]
        for name, texts in self.txt.items():
            address = {"slow": "192.0.2.81", "dead": "192.0.2.82"}.get(name, "192.0.2.80")
            records += [f"{name} IN MX 10 mx.{name}", f"mx.{name} IN A 192.0.2.2", f"mta-sts.{name} IN A {address}"]
            records += [f'_mta-sts.{name} 1 IN TXT "{text}"' for text in texts]
        self.dns.zone(".", [])
        self.dns.zone("example.", records)
        self.dns.write()

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
