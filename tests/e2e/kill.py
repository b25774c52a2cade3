#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""kill.py ROUNDS [SEED] - kill -9 of a random role under load, many times.

Two servers relay to each other and deliver at home while clients send without
pause. Each round kills one role (now and then the supervisor, which is then
started again). At the end every mail that got a 250 must be in the mailbox it
was for; twins are allowed and counted; `ulak verify` must find nothing.
Run inside a network namespace (tools/kill-test does that). A round takes about
a second.
"""
import os
import random
import signal
import smtplib
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mua import imap  # noqa: E402
from world import PASSWORD, Dns, Ulak, standard_zones, tls_context, wait_for  # noqa: E402

ROLES = ["store", "keeper", "resolver", "courier", "control", "mx", "user", "local", "supervisor"]
# Not those of conftest.py, whose servers may run beside these.
HOSTS = {"one.example": "198.51.100.1", "two.example": "198.51.100.2"}


class Load:
    """Clients that send until told to stop, and remember every 250."""

    def __init__(self, servers):
        self.servers, self.kept, self.stopping = servers, {}, False
        self.tried = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(6)]
        for t in self.threads:
            t.start()

    def work(self, n):
        rng = random.Random(n)
        while not self.stopping:
            home, away = rng.sample(self.servers, 2)
            try:
                if n % 3 == 0:
                    self.inject(home)
                else:
                    self.submit(home, away, rng)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.05)

    def remember(self, subject, rcpts):
        with self.lock:
            self.kept[subject] = rcpts

    def inject(self, home):
        with smtplib.SMTP(home.address, 25, timeout=30) as c:
            c.ehlo("client.example")
            for _ in range(20):
                if self.stopping:
                    return
                self.send(c, "a@client.example", ["user@" + home.domain])

    def submit(self, home, away, rng):
        with smtplib.SMTP(home.address, 587, timeout=30) as c:
            c.starttls(context=tls_context())
            c.login("user@" + home.domain, PASSWORD)
            for _ in range(10):
                if self.stopping:
                    return
                rcpts = ["user@" + away.domain]
                if rng.random() < 0.3:
                    rcpts.append("user@" + home.domain)
                self.send(c, "user@" + home.domain, rcpts)

    def send(self, c, sender, rcpts):
        self.tried += 1
        subject = uuid.uuid4().hex
        body = f"From: <{sender}>\r\nSubject: {subject}\r\n\r\n" + "x" * random.choice((10, 1000, 5000)) + "\r\n"
        if c.mail(sender)[0] != 250:
            c.rset()
            return
        good = [r for r in rcpts if c.rcpt(r)[0] == 250]
        if not good:
            c.rset()
            return
        if c.data(body)[0] == 250:
            self.remember(subject, good)

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(30)


def kill_one(server, rng):
    role = rng.choice(ROLES)
    if role != "supervisor":
        server.kill_role(role, rng.randrange(4))
        return role
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    time.sleep(0.2)
    server.log_start = len(server.log())
    server.start(wait=False)
    return role


def subjects_in(server):
    c = imap(server, "user@" + server.domain)
    n = int(c.select("INBOX", readonly=True)[1][0])
    found = []
    for lo in range(1, n + 1, 500):
        _, data = c.fetch(f"{lo}:{min(n, lo + 499)}", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        found += [d[1].decode().split(":", 1)[1].strip() for d in data if isinstance(d, tuple)]
    c.logout()
    return found


def settle(servers):
    def quiet():
        try:
            return all(s.cli_json("queue", "list") == [] for s in servers)
        except (AssertionError, ValueError):
            return False
    wait_for(quiet, 180, "the queues to empty")


def judge(servers, kept):
    lost, twins = [], 0
    for s in servers:
        found = subjects_in(s)
        twins += len(found) - len(set(found))
        have = set(found)
        lost += [subject for subject, rcpts in kept.items() if "user@" + s.domain in rcpts and subject not in have]
    return lost, twins


def main():
    rounds = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    rng = random.Random(seed)
    directory = tempfile.mkdtemp(prefix="ulak-kill.")
    os.chmod(directory, 0o755)
    dns = Dns(os.path.join(directory, "dns"), "198.51.100.53")
    standard_zones(dns, HOSTS)
    dns.start()
    servers = []
    for domain, address in HOSTS.items():
        s = Ulak(os.path.join(directory, domain), domain, address, dns,
                 extra={"outbound": ['retry_first = "1s"', 'retry_max = "2s"'], "smtp": ["max_per_client = 10000"]})
        s.init()
        s.start()
        servers.append(s)
    load = Load(servers)
    killed = {}
    for i in range(rounds):
        time.sleep(rng.uniform(0.3, 1.2))
        role = kill_one(rng.choice(servers), rng)
        killed[role] = killed.get(role, 0) + 1
        if (i + 1) % 10 == 0:
            print(f"round {i + 1}: {load.tried} tried, {len(load.kept)} kept", flush=True)
    time.sleep(1)
    load.stop()
    for s in servers:
        wait_for(lambda s=s: s.cli("status", check=False).returncode == 0, 30, "status")
    settle(servers)
    lost, twins = judge(servers, load.kept)
    problems = []
    for s in servers:
        out = s.cli("verify", check=False)
        if out.returncode != 0:
            problems.append(out.stdout + out.stderr)
        s.stop()
        out = s.cli("verify", "--offline", check=False)
        if out.returncode != 0:
            problems.append(out.stdout + out.stderr)
    dns.stop()
    print(f"seed {seed}: {rounds} kills {killed}, {load.tried} tried, {len(load.kept)} kept, {len(lost)} lost, {twins} twins, "
          f"{len(problems)} verify problems")
    for p in problems:
        print(p)
    if lost or problems:
        print("data left in", directory)
        sys.exit(1)
    import shutil
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
