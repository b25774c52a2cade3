# SPDX-License-Identifier: ISC
"""Faults of the machine under a running server.

After each: no acknowledged mail is missing, `ulak verify` finds what was
damaged and nothing else, service comes back by itself, the log says what
happened; and while it lasts no peer hears a 5xx, a BAD or an -ERR that blames
him (design 1, promise 5).
"""
import contextlib
import glob
import imaplib
import json
import os
import poplib
import re
import resource
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from mua import compose, count, imap, pop3, submit
from world import PASSWORD, PATIENCE, ULAK, Ulak, add_address, tls_context, wait_for

SANITIZED = b"__asan_init" in open(ULAK, "rb").read()
TROUBLE = (OSError, smtplib.SMTPException, imaplib.IMAP4.error)


class Ledger:
    """What was acknowledged, and each code that was said instead."""

    def __init__(self, server):
        self.server, self.user = server, "user@" + server.domain
        self.kept, self.codes = [], []

    def try_mail(self, body="hello\r\n", timeout=20 * PATIENCE):
        """True: kept. False: a temporary refusal, or no service."""
        subject, message = compose("a@client.example", self.user, body=body)
        try:
            with smtplib.SMTP(self.server.address, 25, timeout=timeout) as c:
                c.ehlo("client.example")
                for say in (lambda: c.mail("a@client.example"), lambda: c.rcpt(self.user), lambda: c.data(message)):
                    code, text = say()
                    if code != 250:
                        self.codes.append(code)
                        assert 400 <= code < 500, (code, text)
                        return False
                self.kept.append(subject)
                return True
        except smtplib.SMTPResponseException as e:
            assert e.smtp_code == -1 or 400 <= e.smtp_code < 500, e
            self.codes.append(e.smtp_code)
        except (OSError, smtplib.SMTPException):
            self.codes.append(0)
        return False

    def wait_service(self, seconds=40):
        wait_for(self.try_mail, seconds, "service")

    def subjects(self):
        """Of what can be read, from the bytes themselves."""
        c = imap(self.server, self.user)
        n = int(c.select("INBOX", readonly=True)[1][0])
        what = "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
        status, data = c.fetch(f"1:{n}", what) if n else ("OK", [])
        if status != "OK":
            data = [d for i in range(1, n + 1) for d in c.fetch(str(i), what)[1]]
        c.logout()
        # Other tests leave mail without a subject, or with one in Latin-1.
        return {d[1].decode("utf-8", "replace").split(":", 1)[1].strip() for d in data if isinstance(d, tuple) and b":" in d[1]}

    def check(self, clean=True):
        self.wait_service()

        def all_there():
            try:
                return set(self.kept) <= self.subjects()
            except TROUBLE:
                return False
        wait_for(all_there, 20, "all acknowledged mail")
        if clean:
            out = self.server.cli("verify", check=False)
            assert out.returncode == 0, out.stdout + out.stderr


@contextlib.contextmanager
def own_server(world, name, address, **more):
    s = world.server(name, address, **more)
    try:
        yield s
    finally:
        s.stop()


@pytest.fixture
def ledger(one):
    led = Ledger(one)
    led.wait_service()
    yield led


def new_log(server, since):
    return server.log()[since:]


def assert_logged(server, since, what):
    wait_for(lambda: re.search(what, new_log(server, since)), 10, f"{what} in the log")


# -- processes -------------------------------------------------------------------


@contextlib.contextmanager
def stopped(server, role):
    pids = server.roles()[role]
    for p in pids:
        os.kill(p, signal.SIGSTOP)
    try:
        yield pids
    finally:
        for p in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(p, signal.SIGCONT)


def test_slow_store(ledger, one):
    """The disk stands still for five seconds: nobody is told no for good."""
    results = []
    with stopped(one, "store"):
        threads = [threading.Thread(target=lambda: results.append(ledger.try_mail())) for _ in range(8)]
        for t in threads:
            t.start()
        time.sleep(5)
    for t in threads:
        t.join(40 * PATIENCE)
    assert len(results) == 8
    ledger.check()


