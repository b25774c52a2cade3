#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""kill_relay.py ROUNDS [SEED] - kill -9 of a random role while mail is relayed

One server passes mail on to receivers that take it, take it slowly, put it
off, refuse it (then a report goes back, to a mailbox here or to a stranger),
break off, or take it and lose their last reply; one domain is dead. Each round
kills one role, now and then the supervisor. At the end each recipient of each
mail that got a 250 was delivered, is in the queue, or was reported, once. Each
further copy follows one whose last reply was lost: by its receiver, or because
store, courier or supervisor were killed around it. `ulak verify` must find
nothing. Run inside a network namespace (tools/kill-relay does that).
"""
import email
import os
import random
import re
import shutil
import signal
import smtplib
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mua import imap  # noqa: E402
from receivers import Receiver  # noqa: E402
from world import PASSWORD, Dns, Ulak, tls_context, wait_for  # noqa: E402

# Those whose death can lose the last reply of a next server, and the others.
GUILTY = ["store", "courier", "supervisor"]
ROLES = GUILTY * 2 + ["keeper", "resolver", "fetcher", "control", "mx", "user"]
USER, STRANGER = "user@relay.example", "ext@back.example"
N_LOSING, N_BREAKING = 12, 6
# After its last reply was sent: until the store has it on disk, on a busy machine.
SETTLES = 8
# What was on its way when a role died: until its receiver has looked at it, and the courier has seen the store's end.
ARRIVES = 2
SUBJECT = re.compile(rb"\r\nSubject: ([0-9a-f]{32})\r\n")


class Sink(Receiver):
    """Takes everything, and remembers each copy: when, whose, and what became of its reply."""
    delay = 0

    def __init__(self, address, name, rng):
        self.copies_of = {}  # (subject, recipient) -> [Copy]
        self.rng = rng
        super().__init__(address, name)
        self.lines = Forgets()

    def take(self, c, data):
        subject = SUBJECT.search(b"\r\n" + data)[1].decode()
        copy = {"at": time.monotonic(), "is_lost": False, "is_report": c.sender.startswith(b"MAIL FROM:<>"), "data": data}
        with self.lock:
            for rcpt in c.rcpts:
                self.copies_of.setdefault((subject, rcpt), []).append(copy)
        return copy

    def finish(self, c, data):
        copy = self.take(c, data)
        time.sleep(self.delay)
        copy["until"] = time.monotonic()
        c.say("250 2.0.0 taken")
        c.reset()


class Forgets(list):
    def append(self, _):
        pass


class Slow(Sink):
    delay = 0.4


class Later(Sink):
    """Each recipient of each mail is put off once or twice."""

    def __init__(self, *args):
        self.tries = {}
        super().__init__(*args)

    def judge(self, c, rcpt):
        with self.lock:
            self.tries[rcpt] = self.tries.get(rcpt, 0) + 1
        return "450 4.2.1 come again" if self.tries[rcpt] < 3 else "250 2.1.5 ok"


class Refuses(Sink):
    def judge(self, c, rcpt):
        return "550 5.1.1 nobody here"


class RefusesTheMessage(Sink):
    def finish(self, c, data):
        c.say("554 5.7.1 not this one")
        c.reset()


class Mixed(Later):
    def judge(self, c, rcpt):
        return {"yes": "250 2.1.5 ok", "no": "550 5.1.1 nobody here"}.get(rcpt.split(".")[0]) or super().judge(c, rcpt)


class LosesReplies(Sink):
    """Takes a mail and hangs up, sometimes."""

    def finish(self, c, data):
        if self.rng.random() < 0.4:
            self.take(c, data)["is_lost"] = True
            c.hang_up()
        super().finish(c, data)


class BreaksOff(Sink):
    """Ends the connection, sometimes, at any stage before the dot, with or without a word."""

    def may_break(self, c):
        if self.rng.random() < 0.08:
            if self.rng.random() < 0.5:
                c.say("421 4.3.2 not now")
            c.hang_up()

    def greet(self, c):
        self.may_break(c)
        super().greet(c)

    def on_ehlo(self, c, line):
        self.may_break(c)
        super().on_ehlo(c, line)

    def on_mail(self, c, line):
        self.may_break(c)
        super().on_mail(c, line)

    def on_rcpt(self, c, line):
        self.may_break(c)
        super().on_rcpt(c, line)

    def on_data(self, c, line):
        self.may_break(c)
        super().on_data(c, line)


KINDS = [("good", Sink), ("slow", Slow), ("later", Later), ("refuses", Refuses), ("refuses-dot", RefusesTheMessage),
         ("mixed", Mixed), ("back", Sink), *[(f"loses{i}", LosesReplies) for i in range(N_LOSING)],
         *[(f"breaks{i}", BreaksOff) for i in range(N_BREAKING)]]
REFUSED = re.compile(r".*@refuses(-dot)?\.example|no\..*@mixed\.example")


class World:
    def __init__(self, directory, rng):
        self.dir = directory
        self.dns = Dns(os.path.join(directory, "dns"), "198.51.100.53")
        records = ["relay.example. IN MX 10 mx.relay.example.", "mx.relay.example. IN A 198.51.100.1",
                   "dead.example. IN MX 10 mx.dead.example.", "mx.dead.example. IN A 198.51.100.250"]
        self.receivers = {}
        for i, (label, cls) in enumerate(KINDS):
            address = f"198.51.100.{100 + i}"
            self.receivers[label] = cls(address, f"mx.{label}.example", random.Random(rng.random()))
            records += [f"{label}.example. IN MX 10 mx.{label}.example.", f"mx.{label}.example. IN A {address}"]
        self.dns.zone(".", [])
        self.dns.zone("example.", records)
        self.dns.start()
        self.server = Ulak(os.path.join(directory, "relay"), "relay.example", "198.51.100.1", self.dns, extra={
            "outbound": ['retry_first = "500ms"', 'retry_max = "2s"', 'connect_timeout = "2s"', 'mta_sts_wait = "2s"'],
            "smtp": ["max_per_client = 10000"], "relay": ['networks = ["198.51.100.0/24"]', "own_senders = false"]})
        self.server.init()
        self.server.start()

    def copies(self):
        found = {}
        for r in self.receivers.values():
            found.update(r.copies_of)
        return found

    def stop(self):
        self.server.stop()
        for r in self.receivers.values():
            r.close()
        self.dns.stop()


class Load:
    """Clients that send until told to stop, and remember every 250."""

    def __init__(self, server, seed):
        self.server, self.kept, self.tried, self.stopping = server, {}, 0, False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(random.Random(seed + n), n % 2), daemon=True) for n in range(4)]
        for t in self.threads:
            t.start()

    def work(self, rng, is_stranger):
        while not self.stopping:
            try:
                with smtplib.SMTP(self.server.address, 25 if is_stranger else 587, timeout=10) as c:
                    self.session(c, rng, STRANGER if is_stranger else USER)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.05)

    def session(self, c, rng, sender):
        if sender == USER:
            c.starttls(context=tls_context())
            c.login(USER, PASSWORD)
        else:
            c.ehlo("client.example")
        for _ in range(10):
            if self.stopping:
                return
            self.send(c, sender, self.choose(rng), rng)
            time.sleep(rng.uniform(0.05, 0.25))

    def choose(self, rng):
        """Addresses of their own for each mail: a receiver puts off each, not all of them."""
        own = uuid.uuid4().hex[:8]
        if rng.random() < 0.02:
            return [f"{i}{own}@dead.example" for i in range(2)]
        label = rng.choice(["good"] * 4 + ["slow", "later", "later", "refuses", "refuses-dot", "mixed", "mixed", "here",
                                           "loses", "loses", "breaks"])
        if label == "here":
            return [USER, f"a{own}@good.example"]
        if label == "mixed":
            return [f"{who}.{own}@mixed.example" for who in ("yes", "no", "later")]
        if label in ("loses", "breaks"):
            label += str(rng.randrange(N_LOSING if label == "loses" else N_BREAKING))
        return [f"{i}{own}@{label}.example" for i in range(rng.choice([1, 1, 1, 4]))]

    def send(self, c, sender, rcpts, rng):
        self.tried += 1
        subject = uuid.uuid4().hex
        body = f"From: <{sender}>\r\nSubject: {subject}\r\n\r\n" + ("x" * 70 + "\r\n") * rng.choice((1, 20, 2000))
        if c.mail(sender)[0] != 250:
            c.rset()
            return
        good = [r for r in rcpts if c.rcpt(r)[0] == 250]
        if not good:
            c.rset()
            return
        if c.data(body)[0] == 250:
            with self.lock:
                self.kept[subject] = good

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(30)


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def kill_one(server, role, rng):
    """(when it was killed, when it was gone), or None: a busy machine takes its time, and until then others see nothing of it."""
    if role == "supervisor":
        begun = time.monotonic()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        pids = []  # those below it follow
    else:
        pids = server.roles().get(role)
        if not pids:
            return None
        pids = [rng.choice(pids)]
        begun = time.monotonic()
        os.kill(pids[0], signal.SIGKILL)
    wait_for(lambda: all(is_gone(p) for p in pids), 30, "its end")
    if role == "supervisor":
        server.log_start = len(server.log())
        server.start(wait=False)
    return begun, time.monotonic() + (1 if role == "supervisor" else 0)


# -- what is found afterwards

def reports_here(server):
    """The mails in the mailbox: those that are not reports by subject, and reports by (subject, recipient)."""
    c = imap(server, USER)
    n = int(c.select("INBOX", readonly=True)[1][0])
    mails, reports = {}, {}
    for lo in range(1, n + 1, 200):
        for item in c.fetch(f"{lo}:{min(n, lo + 199)}", "(BODY.PEEK[])")[1]:
            if not isinstance(item, tuple):
                continue
            if b"\r\nContent-Type: multipart/report" in item[1]:
                count_report(reports, item[1])
            else:
                subject = SUBJECT.search(b"\r\n" + item[1])[1].decode()
                mails[subject] = mails.get(subject, 0) + 1
    c.logout()
    return mails, reports


def count_report(reports, data):
    parts = email.message_from_bytes(data).get_payload()
    subject = SUBJECT.search(b"\r\n" + data[data.index(b"Reporting-MTA"):])[1].decode()
    for fields in parts[1].get_payload()[1:]:
        assert fields["Action"] == "failed", fields
        key = (subject, fields["Final-Recipient"].split(";")[1].strip())
        reports[key] = reports.get(key, 0) + 1


def reports_away(world):
    """What came to the stranger: each report counts once, whatever its copies."""
    reports, seen = {}, {}
    for copy in (c for copies in world.receivers["back"].copies_of.values() for c in copies):
        message_id = email.message_from_bytes(copy["data"])["Message-ID"]
        if message_id not in seen:
            count_report(reports, copy["data"])
        seen.setdefault(message_id, []).append(copy)
    return reports, seen


def waiting(server):
    try:
        return [(r["id"], r["recipient"]) for r in server.cli_json("queue", "list", "--limit", "1000")]
    except (AssertionError, ValueError):
        return None


def settle(server):
    def only_the_dead():
        rows = waiting(server)
        return rows is not None and all(r[1].endswith("@dead.example") for r in rows)
    try:
        wait_for(only_the_dead, 60, "the queue to empty")
    except AssertionError:
        print("still there:", [r for r in server.cli("queue", "list").stdout.split("\n") if "@dead.example" not in r][:20])
        raise


def unexplained(copies, kills):
    """Of copies of one mail: those that had been taken, with a reply that was heard, as far as one can see."""
    found = []
    for copy, after in zip(copies, copies[1:]):
        end = min(copy.get("until", copy["at"]) + SETTLES, after["at"])
        if not copy["is_lost"] and not any(copy["at"] <= gone + ARRIVES and begun <= end for begun, gone in kills):
            found.append(copy)
    return found


def judge(world, load, kills):
    problems = []
    copies = world.copies()
    mails, reports = reports_here(world.server)
    away, sent_reports = reports_away(world)
    for key, n in away.items():
        reports[key] = reports.get(key, 0) + n
    rows = waiting(world.server)
    dead = [r[1] for r in rows]
    sums = {"delivered": 0, "queued": 0, "bounced": 0, "here": 0}
    for subject, rcpts in load.kept.items():
        for rcpt in rcpts:
            fate = fate_of(subject, rcpt, copies, reports, dead, mails)
            if len(fate) != 1:
                problems.append(f"{subject} to {rcpt}: {fate or 'lost'}")
            for f in fate[:1]:
                sums[f] += 1
    for key, of_one in [*copies.items(), *sent_reports.items()]:
        if not str(key).startswith("('") or not of_one[0]["is_report"]:
            problems += [f"a copy of {key} without a reason, at {c['at']:.1f}" for c in unexplained(of_one, kills)]
    problems += [f"{n} reports of {key}" for key, n in reports.items() if n != 1]
    problems += [f"a report of {key}, who was not to be refused" for key in reports if not REFUSED.match(key[1])]
    problems += [f"{n} times in the mailbox: {subject}" for subject, n in mails.items() if n != 1]
    problems += [f"{dead.count(r)} rows for {r}" for r in set(dead) if dead.count(r) != 1]
    lost = sum(c["is_lost"] for of_one in copies.values() for c in of_one)
    twins = sum(len(of_one) - 1 for of_one in copies.values())
    return sums, lost, twins, problems


def fate_of(subject, rcpt, copies, reports, dead, mails):
    fate = []
    if (subject, rcpt) in copies:
        fate.append("delivered")
    if (subject, rcpt) in reports:
        fate.append("bounced")
    if rcpt in dead:
        fate.append("queued")
    if rcpt == USER and subject in mails:
        fate.append("here")
    return fate


def verify(server):
    problems = []
    out = server.cli("verify", check=False)
    if out.returncode != 0:
        problems.append(out.stdout + out.stderr)
    server.stop()
    out = server.cli("verify", "--offline", check=False)
    if out.returncode != 0:
        problems.append(out.stdout + out.stderr)
    return problems


def run(world, rounds, seed, rng):
    load = Load(world.server, seed)
    killed, kills = {}, []
    for i in range(rounds):
        time.sleep(rng.uniform(0.3, 1.2))
        role = rng.choice(ROLES)
        times = kill_one(world.server, role, rng)
        if times is None:
            continue
        if role in GUILTY:
            kills.append(times)
        killed[role] = killed.get(role, 0) + 1
        if (i + 1) % 10 == 0:
            print(f"round {i + 1}: {load.tried} tried, {len(load.kept)} kept", flush=True)
    time.sleep(1)
    load.stop()
    wait_for(lambda: world.server.cli("status", check=False).returncode == 0, 30, "status")
    settle(world.server)
    sums, lost, twins, problems = judge(world, load, kills)
    problems += verify(world.server)
    print(f"seed {seed}: {sum(killed.values())} kills {killed}, {load.tried} tried, {len(load.kept)} kept: recipients {sums}; "
          f"{lost} last replies lost by receivers, {twins} further copies; {len(problems)} problems")
    return problems


def main():
    rounds = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    rng = random.Random(seed)
    directory = tempfile.mkdtemp(prefix="ulak-kill-relay.")
    os.chmod(directory, 0o755)
    world = World(directory, rng)
    try:
        problems = run(world, rounds, seed, rng)
    finally:
        world.stop()
    for p in problems:
        print(p)
    if problems:
        print("data left in", directory)
        sys.exit(1)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
