# SPDX-License-Identifier: ISC
"""Mail of programs on the machine: ulak sendmail, its spool, and what is left when somebody is killed."""
import email
import os
import random
import shutil
import signal
import smtplib
import subprocess
import time
import uuid

import pytest

from conftest import FAST
from mua import find, imap
from world import PATIENCE, REAL_ROOT, ULAK, Ulak, wait_for

ADDRESS = "192.0.2.40"
USER = "user@three.example"
# Who calls: somebody else than the server when there is somebody else.
CALLER = {"user": "nobody"} if REAL_ROOT else {}
NAME = "nobody" if REAL_ROOT else "root"


class Local(Ulak):
    """A server whose socket, spool and program every user can reach; with LMTP."""

    PORTS = {**Ulak.PORTS, "lmtp": 24}

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.spool = os.path.join(self.dir, "spool")
        self.bin = os.path.join(self.dir, "bin")
        os.makedirs(self.bin, exist_ok=True)
        shutil.copy(ULAK, os.path.join(self.bin, "sendmail"))
        for name in ("mailq", "newaliases"):
            if not os.path.exists(os.path.join(self.bin, name)):
                os.symlink("sendmail", os.path.join(self.bin, name))

    def toml(self):
        more = ["", "[[listener]]", 'service = "lmtp"', f'address = "unix:{self.dir}/lmtp"', 'mode = "0660"']
        if REAL_ROOT:
            more.append('owner = "nobody:nogroup"')
        return super().toml().replace("[server]", "[server]\nfronts = 2") + "\n".join(more) + "\n"

    def env(self, **more):
        return dict(os.environ, ULAK_CONFIG=self.config, ASAN_OPTIONS="detect_leaks=0", HOME=self.dir, **more)

    def run(self, name, *args, text="", **more):
        return subprocess.run([os.path.join(self.bin, name), *args], input=text.encode() if isinstance(text, str) else text,
                              capture_output=True, env=self.env(), timeout=60 * PATIENCE, cwd=self.dir, **{**CALLER, **more})

    def sendmail(self, *args, text="", want=0, **more):
        out = self.run("sendmail", *args, text=text, **more)
        assert out.returncode == want, (args, out.returncode, out.stdout, out.stderr)
        return out

    def spooled(self):
        return sorted(n for n in os.listdir(self.spool) if n.endswith(".mail"))

    def kept(self):
        path = os.path.join(self.spool, "bad")
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def count(self, user, subject):
        c = imap(self, user)
        c.select("INBOX", readonly=True)
        _, found = c.search(None, "SUBJECT", f'"{subject}"')
        c.logout()
        return len(found[0].split())


@pytest.fixture(scope="module")
def local(world):
    directory = os.path.join(world.dir, "sendmail.three.example")
    extra = dict(FAST, local=[f'socket = "{directory}/submit.sock"', f'spool = "{directory}/spool"',
                              'domain = "three.example"'])
    s = Local(directory, "three.example", ADDRESS, world.dns, extra=extra)
    s.init()
    s.start()
    for name in ("second", "full", NAME):
        s.account(f"{name}@three.example")
    yield s
    s.stop()


@pytest.fixture
def running(local):
    if local.process is None:
        local.start()
    return local


def new_subject():
    return uuid.uuid4().hex


# -- as programs call it -------------------------------------------------------


def test_cron(running):
    subject = new_subject()
    running.sendmail("-FCronDaemon", "-i", "-odi", "-oem", "user",
                     text=f"Subject: {subject}\nTo: user\n\n.\nline\n.\nlast")
    got = find(running, USER, subject)
    parsed = email.message_from_bytes(got)
    assert parsed["From"] == f"CronDaemon <{NAME}@three.example>"
    assert got.startswith(f"Return-Path: <{NAME}@three.example>\r\n".encode())
    assert f"(uid:{65534 if REAL_ROOT else 0})" in parsed["Received"]
    assert parsed["Date"] and parsed["Message-ID"]
    assert got.endswith(b"\r\n\r\n.\r\nline\r\n.\r\nlast\r\n")


def test_trace_tells_the_user(running):
    subject = new_subject()
    running.sendmail(USER, text=f"Subject: {subject}\n\nx\n")
    find(running, USER, subject)
    wait_for(lambda: f"uid:{65534 if REAL_ROOT else 0}" in running.cli("trace", USER).stdout, what="its trace")