def test_store_killed_while_it_stands(ledger, one):
    since = len(one.log())
    with stopped(one, "store") as pids:
        t = threading.Thread(target=ledger.try_mail)
        t.start()
        time.sleep(0.5)
        os.kill(pids[0], signal.SIGKILL)
    t.join(40 * PATIENCE)
    ledger.check()
    assert_logged(one, since, "event=role-ended role=store|role-ended.*store")


def login_trouble(server):
    """What a login sees: True when it works; no blame on the password."""
    try:
        imap(server, "user@" + server.domain).logout()
        return True
    except imaplib.IMAP4.error as e:
        assert "AUTHENTICATIONFAILED" not in str(e), e
    except OSError:
        pass
    return False


def submission_code(server):
    try:
        with smtplib.SMTP(server.address, 587, timeout=30 * PATIENCE) as c:
            c.starttls(context=tls_context())
            c.login("user@" + server.domain, PASSWORD)
            return 235
    except smtplib.SMTPAuthenticationError as e:
        return e.smtp_code
    except smtplib.SMTPResponseException as e:
        return e.smtp_code
    except (OSError, smtplib.SMTPException):
        return 0


def test_keeper_stopped_and_killed(ledger, one):
    since = len(one.log())
    codes = []
    with stopped(one, "keeper") as pids:
        t = threading.Thread(target=lambda: codes.append(submission_code(one)))
        t.start()
        # No TLS needed for strangers, so no keeper.
        assert ledger.try_mail()
        os.kill(pids[0], signal.SIGKILL)
    t.join(40 * PATIENCE)
    assert codes[0] in (0, 235, -1) or 400 <= codes[0] < 500, codes
    wait_for(lambda: login_trouble(one), 20, "logins")
    ledger.check()
    assert_logged(one, since, "role-ended.*keeper")


@pytest.mark.parametrize("role", ["resolver", "courier"])
def test_outbound_role_stopped_and_killed(ledger, one, two, role):
    before = count(two, "user@two.example")
    with stopped(one, role) as pids:
        subject, message = compose("user@one.example", "user@two.example")
        submit(one, "user@one.example", ["user@two.example"], message)
        assert ledger.try_mail()
        time.sleep(1)
        os.kill(pids[0], signal.SIGKILL)
    wait_for(lambda: count(two, "user@two.example") > before, 60, "the mail at two.example")
    ledger.check()


def test_all_killed_at_once(world):
    with own_server(world, "gone.example", "192.0.2.20") as s:
        led = Ledger(s)
        for _ in range(20):
            assert led.try_mail()
        stop = threading.Event()

        def load():
            while not stop.is_set():
                led.try_mail(timeout=3)
        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        time.sleep(1)
        os.killpg(s.process.pid, signal.SIGKILL)
        s.process.wait()
        stop.set()
        for t in threads:
            t.join(10 * PATIENCE)
        s.process = None
        s.log_start = len(s.log())
        s.start()
        led.check()


