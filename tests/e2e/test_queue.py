# SPDX-License-Identifier: ISC
"""The queue at work and by hand: on what terms destinations are served."""
import datetime
import email
import email.utils
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

import pexpect_lite
from mua import compose, imap, submit
from receivers import Receiver
from world import ULAK, Dns, Ulak, wait_for

USER = "user@box.example"


class Keeps(Receiver):
    """Takes everything, and notes when and on which connection."""

    def __init__(self, *args):
        self.taken, self.now, self.most = [], 0, 0
        self.lock = threading.Lock()
        self.hold = 0.0
        self.answer = None
        super().__init__(*args)

    def judge(self, c, rcpt):
        return self.answer or super().judge(c, rcpt)

    def take(self, c, data):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.hold)
        with self.lock:
            self.now -= 1
            self.taken.append((time.monotonic(), c.number, list(c.rcpts)))
        return super().take(c, data)


NAMES = {"few": "192.0.2.110", "slow": "192.0.2.111", "short": "192.0.2.112", "below.short": "192.0.2.113",
         "hand": "192.0.2.114", "paced": "192.0.2.115", "other": "192.0.2.116"}
LATER = {"crowded": "192.0.2.117", "dropping": "192.0.2.118"}  # servers of single tests


class Scene:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dir = directory
        self.dns = Dns(os.path.join(directory, "dns"))
        records = ["box.example. IN MX 10 mx.box.example.", "mx.box.example. IN A 192.0.2.109"]
        for name, address in {**NAMES, **LATER}.items():
            records += [f"{name}.example. IN MX 10 mx.{name}.example.", f"mx.{name}.example. IN A {address}"]
        self.dns.zone(".", [])
        self.dns.zone("example.", records)
        self.dns.start()
        self.receivers = {n: Keeps(a, n) for n, a in NAMES.items()}
        self.box = Ulak(os.path.join(directory, "box"), "box.example", "192.0.2.109", self.dns, extra={
            "outbound": ['retry_first = "300s"', 'retry_max = "400s"'], "smtp": ["max_per_client = 10000"]})
        self.box.init()
        self.box.start()

    def send(self, subject, *rcpts, sender=USER):
        return submit(self.box, USER, list(rcpts), compose(sender, rcpts[0], subject)[1])

    def rows(self, *args):
        return self.box.cli_json("queue", "list", *args)

    def stop(self):
        self.box.stop()
        for r in self.receivers.values():
            r.close()
        self.dns.stop()


@pytest.fixture(scope="module")
def scene():
    directory = tempfile.mkdtemp(prefix="ulak-queue.")
    s = Scene(directory)
    yield s
    s.stop()
    shutil.rmtree(directory, ignore_errors=True)


def show(box, domain):
    return {row["term"]: row for row in box.cli_json("destination", "show", domain)}


def test_terms_are_set_and_shown(scene):
    box = scene.box
    box.cli("destination", "set", "*", "rate=0", "concurrency=9")
    box.cli("destination", "set", ".Few.Example", "concurrency=3", "tls=encrypt")
    box.cli("destination", "set", "few.example", "concurrency=1", "mails=2", "recipients=2")
    terms = show(box, "few.example")
    assert (terms["concurrency"]["value"], terms["concurrency"]["from"]) == ("1", "few.example")
    assert (terms["retry_first"]["value"], terms["retry_first"]["from"]) == ("5m", "configuration")
    assert show(box, "a.few.example")["tls"] == {"term": "tls", "value": "encrypt", "from": ".few.example"}
    assert show(box, "else.example")["concurrency"]["from"] == "*"
    assert [row["destination"] for row in box.cli_json("destination", "list")] == ["*", ".few.example", "few.example"]
    box.cli("destination", "unset", "*")
    box.cli("destination", "unset", ".few.example", "tls", "concurrency")
    assert [row["destination"] for row in box.cli_json("destination", "list")] == ["few.example"]


@pytest.mark.parametrize("args,why", [
    (["set", "few.example", "concurrency=0"], "concurrency cannot be"),
    (["set", "few.example", "colour=red"], "no such key"),
    (["set", "few..example", "mails=1"], "no destination"),
    (["set", "few.example", "retry_first=2h", "retry_max=1h"], "more than retry_max"),
    (["unset", "few.example", "colour"], "no term"),
    (["unset", "nobody.example"], ""),
])
def test_terms_are_refused(scene, args, why):
    out = scene.box.cli("destination", *args, check=False)
    assert out.returncode in (1, 2, 64) and why in out.stderr, out