def test_recipients_from_the_message(running):
    subject = new_subject()
    running.sendmail("-t", "-i", "-f", "me@three.example", text=(
        f"To: A <{USER}>\nBcc: second@three.example\nSubject: {subject}\nFrom: J <j@three.example>\n\nx\n"))
    for user in (USER, "second@three.example"):
        parsed = email.message_from_bytes(find(running, user, subject))
        assert parsed["Bcc"] is None
        assert parsed["From"] == "J <j@three.example>"
        assert parsed["Return-Path"] == "<me@three.example>"


def test_a_dot_ends_and_nobody_sends(running):
    subject = new_subject()
    running.sendmail("-f", "", USER, text=f"Subject: {subject}\n\none\n.\ntwo\n")
    got = find(running, USER, subject)
    assert got.startswith(b"Return-Path: <>\r\n") and got.endswith(b"\r\n\r\none\r\n")


def test_eight_bits_and_long_lines(running):
    subject = new_subject()
    body = "ä" * 400 + "\n" + "x" * 2000 + "\n"
    running.sendmail("-i", USER, text=f"Subject: {subject}\n\n{body}")
    assert find(running, USER, subject).endswith(body.replace("\n", "\r\n").encode())


def test_ten_megabytes(running):
    subject = new_subject()
    running.sendmail("-i", USER, text=f"Subject: {subject}\n\n" + ("x" * 99 + "\n") * 100000)
    assert len(find(running, USER, subject)) > 10_000_000


def test_some_recipients_are_refused(running):
    subject = new_subject()
    out = running.sendmail("ghost@three.example", USER, text=f"Subject: {subject}\n\nx\n", want=67)
    assert b"ghost@three.example: 550 5.1.1" in out.stderr
    find(running, USER, subject)


def test_addresses_that_are_not_ascii(running):
    """RFC 6531: from the arguments, from the header, and by way of the spool."""
    user = "jürgen@three.example"
    running.account(user)
    subjects = [new_subject() for _ in range(3)]
    running.sendmail("-f", user, USER, text=f"Subject: {subjects[0]}\nTo: x\n\nx\n")
    assert f"Return-Path: <{user}>".encode() in find(running, USER, subjects[0])
    running.sendmail("-t", text=f"Subject: {subjects[1]} ü\nTo: Jürgen <{user}>, {USER}\n\nx\n")
    assert b"with UTF8SMTP" in find(running, USER, subjects[1])
    running.stop()
    running.sendmail(user, USER, text=f"Subject: {subjects[2]}\n\nx\n")
    running.start()
    wait_for(lambda: running.spooled() == [], what="an empty spool")
    assert b"with UTF8SMTP" in find(running, USER, subjects[2])
    running.cli("send", "--server", running.address, "--password-file", os.path.join(running.dir, "password"), "-f", USER, user, stdin=f"Subject: {subjects[0]}\n\nx\n")
    wait_for(lambda: running.cli("trace", user).stdout.count(f"delivered  {user}") == 3, what="three mails for the other")


def test_wishes_about_reports(running):
    """RFC 3461 from -N, -R and -V, also by way of the spool."""
    subject = new_subject()
    out = running.sendmail("-v", "-N", "success,delay", "-R", "hdrs", "-V", "a b+c", USER, text=f"Subject: {subject}\n\nx\n")
    assert b" RET=HDRS ENVID=a+20b+2Bc" in out.stderr and b"> NOTIFY=SUCCESS,DELAY" in out.stderr
    find(running, USER, subject)


@pytest.mark.parametrize("args,text,want", [
    ((), "x\n", 64),
    (("-t",), "Subject: x\n\nTo: a@b\n", 64),
    (("-Z", "x"), "x\n", 64),
    (("-bd",), "", 64),
    (("ghost@three.example",), "x\n", 67),
    (("-f", "a@b\r\nRCPT TO:<c@d>", USER), "x\n", 65),
    (("a\r\nb@three.example",), "x\n", 65),
])
def test_exit_statuses(running, args, text, want):
    out = running.sendmail(*args, text=text, want=want)
    assert out.stderr.startswith(b"sendmail: ")
    assert running.spooled() == []


