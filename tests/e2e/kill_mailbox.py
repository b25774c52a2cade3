#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""kill_mailbox.py ROUNDS [SEED] - kill -9 of a random role while mailboxes change, many times.

Clients append, copy, move and expunge in accounts of their own, and an import of a Maildir runs again and again. Each
round kills the store, a front, the keeper or control. After each command whose answer did not come the mailboxes must be
as before it or as after it: all or nothing. In the end the import, given once more, has brought each mail once, and
`ulak verify` finds nothing. Run inside a network namespace (tools/kill-mailbox does that). A round takes about a second.
"""
import imaplib
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import PASSWORD, PATIENCE, Ulak, tls_context, wait_for  # noqa: E402

ADDRESS = "198.51.100.7"
ROLES = ["store", "store", "user", "user", "control", "keeper"]
BOXES = ["INBOX", "Archive"]
MOST = 30
MAILS = 80  # of the Maildir


class Client(threading.Thread):
    """One account: what it should hold, and what it does."""

    def __init__(self, server, who, seed):
        super().__init__(daemon=True)
        self.server, self.who, self.rng = server, who, random.Random(seed)
        self.boxes = {b: [] for b in BOXES}
        self.is_over, self.wrong, self.n_done, self.n_broken, self.serial, self.m = False, [], 0, 0, 0, None

    def connect(self):
        while True:
            try:
                self.m = imaplib.IMAP4_SSL(self.server.address, 993, ssl_context=tls_context(), timeout=30 * PATIENCE)
                self.m.login(self.who, PASSWORD)
                return
            except (OSError, imaplib.IMAP4.error):
                if self.is_over == "now":
                    raise
                time.sleep(0.1)

    def ask(self, command, *args):
        answer = getattr(self.m, command)(*args)
        if answer[0] != "OK":
            raise imaplib.IMAP4.error(f"{command}: {answer}")
        return answer[1]

    def subjects(self, box):
        self.ask("select", box)
        self.ask("uid", "STORE", "1:*", "-FLAGS.SILENT", "(\\Deleted)")
        got = self.ask("uid", "FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return [re.search(rb"Subject: (\S+)", d[1])[1].decode() for d in got if isinstance(d, tuple)]

    def look(self):
        """What is there, whatever dies meanwhile."""
        while True:
            try:
                return {b: self.subjects(b) for b in BOXES}
            except (OSError, imaplib.IMAP4.error):
                self.connect()

    def choose(self):
        """What to do, and what will be then."""
        box, other = self.rng.sample(BOXES, 2)
        n = len(self.boxes[box])
        after = {b: list(rows) for b, rows in self.boxes.items()}
        act = "append" if n == 0 else "expunge" if n > MOST else self.rng.choice(["append", "append", "copy", "move", "expunge"])
        some = self.rng.randint(1, max(1, n))
        if act == "append":
            self.serial += 1
            after[box].append(f"{self.who}-{self.serial}")
        if act in ("copy", "move"):
            after[other] += after[box][:some]
        if act in ("move", "expunge"):
            after[box] = after[box][some:]
        return act, box, other, some, after

    def do(self, act, box, other, some, after):
        if act == "append":
            self.ask("append", box, "()", None, f"Subject: {after[box][-1]}\r\n\r\n{'x' * self.rng.choice((10, 300000))}\r\n".encode())
            return
        self.ask("select", box)
        if act == "copy":
            self.ask("copy", f"1:{some}", other)
        elif act == "move":
            self.ask("xatom", "MOVE", f"1:{some}", other)
        else:
            self.ask("store", f"1:{some}", "+FLAGS.SILENT", "(\\Deleted)")
            self.ask("expunge")

    def run(self):
        self.connect()
        while not self.is_over:
            act, box, other, some, after = self.choose()
            try:
                self.do(act, box, other, some, after)
                self.boxes, self.n_done = after, self.n_done + 1
            except (OSError, imaplib.IMAP4.error) as e:
                self.n_broken += 1
                self.settle(f"{act} {box} {some}: {e}", after)
        self.settle("the end", self.boxes)

    def settle(self, what, after):
        is_ = self.look()
        if is_ not in (self.boxes, after):
            self.wrong.append(f"{self.who}: {what}: is {is_}, was {self.boxes}, would be {after}")
        self.boxes = is_


def make_maildir(path):
    for d in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, d))
    for i in range(MAILS):
        with open(os.path.join(path, "cur", f"{i}.x:2,S"), "w") as f:
            f.write(f"Subject: mail-{i}\n\n{'x' * (200000 if i % 10 == 0 else 100)}\n")


class Importer(threading.Thread):
    def __init__(self, server, path):
        super().__init__(daemon=True)
        self.server, self.path, self.is_over, self.n_broken = server, path, False, 0

    def once(self):
        out = self.server.cli("import", "maildir:" + self.path, "imported@one.example", check=False)
        assert "Sanitizer" not in out.stderr, out.stderr
        return out

    def run(self):
        while not self.is_over:
            self.n_broken += self.once().returncode != 0


def kill_some(server, clients, rounds, rng):
    """Each when the clients are at work again after the last."""
    killed = {}
    for _ in range(rounds):
        done = sum(c.n_done for c in clients)
        wait_for(lambda: sum(c.n_done for c in clients) > done + 2, 60, "clients to go on")
        time.sleep(rng.uniform(0, 0.3))
        role = rng.choice(ROLES)
        if server.kill_role(role, rng.randrange(4)):
            killed[role] = killed.get(role, 0) + 1
    return killed


def check_import(importer, server):
    wait_for(lambda: importer.once().returncode == 0, 60, "an import that comes to its end")
    m = Client(server, "imported@one.example", 0)
    m.connect()
    got = m.subjects("INBOX")
    want = sorted(f"mail-{i}" for i in range(MAILS))
    return [] if sorted(got) == want else [f"the import brought {len(got)} mails, {len(set(got))} different ones, of {MAILS}"]


def main():
    rounds = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    rng = random.Random(seed)
    directory = tempfile.mkdtemp(prefix="ulak-kill-mailbox.")
    os.chmod(directory, 0o755)
    server = Ulak(os.path.join(directory, "s"), "one.example", ADDRESS,
                  extra={"smtp": ["max_per_client = 10000"], "clients": [f'exempt = ["{ADDRESS}"]']})
    server.init()
    server.start()
    server.account("imported@one.example")
    make_maildir(os.path.join(directory, "maildir"))
    clients = []
    for i in range(3):
        server.account(f"c{i}@one.example")
        clients.append(Client(server, f"c{i}@one.example", seed + i))
    importer = Importer(server, os.path.join(directory, "maildir"))
    for t in clients + [importer]:
        t.start()
    killed = kill_some(server, clients, rounds, rng)
    for t in clients + [importer]:
        t.is_over = True
    for t in clients + [importer]:
        t.join(120 * PATIENCE)
    problems = [f"{c.who}: does not come to an end" for c in clients if c.is_alive()]
    problems += [w for c in clients for w in c.wrong] + check_import(importer, server)
    for how in ([], ["--offline"]):
        if how:
            server.stop()
        out = server.cli("verify", *how, check=False)
        if out.returncode != 0:
            problems.append(out.stdout + out.stderr)
    print(f"seed {seed}: kills {killed}, {sum(c.n_done for c in clients)} commands, {sum(c.n_broken for c in clients)} broken, "
          f"{importer.n_broken} imports broken, {len(problems)} problems")
    for p in problems:
        print(p)
    if problems:
        print("data left in", directory)
        sys.exit(1)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