def test_few_at_a_time(scene):
    """concurrency=1, mails=2, recipients=2: of 6 recipients of one mail and 3 mails more."""
    few = scene.receivers["few"]
    few.hold = 0.1
    scene.send("to six", *[f"r{i}@few.example" for i in range(6)])
    for i in range(3):
        scene.send(f"one of three {i}", f"s{i}@few.example")
    wait_for(lambda: len(few.taken) == 6, what="six transactions")
    assert few.most == 1
    assert sorted(len(rcpts) for _, _, rcpts in few.taken) == [1, 1, 1, 2, 2, 2]
    per_connection = [c for _, c, _ in few.taken]
    assert max(per_connection.count(c) for c in set(per_connection)) == 2


def test_times_of_a_destination(scene):
    """What comes after `set` is tried, warned of and given up by its terms."""
    short, other = scene.receivers["short"], scene.receivers["below.short"]
    short.answer = other.answer = "451 4.2.0 not now"
    scene.box.cli("destination", "set", "short.example", "retry_first=200ms", "retry_max=200ms", "lifetime=7s",
                  "delay_warning=1s")
    scene.send("soon over", "a@short.example")
    scene.send("not over", "a@below.short.example")
    wait_for(lambda: short.count_of("RCPT") >= 4, what="quick retries")
    wait_for(lambda: not scene.rows("--route", "short.example"), 30, what="the end of its time")
    assert len(scene.rows("--route", "below.short.example")) == 1
    assert other.count_of("RCPT") == 1
    found = wait_for(lambda: [m for m in inbox(scene.box) if "soon over" in m and "action: failed" in m.lower()], 20,
                     "the bounce")
    assert len(found) == 1
    late = [m for m in inbox(scene.box) if "soon over" in m and "action: delayed" in m.lower()]
    assert len(late) == 1 and "Diagnostic-Code: smtp; 451 4.2.0 not now" in late[0] and "Status: 4.2.0" in late[0], late


def test_a_rate_is_kept(scene):
    """rate=120, burst=3: three at once, then two a second."""
    paced = scene.receivers["paced"]
    scene.box.cli("destination", "set", "paced.example", "rate=120", "burst=3")
    begun = time.monotonic()
    for i in range(7):
        scene.send(f"paced {i}", f"p{i}@paced.example")
    wait_for(lambda: len(paced.taken) == 7, what="seven mails")
    assert max(t for t, _, _ in paced.taken) - begun >= 1.9


class Crowded(Receiver):
    """Bears three connections; what it says to the others is the test's."""
    refusal = "421 4.7.0 too many connections from you"

    def __init__(self, *args):
        self.open, self.most, self.refused = 0, 0, 0
        super().__init__(*args)

    def greet(self, c):
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
            crowd = self.open > 3
            self.refused += crowd
        if crowd:
            if self.refusal:
                c.say(self.refusal)
            c.hang_up()
        super().greet(c)

    def take(self, c, data):
        time.sleep(0.05)
        super().take(c, data)

    def _serve(self, s, number):
        try:
            super()._serve(s, number)
        finally:
            with self.lock:
                self.open -= 1


@pytest.mark.parametrize("name,refusal", [("crowded", Crowded.refusal), ("dropping", None)])
def test_what_a_host_bears_is_learnt(scene, name, refusal):
    """More connections than it bears: fewer from then on, nothing is put off for minutes."""
    host = Crowded(LATER[name], name)
    host.refusal = refusal
    try:
        for i in range(60):
            scene.send(f"{name} {i}", f"c{i}@{name}.example")
        wait_for(lambda: len(host.mails) == 60, 40, "all sixty mails")
        assert host.refused < 40
        assert len({m[1][0] for m in host.mails}) == 60
    finally:
        host.close()


def inbox(box):
    with imap(box, USER) as c:
        c.select("INBOX")
        found = c.search(None, "ALL")[1][0].split()
        return [c.fetch(n, "(RFC822)")[1][0][1].decode(errors="replace") for n in found]


def queue(scene, *args, check=True):
    return scene.box.cli("queue", *args, check=check)