def test_larger_than_the_server_takes(running):
    out = running.sendmail(USER, text=b"x" * (51 * 1024 * 1024), want=65)
    assert b"larger than" in out.stderr


def test_no_configuration(running):
    out = running.sendmail("-C", "/nowhere", USER, text="x\n", want=78)
    assert b"/nowhere" in out.stderr


def test_mailq_and_newaliases(running):
    assert running.run("newaliases").returncode == 0
    assert running.run("mailq", **({"user": "root"} if REAL_ROOT else {})).returncode == 0
    if REAL_ROOT:  # the queue is the admins'
        assert running.run("mailq").returncode in (69, 77)


def test_session(running):
    subject = new_subject()
    out = running.sendmail("-bs", text=("EHLO x\r\nMAIL FROM:<a@three.example>\r\nRCPT TO:<ghost@three.example>\r\n"
                                        f"RCPT TO:<{USER}>\r\nDATA\r\nSubject: {subject}\r\n\r\n..x\r\n.\r\nQUIT\r\n"))
    lines = out.stdout.decode().split("\r\n")
    assert any(line.startswith("550 5.1.1") for line in lines)
    assert lines[-2].startswith("221 ")
    assert find(running, USER, subject).endswith(b"\r\n\r\n.x\r\n")


def test_session_of_a_script(running):
    """Lines that end in LF, all of them; who has begun with CRLF keeps to it."""
    subject = new_subject()
    talk = (f"HELO x\nMAIL FROM:<a@three.example>\nRCPT TO:<{USER}>\nDATA\nSubject: {subject}\n\n..x\n.\nQUIT\n")
    replies = [line[:3] for line in running.sendmail("-bs", text=talk).stdout.decode().split("\r\n")]
    assert replies == ["220", "250", "250", "250", "354", "250", "221", ""]
    assert find(running, USER, subject).endswith(b"\r\n\r\n.x\r\n")
    mixed = talk.replace("\n", "\r\n").replace("..x", "x\n.\ny")
    replies = [line[:3] for line in running.sendmail("-bs", text=mixed).stdout.decode().split("\r\n")]
    assert replies == ["220", "250", "250", "250", "354", "554", "221", ""]


def test_from_of_who_wants_no_bounce(running):
    subject = new_subject()
    running.sendmail("-f", "<>", USER, text=f"Subject: {subject}\n\nx\n")
    got = find(running, USER, subject)
    assert got.startswith(b"Return-Path: <>\r\n") and b"@three.example>\r\n" in got.split(b"\r\nFrom: ")[1]


def test_git_send_email(running):
    if not os.path.exists("/usr/lib/git-core/git-send-email"):
        pytest.skip("git-email is not here")
    subject = new_subject()
    path = os.path.join(running.dir, "0001.patch")
    with open(path, "w") as f:
        f.write(f"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: J <j@three.example>\n"
                f"Date: Mon, 23 Nov 2026 06:00:00 +0000\nSubject: [PATCH] {subject}\n\nbody\n---\n f | 1 +\n")
    os.chmod(path, 0o644)
    out = subprocess.run(["git", "-c", f"sendemail.smtpserver={running.bin}/sendmail", "-c", "user.name=J", "-c",
                          "user.email=j@three.example", "send-email", "--quiet", "--confirm=never", "--suppress-cc=all",
                          "--to", USER, "--from", "J <j@three.example>", path],
                         env=running.env(), capture_output=True, cwd=running.dir, **CALLER)
    assert out.returncode == 0, out.stderr
    find(running, USER, subject)


def test_mailx(running):
    subject = new_subject()
    out = subprocess.run(["s-nail", "-:/", "-S", f"mta={running.bin}/sendmail", "-S", "v15-compat", "-s", subject, USER],
                         input=b"hello\n", capture_output=True, env=running.env(), cwd=running.dir, **CALLER)
    assert out.returncode == 0, out.stderr
    find(running, USER, subject)


def test_neomutt(running):
    subject = new_subject()
    out = subprocess.run(["neomutt", "-F", "/dev/null", "-e", f'set sendmail="{running.bin}/sendmail -oem -oi"', "-e",
                          "set copy=no", "-s", subject, USER], input=b"hello\n", capture_output=True,
                         env=running.env(), cwd=running.dir, **CALLER)
    assert out.returncode == 0, out.stderr
    find(running, USER, subject)