def test_two_servers_on_one_directory(world, ledger, one):
    out = subprocess.run([ULAK, "serve", "-c", one.config], capture_output=True, text=True, timeout=30 * PATIENCE,
                         env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    assert out.returncode != 0
    assert re.search(r"pid \d+\) has it", out.stdout + out.stderr), out.stdout + out.stderr
    other = os.path.join(world.dir, "second.toml")
    with open(one.config) as f, open(other, "w") as g:
        g.write(f.read().replace(one.address, "192.0.2.30").replace("/control", "/control2"))
    add_address("192.0.2.30")
    out = subprocess.run([ULAK, "serve", "-c", other], capture_output=True, text=True, timeout=30 * PATIENCE,
                         env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    assert out.returncode != 0
    assert re.search(r"pid \d+|process \d+|another|running already", out.stdout + out.stderr), out.stdout + out.stderr
    ledger.check()


# -- the disk -----------------------------------------------------------------------


@pytest.fixture
def disk(world, request):
    d = os.path.join(world.dir, request.node.name.split("[")[0])
    os.mkdir(d)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=220m,mode=755", "none", d], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("cannot mount a file system here")
    n = 40 + len(request.node.name) % 60
    s = Ulak(d, "disk.example", f"192.0.2.{n}", world.dns)
    s.log_path = d + ".log"
    s.init()
    s.start()
    yield s
    s.stop()
    subprocess.run(["umount", "-l", d])


def imap_says(server, command):
    """The tagged answer of a command in INBOX; "" when there is no service."""
    try:
        c = imap(server, "user@" + server.domain)
        c.select("INBOX")
        return " ".join([str(x) for x in command(c)])
    except imaplib.IMAP4.abort as e:
        return str(e)
    except imaplib.IMAP4.error as e:
        return "NO " + str(e)
    except OSError:
        return ""


def append(c):
    return c.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"y" * 100000 + b"\r\n")


def test_read_only_and_back(disk):
    s, led = disk, Ledger(disk)
    for _ in range(5):
        assert led.try_mail()
    since = len(s.log())

    # Not while a file is open for writing: so in the moment after the store
    # is gone, as on a disk that fails and is mounted anew.
    def remounted():
        s.kill_role("store")
        for _ in range(20):
            if subprocess.run(["mount", "-o", "remount,ro", s.dir], stderr=subprocess.DEVNULL).returncode == 0:
                return True
            time.sleep(0.005)
        return False
    try:
        wait_for(remounted, 20, "a read-only file system")
    except AssertionError:
        pytest.skip("the file system cannot be made read-only here: something always has it open")
    for _ in range(6):
        # A commit that cannot be said no to is not said yes to.
        assert not led.try_mail()
        time.sleep(0.3)
    answer = imap_says(s, append)
    assert "BAD" not in answer and "OK" not in answer.split("APPEND")[0][:3], answer
    subprocess.run(["mount", "-o", "remount,rw", s.dir], check=True)
    led.check()
    assert re.search("store|disk", new_log(s, since))


def fill(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (1 << 20, 4096, 1):
        with contextlib.suppress(OSError):
            while os.write(fd, b"\0" * size):
                pass
    os.close(fd)


def test_full_disk_lets_people_tidy_up(disk):
    """Strangers and submission get 4xx, APPEND a NO, and deleting works."""
    s, led = disk, Ledger(disk)
    for _ in range(10):
        assert led.try_mail(body="z" * 60000 + "\r\n")
    filler = os.path.join(s.dir, "filler")
    fill(filler)
    for _ in range(6):
        led.try_mail(body="z" * 100000 + "\r\n")
    assert led.codes and all(400 <= c < 500 for c in led.codes), led.codes
    with smtplib.SMTP(s.address, 587, timeout=30 * PATIENCE) as c:
        c.starttls(context=tls_context())
        c.login("user@disk.example", PASSWORD)
        code = c.mail("user@disk.example")[0]
        if code == 250:
            code = c.rcpt("user@disk.example")[0]
        if code == 250:
            code = c.data(b"Subject: x\r\n\r\n" + b"x" * 70000)[0]
        assert 400 <= code < 500
    said = []

    def refused():
        said.append(imap_says(s, append))
        return said[-1].startswith("NO")
    wait_for(refused, 10, lambda: f"NO to APPEND: {said}")
    c = imap(s, led.user)
    n = int(c.select("INBOX")[1][0])
    assert c.store("1:3", "+FLAGS", "\\Deleted")[0] == "OK"
    assert c.expunge()[0] == "OK"
    assert int(c.select("INBOX")[1][0]) == n - 3
    c.logout()
    os.unlink(filler)
    led.kept = led.kept[3:]
    led.check()


# -- damage ---------------------------------------------------------------------------


def damage(server, at_marker, how):
    """Changes the bytes of one body in its segment, behind the server's back."""
    for path in glob.glob(os.path.join(server.data, "segments", "*.seg")):
        with open(path, "r+b") as f:
            data = f.read()
            where = data.find(at_marker)
            if where >= 0:
                how(f, where)
                return path
    raise AssertionError("the body is in no segment")


def test_damaged_body_is_one_bad_message(world):
    with own_server(world, "damaged.example", "192.0.2.21") as s:
        led = Ledger(s)
        for n in range(5):
            assert led.try_mail(body=f"marker-{n}-marker " + "w" * 500 + "\r\n")
        damage(s, b"marker-2-marker", lambda f, at: (f.seek(at), f.write(b"ruined!")))
        out = s.cli("verify", check=False)
        assert out.returncode != 0 and "PROBLEM" in out.stdout
        assert out.stdout.count("PROBLEM") == 1, out.stdout
        led.check(clean=False)
        c = imap(s, led.user)
        c.select("INBOX")
        answers = [c.fetch(str(n), "(BODY.PEEK[])") for n in range(1, 6)]
        assert [a[0] for a in answers] == ["OK", "OK", "NO", "OK", "OK"], answers
        assert b"[UNAVAILABLE]" in answers[2][1][0]
        c.logout()
        with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
            pop3(s, led.user).retr(3)
        # restarted, it lives and the others are there
        s.stop()
        s.start()
        led.check(clean=False)


def test_damaged_mail_is_not_relayed(world):
    """It waits in the queue, and the owner is told, instead of going out."""
    before = count(world.two, "user@two.example")
    with own_server(world, "ruined.example", "192.0.2.29") as s:
        world.two.stop()
        try:
            for n in (1, 2):
                _, message = compose("user@ruined.example", "user@two.example", body=f"marker-{n}-marker\r\n" + "w" * 100000 + "\r\n")
                submit(s, "user@ruined.example", ["user@two.example"], message)
            damage(s, b"marker-1-marker", lambda f, at: (f.seek(at + 50000), f.write(b"ruined!")))
        finally:
            world.two.start()
        s.cli("queue", "retry", "--all", "--yes")
        wait_for(lambda: count(world.two, "user@two.example") > before, 30, "the sound one")

        def refused():
            rows = s.cli_json("queue", "list")
            return len(rows) == 1 and "cannot be read" in json.dumps(rows)
        wait_for(refused, 30, "the ruined one to be held back")
        assert count(world.two, "user@two.example") == before + 1


def test_truncated_segment(world):
    with own_server(world, "cut.example", "192.0.2.22") as s:
        led = Ledger(s)
        for n in range(5):
            assert led.try_mail(body=f"marker-{n}-marker " + "w" * 500 + "\r\n")
        s.stop()
        damage(s, b"marker-4-marker", lambda f, at: f.truncate(at))
        s.start()
        out = s.cli("verify", check=False)
        assert out.returncode != 0 and out.stdout.count("PROBLEM") >= 1
        c = imap(s, led.user)
        c.select("INBOX")
        for n in range(1, 5):
            typ, data = c.fetch(str(n), "(BODY.PEEK[])")
            assert typ == "OK" and f"marker-{n - 1}-marker".encode() in data[0][1]
        typ, data = c.fetch("5", "(BODY.PEEK[])")
        assert typ == "NO" and b"[UNAVAILABLE]" in data[0], (typ, data)
        p = pop3(s, led.user)
        for n in range(1, 5):
            p.retr(n)
        with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
            p.retr(5)
        # the rest of the service does not care
        led.kept = [k for k in led.kept[:4]]
        assert led.try_mail()
        led.check(clean=False)


def test_missing_segment(world):
    with own_server(world, "lost.example", "192.0.2.23") as s:
        led = Ledger(s)
        assert led.try_mail()
        s.stop()
        for path in glob.glob(os.path.join(s.data, "segments", "*.seg")):
            os.unlink(path)
        s.start()
        out = s.cli("verify", check=False)
        assert out.returncode != 0 and "PROBLEM" in out.stdout
        led.kept = []
        c = imap(s, led.user)
        c.select("INBOX")
        typ, data = c.fetch("1", "(BODY.PEEK[])")
        assert typ == "NO" and b"[UNAVAILABLE]" in data[0], (typ, data)
        assert c.noop()[0] == "OK"
        c.logout()
        with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
            pop3(s, led.user).retr(1)
        led.check(clean=False)


def test_database_is_not_a_database(world):
    """Told by name; peers hear 4xx; when it is put back, all is there."""
    with own_server(world, "nodb.example", "192.0.2.24") as s:
        led = Ledger(s)
        assert led.try_mail()
        s.stop()
        path = os.path.join(s.data, "ulak.db")
        with open(path, "r+b") as f:
            good = f.read(8192)
            f.seek(0)
            f.write(b"\xff" * 8192)
        s.start(wait=False)
        assert_logged(s, s.log_start, "event=store-refused.*damaged")
        for _ in range(3):
            assert not led.try_mail()
        with open(path, "r+b") as f:
            f.write(good)
        led.check()


def test_events_directory_unwritable(world):
    with own_server(world, "noevents.example", "192.0.2.25") as s:
        led = Ledger(s)
        assert led.try_mail()
        s.stop()
        events = os.path.join(s.data, "events")
        shutil.rmtree(events)
        with open(events, "w"):
            pass
        s.log_start = len(s.log())
        s.start()
        led.wait_service()
        led.check()
        assert_logged(s, s.log_start, "event=events-lost")
        assert new_log(s, s.log_start).count("event=events-lost") == 1


# -- crowds -----------------------------------------------------------------------------


def test_low_limit_of_descriptors(world):
    s = Ulak(os.path.join(world.dir, "fds.example"), "fds.example", "192.0.2.26", world.dns)
    s.init()
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, soft[1]))
    try:
        s.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, soft)
    try:
        crowd = []
        for n in range(150):
            try:
                crowd.append(socket.create_connection((s.address, 25), 5 * PATIENCE))
            except OSError:
                break
        time.sleep(1)
        for c in crowd:
            c.close()
        led = Ledger(s)
        led.check()
    finally:
        s.stop()