def put_by(scene, n, prefix):
    """n mails that wait, and no others: their host says later."""
    queue(scene, "delete", "--domain", "hand.example", "--yes")
    scene.receivers["hand"].answer = "451 4.2.1 mailbox is being moved"
    for i in range(n):
        scene.send(f"{prefix} {i}", f"{prefix}{i}@hand.example")
    wait_for(lambda: len([r for r in scene.rows("--domain", "hand.example", "--state", "waiting")
                          if r["recipient"].startswith(prefix) and r["attempts"] == 1]) == n, what="rows that wait")


def test_a_filter_asks_first(scene):
    put_by(scene, 3, "ask")
    out = queue(scene, "hold", "--domain", "hand.example", "--reason", "BEING moved", check=False)
    assert out.returncode == 2 and "3 rows are meant" in out.stderr and "ask0@hand.example" in out.stderr
    assert " 20" in out.stderr and "route" not in out.stderr, "as the list shows them: " + out.stderr
    assert not scene.rows("--state", "held")
    assert queue(scene, "hold", "--reason", "nothing like it", "--all", check=False).returncode == 2
    assert queue(scene, "hold", "--reason", "nothing like it").stdout == "0 rows\n"
    assert queue(scene, "hold", "--domain", "hand.example", "--older", "1h").stdout == "0 rows\n"
    assert queue(scene, "hold", "--domain", "hand.example", "--newer", "1h", "--yes").stdout == "3 rows\n"
    assert len(scene.rows("--state", "held")) == 3
    done = scene.box.cli_json("queue", "delete", "--state", "held", "--yes")
    assert (done["affected"], done["code"]) == (3, 250)
    assert not scene.rows("--domain", "hand.example")


def test_a_list_tells_all_of_a_row(scene):
    put_by(scene, 1, "tell")
    row = scene.rows("--recipient", "tell0@hand.example")[0]
    assert row["state"] == "waiting" and row["attempts"] == 1 and row["due"] > row["last"]
    assert row["code"] == 451 and "being moved" in row["text"] and "hand.example" in row["remote"]
    queue(scene, "delete", "--row", str(row["row"]))


def test_the_summary(scene):
    put_by(scene, 2, "sum")
    by_domain = {r["what"]: r for r in scene.box.cli_json("queue", "summary")}
    assert by_domain["hand.example"]["waiting"] == 2
    by_sender = {r["what"]: r for r in scene.box.cli_json("queue", "summary", "--by", "sender")}
    assert by_sender[USER]["waiting"] >= 2
    queue(scene, "delete", "--domain", "hand.example", "--yes")


def test_mail_is_redirected(scene):
    """To another domain's servers for the same recipient, and to another recipient."""
    other = scene.receivers["other"]
    put_by(scene, 2, "turn")
    ids = {r["recipient"]: r["id"] for r in scene.rows("--domain", "hand.example")}
    queue(scene, "redirect", "other.example", ids["turn0@hand.example"])
    queue(scene, "redirect", "else@Other.Example", ids["turn1@hand.example"])
    wait_for(lambda: len(other.mails) >= 2, what="the redirected mails")
    assert sorted(m[1][0] for m in other.mails) == ["else@other.example", "turn0@hand.example"]
    assert not scene.rows("--domain", "hand.example")
    assert queue(scene, "redirect", "no..where", "--all", "--yes", check=False).returncode == 1
    for here in ("box.example", "else@Box.example"):  # it would come back as a loop
        out = queue(scene, "redirect", here, "--all", "--yes", check=False)
        assert out.returncode == 1 and "is served here" in out.stderr
    scene.box.cli("verify")


def test_a_bounce_by_hand_is_a_report(scene):
    """RFC 3464: our words, nobody's reply, and the date of the last attempt, which this was none of."""
    put_by(scene, 1, "back")
    row = scene.rows("--recipient", "back0@hand.example")[0]
    queue(scene, "bounce", "--row", str(row["row"]))
    found = wait_for(lambda: [m for m in inbox(scene.box) if "rfc822; back0@hand.example" in m], what="the report")
    fields = email.message_from_string(found[0]).get_payload()[1].get_payload()[1]
    assert (fields["Action"], fields["Status"], fields["Remote-MTA"]) == ("failed", "5.0.0", None)
    assert fields["Diagnostic-Code"] == "x-ulak; 550 5.0.0 returned by the administrator"
    at = email.utils.parsedate_to_datetime(fields["Last-Attempt-Date"])
    assert abs(at.timestamp() - datetime.datetime.fromisoformat(row["last"].replace("Z", "+00:00")).timestamp()) < 2
    assert len(found) == 1