PROGRAMS = {
    "bsd-mailx": ["-n", "-s", "SUBJECT", "-b", "second@three.example", USER],
    "mutt": ["-n", "-F", "/dev/null", "-e", "set sendmail='SENDMAIL -oem -oi' copy=no", "-s", "SUBJECT", "-b",
             "second@three.example", USER],
    "php": ["-n", "-d", "sendmail_path=SENDMAIL -t -i", "-r",
            f'exit(mail("{USER}", "SUBJECT", "x\\n.\\ny\\n", "Bcc: second@three.example\\r\\nFrom: w@three.example", "-fw@three.example")'
            " ? 0 : 1);"],
    "perl": ["-MMail::Mailer", "-e", f"$m = Mail::Mailer->new('sendmail'); $m->open({{To => '{USER}', Bcc => 'second@three.example',"
             "Subject => 'SUBJECT'}); print $m 'hello'; $m->close or die"],
}


@pytest.mark.parametrize("name", [n for n in PROGRAMS if shutil.which(n)])
def test_other_programs(running, name):
    """Each finds sendmail in its own way; nobody sees the blind copy."""
    subject = new_subject()
    rc = os.path.join(running.dir, "mailrc")
    with open(rc, "w") as f:
        f.write(f"set sendmail={running.bin}/sendmail\n")
    args = [a.replace("SUBJECT", subject).replace("SENDMAIL", f"{running.bin}/sendmail") for a in PROGRAMS[name]]
    out = subprocess.run([shutil.which(name), *args], input=b"hello\n", capture_output=True, cwd=running.dir, timeout=60 * PATIENCE,
                         env=running.env(MAILRC=rc, PERL_MAILERS=f"sendmail:{running.bin}/sendmail"), **CALLER)
    assert out.returncode == 0, out.stderr
    assert b"second" not in find(running, USER, subject)
    assert running.count("second@three.example", subject) == 1


def test_a_user_who_sends_too_much_waits(world):
    directory = os.path.join(world.dir, "sendmail.five.example")
    extra = dict(FAST, local=[f'socket = "{directory}/submit.sock"', f'spool = "{directory}/spool"', "rate = 2"])
    s = Local(directory, "five.example", "192.0.2.41", world.dns, extra=extra)
    s.init()
    s.start()
    subject = new_subject()
    n = 0
    while not s.spooled() and n < 40:  # a slow machine sends within its rate for a while
        s.sendmail("user@five.example", text=f"Subject: {subject}\n\nx\n")
        n += 1
    assert n >= 3 and len(s.spooled()) == 1
    assert s.count("user@five.example", subject) == n - 1
    wait_for(lambda: "event=local-rate" in s.log(), what="the event")
    s.stop()


# -- LMTP ----------------------------------------------------------------------


def test_lmtp_answers_for_each_recipient(running):
    """RFC 2033: a reply for each that was taken; no relay, no greeting by EHLO."""
    subject = new_subject()
    with smtplib.LMTP(running.address, 24, timeout=30 * PATIENCE) as c:
        assert c.docmd("EHLO", "x")[0] == 500
        c.ehlo("client.example")
        assert c.docmd("MAIL", "FROM:<a@far.example>")[0] == 250
        assert c.docmd("RCPT", f"TO:<{USER}>")[0] == 250
        assert c.docmd("RCPT", "TO:<ghost@three.example>")[0] == 550
        assert c.docmd("RCPT", "TO:<x@elsewhere.example>")[0] in (550, 554)
        assert c.docmd("RCPT", "TO:<second@three.example>")[0] == 250
        assert c.docmd("DATA")[0] == 354
        c.send(f"Subject: {subject}\r\n\r\nx\r\n.\r\n".encode())
        assert [c.getreply()[0] for _ in range(2)] == [250, 250]
        assert c.docmd("DATA")[0] == 503
    for user in (USER, "second@three.example"):
        assert b"with LMTP" in find(running, user, subject)


def test_lmtp_by_swaks(running):
    subject = new_subject()
    out = subprocess.run(["swaks", "--protocol", "LMTP", "--server", running.address, "--port", "24", "--to", USER, "--from",
                          "a@far.example", "--header", f"Subject: {subject}", "--helo", "client.example"],
                         capture_output=True, text=True)
    assert out.returncode == 0, out.stdout
    find(running, USER, subject)