def crowd_addresses(n):
    for i in range(n):
        add_address(f"198.51.100.{i + 1}")
    return [f"198.51.100.{i + 1}" for i in range(n)]


def test_two_thousand_at_once(world):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    sources = crowd_addresses(100)
    with own_server(world, "crowd.example", "192.0.2.27", extra={}) as s:
        led = Ledger(s)
        assert led.try_mail()
        crowd = []
        for n in range(2000):
            c = socket.socket()
            c.settimeout(10 * PATIENCE)
            c.bind((sources[n % len(sources)], 0))
            try:
                c.connect((s.address, 25))
                crowd.append(c)
            except OSError:
                c.close()
        answers = {}
        for c in crowd:
            try:
                head = c.recv(100)[:3]
            except OSError:
                head = b"none"
            answers[head] = answers.get(head, 0) + 1
        assert set(answers) <= {b"220", b"421"}, answers
        assert led.try_mail()
        for c in crowd:
            c.close()
        led.check()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_slow_senders_are_waited_for_alone(ledger, one):
    slow = []
    for _ in range(200):
        c = socket.create_connection((one.address, 25), 10 * PATIENCE)
        c.sendall(b"EHLO s.example\r\nMAIL FROM:<s@s.example>\r\nRCPT TO:<user@one.example>\r\nDATA\r\n")
        slow.append(c)
    stop = threading.Event()

    def drip():
        while not stop.is_set():
            for c in slow:
                with contextlib.suppress(OSError):
                    c.sendall(b"x\r\n")
            time.sleep(0.3)
    t = threading.Thread(target=drip)
    t.start()
    began = time.monotonic()
    for _ in range(10):
        assert ledger.try_mail()
    took = time.monotonic() - began
    stop.set()
    t.join()
    for c in slow:
        c.close()
    assert took < 10 * PATIENCE, took
    ledger.check()


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])


def test_reader_that_does_not_read(ledger, one):
    """FETCH answers wait in the store, not in our memory."""
    for _ in range(10):
        assert ledger.try_mail(body="v" * 70 + "\r\n" + ("u" * 70 + "\r\n") * 30000)
    pids = one.roles()["user"] + one.roles()["store"]
    before = sum(rss(p) for p in pids)
    deaf = []
    for _ in range(10):
        c = imap(one, ledger.user)
        c.select("INBOX")
        c.send(b"x FETCH 1:* (BODY.PEEK[])\r\n" * 5)
        deaf.append(c)
    time.sleep(2)
    assert ledger.try_mail()
    assert login_trouble(one)
    # 20 MB of answers were asked for five times over by each of ten; the
    # sanitizer keeps 20 KB and more for every 64 KB that come and go.
    assert sum(rss(p) for p in pids) - before < (400000 if SANITIZED else 20000)
    for c in deaf:
        c.socket().close()
    ledger.check()