def test_priority_is_changed(scene):
    put_by(scene, 1, "prio")
    row = scene.rows("--domain", "hand.example")[0]
    queue(scene, "priority", "-3", row["id"])
    shown = scene.box.cli_json("queue", "show", row["id"])[0]
    assert (shown["priority"], shown["lane"]) == (-3, "bulk")
    scene.receivers["hand"].answer = None
    queue(scene, "retry", row["id"])
    wait_for(lambda: not scene.rows("--domain", "hand.example"), what="its delivery")
    assert queue(scene, "priority", "10", "--all", "--yes", check=False).returncode == 2


def on_a_terminal(scene, *args, keys=()):
    env = dict(os.environ, ULAK_CONFIG=scene.box.config, ASAN_OPTIONS="detect_leaks=0")
    return pexpect_lite.run([ULAK, "queue", *args], keys, env)


def interrupted(scene, *args):
    """Ctrl-C some time after its beginning, each time a little later."""
    env = dict(os.environ, ULAK_CONFIG=scene.box.config, ASAN_OPTIONS="detect_leaks=0")
    for pause in (0.02, 0.05, 0.1, 0.15, 0.2):
        p = subprocess.Popen([ULAK, "queue", *args], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(pause)
        p.send_signal(signal.SIGINT)
        p.wait(60)


def test_many_rows_in_slices(scene):
    """More than a slice: all are held, released, and none is lost, however often the operator thinks better of it."""
    which = ("--domain", "hand.example")
    queue(scene, "delete", *which, "--yes")
    scene.receivers["hand"].answer = "451 4.2.1 mailbox is being moved"
    for i in range(13):
        scene.send(f"slices {i}", *[f"s{i}x{k}@hand.example" for k in range(100)])
    wait_for(lambda: len(scene.rows(*which, "--limit", "5000")) == 1300, what="1300 rows")
    seen = on_a_terminal(scene, "hold", *which, keys=[("Go on? [y/N]", b"n\n")])
    assert "1300 rows. Go on?" in seen and "nothing was changed" in seen and not scene.rows("--state", "held")
    interrupted(scene, "hold", *which, "--yes")
    assert len(scene.rows(*which, "--limit", "5000")) == 1300
    seen = on_a_terminal(scene, "hold", *which, keys=[("Go on? [y/N]", b"y\n")])
    assert "1300 of 1300" in seen
    # a row of a window that was read before is in hand once more, until it is seen that it is held
    wait_for(lambda: len(scene.rows("--state", "held", "--limit", "5000")) == 1300, what="1300 held rows")
    interrupted(scene, "redirect", "other.example", *which, "--yes")
    wait_for(lambda: len(scene.rows("--state", "held", "--limit", "5000")) == 1300, what="1300 held rows again")
    queue(scene, "redirect", "hand.example", "--state", "held", "--yes")
    scene.box.cli("verify")
    # first the host, then the rows: an attempt that hears 451 after the retry would wait for minutes
    scene.receivers["hand"].answer = None
    assert scene.box.cli_json("queue", "release", *which, "--yes")["affected"] == 1300
    queue(scene, "retry", *which, "--yes")
    wait_for(lambda: not scene.rows(*which), 60, what="their delivery")


@pytest.mark.parametrize("args,why", [
    (["hold", "--older", "soon"], "older takes a time"), (["hold", "--newer", "-1"], "newer takes a time"),
    (["delete", "--state", "asleep"], "state takes waiting, held or failed"),
    (["list", "--state", "asleep"], "state takes waiting, held or failed"),
    (["delete", "--lane", "fast"], "lane takes interactive"), (["delete", "--row", "0"], "row takes a number from 1"),
    (["summary", "--by", "colour"], "by takes domain or sender"),
    (["redirect", "not..a..domain", "--all"], "to takes a domain, an address"),
    (["redirect", "[192.0.2", "--all"], "to takes a domain, an address"),
    (["redirect", "@two.example", "--all"], "to takes a domain, an address"),
])
def test_what_cannot_be_is_named(scene, args, why):
    """And nothing is changed: a slip in an address would bounce mail."""
    more = ["--yes"] if args[0] in ("hold", "delete", "redirect") else []
    out = scene.box.cli("queue", *args, *more, check=False)
    assert out.returncode in (1, 2) and why in out.stderr, out