def test_lmtp_at_a_socket_in_the_file_system(running):
    """Mode and owner as the file says; who comes is the user the kernel names, and still relays nothing."""
    path = os.path.join(running.dir, "lmtp")
    st = os.stat(path)
    assert st.st_mode & 0o777 == 0o660
    if REAL_ROOT:
        assert st.st_uid == 65534
        assert subprocess.run(["swaks", "--protocol", "LMTP", "--socket", path, "--to", USER], capture_output=True,
                              user="daemon").returncode != 0
    subjects = [new_subject() for _ in range(20)]
    for subject in subjects:  # whichever of the fronts accepts
        with smtplib.LMTP(path, timeout=30 * PATIENCE) as c:
            assert c.docmd("LHLO", "client.example")[0] == 250
            assert c.docmd("MAIL", "FROM:<a@far.example>")[0] == 250
            assert c.docmd("RCPT", "TO:<x@elsewhere.example>")[0] in (550, 554)
            assert c.docmd("RCPT", f"TO:<{USER}>")[0] == 250
            assert c.docmd("DATA")[0] == 354
            c.send(f"Subject: {subject}\r\n\r\nx\r\n.\r\n".encode())
            assert c.getreply()[0] == 250
    assert b"(uid:0)" in find(running, USER, subjects[0])
    assert running.count(USER, subjects[-1]) == 1
    assert f'address = "unix:{path}"\nmode = "0660"' in running.cli("config", "show").stdout


# -- while the server is down --------------------------------------------------


def test_spool_while_down(local):
    subject = new_subject()
    if local.process is not None:
        local.stop()
    local.sendmail("-t", text=f"To: {USER}, second@three.example\nSubject: {subject}\n\nx\n")
    local.sendmail("-bs", text=(f"EHLO x\r\nMAIL FROM:<{USER}>\r\nRCPT TO:<{USER}>\r\nDATA\r\nSubject: {subject}\r\n"
                                "\r\ny\r\n.\r\nQUIT\r\n"))
    local.sendmail("-q", want=75)
    if REAL_ROOT:  # nobody else sees what is there
        assert subprocess.run(["ls", local.spool], capture_output=True, **CALLER).returncode != 0
        path = os.path.join(local.spool, local.spooled()[0])
        assert subprocess.run(["cat", path], capture_output=True, user="daemon").returncode != 0
    local.start()
    wait_for(lambda: local.spooled() == [], what="an empty spool")
    assert local.count(USER, subject) == 2
    assert local.count("second@three.example", subject) == 1
    assert local.kept() == []


def test_refused_later_is_reported(local):
    """What was promised by exit status 0 and cannot be kept comes back."""
    subject = new_subject()
    sender = f"{NAME}@three.example"
    local.stop()
    local.sendmail("ghost@three.example", USER, text=f"Subject: {subject}\n\nx\n")
    local.start()
    wait_for(lambda: local.spooled() == [], what="an empty spool")
    assert local.count(USER, subject) == 1
    report = find(local, sender, "could not be delivered")
    assert b"ghost@three.example" in report and subject.encode() in report


def test_some_must_wait(running):
    """One recipient is over quota: the others have it at once, he when there is room."""
    subject = new_subject()
    running.sendmail("full@three.example", text="Subject: x\n\n" + "x" * 4000)
    running.cli("account", "quota", "full@three.example", "1000")
    time.sleep(4)  # addresses are remembered for a moment
    local_stop_and_send(running, subject, "full@three.example", USER, "ghost@three.example")
    wait_for(lambda: running.count(USER, subject) == 1, what="the one with room")
    assert running.count("full@three.example", subject) == 0
    running.cli("account", "quota", "full@three.example", "0")
    wait_for(lambda: running.spooled() == [], 60, "an empty spool")
    assert running.count("full@three.example", subject) == 1
    assert running.count(USER, subject) == 1


def local_stop_and_send(server, subject, *rcpts):
    server.stop()
    server.sendmail(*rcpts, text=f"Subject: {subject}\n\nx\n")
    assert len(server.spooled()) == 1
    server.start()


def test_files_that_are_none(running):
    """Made by somebody who means no good: set aside, and nobody else waits for them."""
    subject = new_subject()
    running.stop()
    running.sendmail(USER, text=f"Subject: {subject}\n\nx\n")
    good = os.path.join(running.spool, running.spooled()[0])
    text = open(good, "rb").read()
    before = len(running.kept())

    def name(n):
        return os.path.join(running.spool, f"01JD8F0T5Q00000000000000{n:02d}.mail")
    with open(name(1), "wb") as f:
        f.write(b"garbage\n")
    os.symlink("/etc/passwd", name(2))
    os.mkfifo(name(3))
    os.link(name(1), os.path.join(running.dir, "another-name"))
    with open(name(5), "wb") as f:
        f.write(text.replace(b"\r\n\r\nx", b"\r\n\r\ny"))  # not what its sum says
    with open(name(6), "wb") as f:
        f.write(text[:-10])
    with open(name(7), "wb") as f:
        f.write(text.replace(b"ulak-spool 1", b"ulak-spool 9"))
    with open(os.path.join(running.spool, "hello"), "wb") as f:
        f.write(text)
    if not REAL_ROOT:
        os.chmod(name(6), 0o000)
    for n in os.listdir(running.spool):
        if n != "bad" and REAL_ROOT:
            os.chown(os.path.join(running.spool, n), 65534, 0, follow_symlinks=False)
            if not os.path.islink(os.path.join(running.spool, n)):
                os.chmod(os.path.join(running.spool, n), 0o644)
    running.start()
    wait_for(lambda: running.spooled() == [], what="an empty spool")
    assert running.count(USER, subject) == 1
    assert len(running.kept()) == before + 5  # links and pipes hold nothing: they go
    assert running.log()[running.log_start:].count("event=spool-bad") == 7


def test_full_disk(running):
    """Exit status 75, and nothing half is left."""
    running.stop()
    assert running.spooled() == []
    options = "size=64k,mode=3733"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", running.spool], capture_output=True).returncode != 0:
        pytest.skip("no tmpfs here")
    try:
        out = running.sendmail(USER, text="Subject: x\n\n" + "x" * 200000, want=75)
        assert b"No space left" in out.stderr
        assert os.listdir(running.spool) == []
    finally:
        subprocess.run(["umount", running.spool], check=True)
    running.start()


CALLS = [("fchmod", 1), ("write", 1), ("write", 2), ("write", 3), ("write", 4), ("fsync", 1), ("renameat", 1), ("syncfs", 1)]


def test_the_program_is_killed_at_every_call(running):
    """Killed at any call that writes to the spool: nothing half is ever sent, and nothing twice."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not here")
    running.stop()
    subjects = []
    for call, nth in CALLS:
        subjects.append(new_subject())
        out = subprocess.run(["strace", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={nth}",
                              os.path.join(running.bin, "sendmail"), USER],
                             input=f"Subject: {subjects[-1]}\n\nx\n".encode(), capture_output=True, env=running.env())
        assert out.returncode in (-9, 137), (call, nth, out)
    subjects.append(new_subject())
    running.sendmail(USER, text=f"Subject: {subjects[-1]}\n\nx\n")
    running.start()
    wait_for(lambda: running.spooled() == [], 60, "an empty spool")
    counts = [running.count(USER, subject) for subject in subjects]
    assert counts[:6] == [0] * 6 and max(counts) == 1 and counts[-1] == 1


def test_the_server_is_killed_while_it_reads_the_spool(running):
    """kill -9 of the role or the store at any moment: each arrives, and once."""
    rng = random.Random(4711)
    running.stop()
    subjects = [new_subject() for _ in range(40)]
    for subject in subjects:
        running.sendmail(USER, text=f"Subject: {subject}\n\nx\n")
    running.start()
    end = time.monotonic() + 60
    while running.spooled() and time.monotonic() < end:
        time.sleep(rng.random() / 5)
        running.kill_role(rng.choice(["local", "local", "store"]))
        time.sleep(0.6)
    wait_for(lambda: running.spooled() == [], 60, "an empty spool")
    running.stop(signal.SIGTERM)
    running.start()
    assert [running.count(USER, s) for s in subjects] == [1] * len(subjects)
