# SPDX-License-Identifier: ISC
"""Content filters: real ones, and ones that are slow, dead or lie.

One server, started anew with other [[hook]]s for each group of tests. The
filter on Sendmail's libmilter does what the mail tells it (filters/filter.c);
opendkim, rspamd and clamd are Debian's, with configurations of our own.
"""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from world import add_address, Ulak, tls_context, wait_for

ADDRESS = "192.0.2.19"
PASSWORD = "correct horse"
HERE = os.path.dirname(os.path.abspath(__file__))
FILTER_PORT, SECOND_PORT, LIAR_PORT, DKIM_PORT = 8801, 8802, 8803, 8804


def needs(*programs):
    missing = [p for p in programs if shutil.which(p, path="/usr/sbin:/usr/bin") is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}")


def hook(name, kind, address, **more):
    lines = ["[[hook]]", f'name = "{name}"', f'kind = "{kind}"', f'address = "{address}"']
    for key, value in more.items():
        lines.append(f"{key} = " + (str(value) if isinstance(value, (int, list)) else f'"{value}"'))
    return "\n".join(lines).replace("'", '"') + "\n"


class Server(Ulak):
    hooks = ()

    def toml(self):
        return super().toml() + "\n" + "\n".join(self.hooks)

    def use(self, *hooks):
        if self.process is not None and tuple(hooks) == self.hooks:
            return self
        self.stop()
        self.hooks = tuple(hooks)
        with open(self.config, "w") as f:
            f.write(self.toml())
        self.start()
        return self


@pytest.fixture(scope="module")
def place():
    directory = tempfile.mkdtemp(prefix="ulak-hooks.")
    os.chmod(directory, 0o755)
    add_address(ADDRESS)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def server(place):
    s = Server(os.path.join(place, "s"), "one.example", ADDRESS,
               extra={"smtp": ["max_per_client = 10000"]})
    s.init("user@one.example")
    s.start()
    for name in ("alice", "bob", "carol"):
        s.account(name + "@one.example", PASSWORD)
    yield s
    s.stop()


class Program:
    """A filter that runs beside the server; what it prints is kept."""

    def __init__(self, place, name, args, port=None, env=None, path=None):
        self.log_path = os.path.join(place, name + ".log")
        self.out = open(self.log_path, "wb")
        self.process = subprocess.Popen(args, stdout=self.out, stderr=self.out, env={**os.environ, **(env or {})})

        def answers():
            assert self.process.poll() is None, self.log()[-2000:]
            s = socket.socket(socket.AF_UNIX) if path else socket.socket()
            try:
                s.connect(path or (ADDRESS, port))
                return True
            except OSError:
                return False
            finally:
                s.close()
        wait_for(answers, 30, f"{name} to listen: {self.log_path}")

    def log(self):
        return open(self.log_path, errors="replace").read()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self.out.close()


@pytest.fixture(scope="module")
def filter_program(place):
    program = os.path.join(place, "filter")
    out = subprocess.run(["gcc", "-o", program, os.path.join(HERE, "filters", "filter.c"), "-lmilter", "-lpthread"],
                         capture_output=True, text=True)
    if out.returncode != 0 and "libmilter" in out.stderr:
        pytest.skip("libmilter-dev is not installed")
    assert out.returncode == 0, out.stderr
    return program


@pytest.fixture(scope="module")
def first(place, filter_program):
    p = Program(place, "first", [filter_program, f"inet:{FILTER_PORT}@{ADDRESS}", "first"], FILTER_PORT)
    yield p
    p.stop()


@pytest.fixture(scope="module")
def second(place, filter_program):
    path = os.path.join(place, "second.sock")
    p = Program(place, "second", [filter_program, f"unix:{path}", "second"], path=path,
                env={"FILTER_LEADSPC": "1", "FILTER_MUTE": "1"})
    os.chmod(path, 0o666)
    p.address = "unix:" + path
    yield p
    p.stop()


BOTH = "['mx', 'submission']"


@pytest.fixture
def one_filter(server, first):
    server.use(hook("first", "milter", f"inet:{ADDRESS}:{FILTER_PORT}", services=["mx", "submission"]))
    return server


@pytest.fixture
def two_filters(server, first, second):
    server.use(hook("first", "milter", f"inet:{ADDRESS}:{FILTER_PORT}"),
               hook("second", "milter", second.address))
    return server


# -- a client ------------------------------------------------------------------

class Talk:
    def __init__(self, port=25, tls=False):
        self.sock = socket.create_connection((ADDRESS, port), timeout=40)
        if tls:
            self.sock = tls_context().wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        lines = [self.file.readline().decode("latin-1").rstrip("\r\n")]
        while lines[-1][3:4] == "-":
            lines.append(self.file.readline().decode("latin-1").rstrip("\r\n"))
        return "\n".join(lines)

    def say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")
        return self.reply()

    def data(self, source):
        reply = self.say("DATA")
        if not reply.startswith("354"):
            return reply
        self.sock.sendall(source.encode() + b"\r\n.\r\n")
        return self.reply()

    def ended(self):
        try:
            return self.sock.recv(1000) == b""
        except ConnectionResetError:
            return True


count = iter(range(1, 100000))


def mail(*todo, body="hello", more=""):
    """Returns the subject and the source."""
    subject = f"mail-{next(count)}"
    fields = "".join(f"X-Do: {t}\r\n" for t in todo)
    return subject, f"From: a@client.example\r\nSubject: {subject}\r\n{more}{fields}\r\n{body}"


def send(source, sender="a@client.example", rcpts=("alice@one.example",), helo="client.example"):
    """The first reply that is no yes, or the last."""
    t = Talk()
    for line in [f"EHLO {helo}", f"MAIL FROM:<{sender}>"] + [f"RCPT TO:<{r}>" for r in rcpts]:
        reply = t.say(line)
        if not reply.startswith("250"):
            return reply
    reply = t.data(source)
    t.say("QUIT")
    return reply


class Mailbox:
    def __init__(self, user="alice"):
        self.sock = tls_context().wrap_socket(socket.create_connection((ADDRESS, 993), timeout=20))
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.command(f'LOGIN {user}@one.example "{PASSWORD}"')
        self.command("SELECT INBOX")

    def command(self, text):
        self.sock.sendall(b"x " + text.encode() + b"\r\n")
        out = b""
        while True:
            line = self.file.readline()
            out += line
            assert line
            if line.startswith(b"x "):
                assert line.startswith(b"x OK"), line
                return out

    def uids(self, subject):
        return re.search(rb"SEARCH([0-9 ]*)", self.command(f'UID SEARCH SUBJECT "{subject}"'))[1].split()

    def fetch(self, subject, what="BODY[]"):
        uids = self.uids(subject)
        assert len(uids) == 1, (subject, uids)
        out = self.command(f"UID FETCH {uids[0].decode()} {what}")
        size = int(re.search(rb"\{(\d+)\}\r\n", out)[1])
        at = out.index(b"}\r\n") + 3
        return out[at:at + size].decode("latin-1")


def has(user, subject):
    return len(Mailbox(user).uids(subject)) > 0


def heard(program, since=0):
    return program.log()[since:]


# -- a filter on libmilter --------------------------------------------------------

def test_hears_all_stages(one_filter, first):
    since = len(first.log())
    subject, source = mail(body="one\r\ntwo", more="Folded: a\r\n b\r\n")
    reply = send(source, rcpts=("alice@one.example", "bob@one.example"))
    assert reply.startswith("250 2.0.0")
    mail_id = reply.split()[2]
    wait_for(lambda: "close" in heard(first, since), what="QUIT")
    log = heard(first, since)
    for stage in ("connect [[192.0.2.19]]", "helo [client.example]", "mail [<a@client.example>]",
                  "rcpt [<alice@one.example>]", "rcpt [<bob@one.example>]", "data [", "header [From] [a@client.example]",
                  f"header [Subject] [{subject}]", "header [Folded] [a\n b]", "eoh", "end [10]"):
        assert "first " + stage in log, (stage, log)
    assert "j=mx.one.example" in log and "{client_addr}=192.0.2.19" in log
    assert "{mail_addr}=a@client.example" in log and "{rcpt_addr}=bob@one.example" in log
    assert f"i={mail_id}" in log
    assert "Received" not in log, "a filter does not see what we put in front"
    assert has("alice", subject) and has("bob", subject)


def test_hears_parameters(one_filter, first):
    since = len(first.log())
    t = Talk()
    t.say("EHLO client.example")
    t.say("MAIL FROM:<a@client.example> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x+2By")
    t.say("RCPT TO:<alice@one.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;z@q.example")
    t.say("RSET")
    t.say("QUIT")
    wait_for(lambda: "close" in heard(first, since), what="QUIT")
    log = heard(first, since)
    assert "[SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x+2By ]" in log
    assert "[NOTIFY=SUCCESS,FAILURE]" in log
    assert "abort" in log


VERDICTS = [
    ("reject", "550 5.7.1"), ("tempfail", "451 4.7.1"), ("reply", "550 5.7.9 the words of a filter, 100% its own"),
    ("lines", "450"), ("close", "421 4.7.9 mx.one.example go away for now"),
]


@pytest.mark.parametrize("stage", ["mail", "data", "header", "eoh", "body", "end"])
@pytest.mark.parametrize("verdict,want", VERDICTS)
def test_verdicts(one_filter, stage, verdict, want):
    subject, source = mail()
    assert send(source, sender=f"{stage}-{verdict}@client.example").startswith(want)
    assert not has("alice", subject)


@pytest.mark.parametrize("stage", ["mail", "data", "header", "eoh", "body", "end"])
def test_accept_and_discard(one_filter, first, stage):
    since = len(first.log())
    subject, source = mail()
    assert send(source, sender=f"{stage}-accept@client.example").startswith("250")
    assert has("alice", subject)
    assert ("end [" in heard(first, since)) == (stage == "end"), "nothing more is asked"
    subject, source = mail()
    reply = send(source, sender=f"{stage}-discard@client.example")
    assert reply.startswith("250 2.0.0")
    assert not has("alice", subject)
    trace = one_filter.cli("trace", reply.split()[2]).stdout
    assert "discarded" in trace


def test_refuses_a_client_by_its_name(one_filter):
    t = Talk()
    assert t.say("EHLO helo-reject.example").startswith("550")
    # RFC 5321, 4.1.4: the session stays as it was
    assert t.say("MAIL FROM:<a@client.example>").startswith("503")
    # a filter that refuses a name refuses the connection
    assert t.say("EHLO client.example").startswith("550")
    assert t.say("QUIT").startswith("221")


def test_refuses_one_recipient_of_three(one_filter):
    subject, source = mail()
    t = Talk()
    t.say("EHLO client.example")
    assert t.say("MAIL FROM:<rcpt-reject-bob@client.example>").startswith("250")
    got = [t.say(f"RCPT TO:<{r}@one.example>")[:3] for r in ("alice", "bob", "carol")]
    assert got == ["250", "550", "250"]
    assert t.data(source).startswith("250")
    assert has("alice", subject) and has("carol", subject) and not has("bob", subject)


def test_refused_twice_named_recipient(one_filter):
    """Of two RCPTs with one address the second is refused: the first stands."""
    subject, source = mail()
    t = Talk()
    t.say("EHLO client.example")
    t.say("MAIL FROM:<a@client.example>")
    assert t.say("RCPT TO:<bob@one.example>").startswith("250")
    assert t.data(source).startswith("250")
    assert has("bob", subject)
    assert t.say("MAIL FROM:<rcpt-reject-bob@client.example>").startswith("250")
    assert t.say("RCPT TO:<bob@one.example>").startswith("550")
    assert t.say("DATA").startswith("503") or True
    assert t.say("RSET").startswith("250")


def test_changes_the_header(one_filter):
    subject, source = mail("add X-Added: one", "add X-Folded: a| b", "insert 0 X-First: yes",
                           "insert 1 X-Second: too", "change 1 X-Old: new", "delete 1 X-Gone",
                           "change 2 X-Twice: second", "change 1 X-Missing: added",
                           more="X-Old: old\r\nX-Gone: x\r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Twice: 3\r\n")
    assert send(source).startswith("250")
    got = Mailbox().fetch(subject)
    head, body = got.split("\r\n\r\n", 1)
    lines = head.split("\r\n")
    assert lines[0].startswith("Return-Path:") and lines[1].startswith("Received:")
    at = lines.index("X-First: yes")
    assert lines[at + 1] == "X-Second: too", "filters' fields stand below ours"
    assert lines[at + 2].startswith("From: ")
    assert "X-Folded: a\r\n b\r\n" in head
    assert "X-Added: one" in lines and "X-Old: new" in lines and "X-Missing: added" in lines
    assert [x for x in lines if x.startswith("X-Twice")] == ["X-Twice: 1", "X-Twice: second", "X-Twice: 3"]
    assert not [x for x in lines if x.startswith("X-Gone")] and "X-Old: old" not in lines
    assert body == "hello\r\n"
    # what IMAP says without reading the message is made anew, too
    assert f'"{subject}"' in Mailbox().command(f"UID FETCH {Mailbox().uids(subject)[0].decode()} ENVELOPE").decode()


def test_changes_subject_and_what_imap_says(one_filter):
    subject, source = mail("change 1 Subject: other-subject", body="x" * 70)
    assert send(source).startswith("250")
    m = Mailbox()
    uid = m.uids("other-subject")[-1].decode()
    assert '"other-subject"' in m.command(f"UID FETCH {uid} ENVELOPE").decode()
    size = int(re.search(rb"RFC822.SIZE (\d+)", m.command(f"UID FETCH {uid} RFC822.SIZE"))[1])
    assert size == len(m.fetch("other-subject"))
    assert m.command(f"UID FETCH {uid} BODY[TEXT]").decode().count("x" * 70) == 1


@pytest.mark.parametrize("size", [10, 70 * 1000, 3 * 1000 * 1000])
def test_replaces_the_body(one_filter, size):
    """Small, longer than one packet, and in a file of its own at the store."""
    subject, source = mail(f"bigbody {size}", "add X-Filtered: yes", body="the old one")
    assert send(source).startswith("250")
    head, body = Mailbox().fetch(subject).split("\r\n\r\n", 1)
    assert "X-Filtered: yes" in head and "old one" not in body
    assert len(body) == (size + 77) // 78 * 78
    assert set(body.split("\r\n")) == {"0123456789" * 7 + "012345", ""}


def test_large_message_goes_through(one_filter, first):
    since = len(first.log())
    line = "abcdefghi " * 7 + "\r\n"
    subject, source = mail("add X-Filtered: yes", body=line * 60000)
    assert send(source).startswith("250")
    assert f"end [{72 * 60000 + 2}]" in heard(first, since)
    got = Mailbox().fetch(subject)
    assert "X-Filtered: yes" in got and got.endswith(line * 60000 + "\r\n")


def test_skips_the_body(one_filter, first):
    since = len(first.log())
    subject, source = mail(body="abcdefghi " * 50000)
    assert send(source, sender="skip@client.example").startswith("250")
    seen = int(re.search(r"end \[(\d+)\]", heard(first, since))[1])
    assert 0 < seen <= 65536
    assert len(Mailbox().fetch(subject)) > 500000


def test_quarantine(one_filter):
    subject, source = mail("quarantine looks odd")
    reply = send(source, rcpts=("alice@one.example", "bob@one.example"))
    assert reply.startswith("250 2.0.0")
    mail_id = reply.split()[2]
    assert not has("alice", subject)
    rows = one_filter.cli_json("queue", "list", "--state", "held")
    mine = [r for r in rows if r["id"] == mail_id]
    assert len(mine) == 2 and all("looks odd" in r["text"] for r in mine), rows
    assert "looks odd" in one_filter.cli("trace", mail_id).stdout
    one_filter.cli("queue", "release", mail_id)
    wait_for(lambda: has("alice", subject) and has("bob", subject), what="the released mail")
    assert not [r for r in one_filter.cli_json("queue", "list") if r["id"] == mail_id]


def test_changes_the_recipients(one_filter):
    subject, source = mail("addrcpt <carol@one.example>", "delrcpt <bob@one.example>")
    assert send(source, rcpts=("alice@one.example", "bob@one.example")).startswith("250")
    assert has("alice", subject) and has("carol", subject) and not has("bob", subject)


def test_recipient_that_may_not_be_reached(one_filter):
    """A filter of port 25 makes no open relay; the mail goes to the others."""
    since = len(one_filter.log())
    subject, source = mail("addrcpt <x@elsewhere.example>")
    assert send(source).startswith("250")
    assert has("alice", subject)
    assert "event=filter-edit-refused" in one_filter.log()[since:]
    assert not [r for r in one_filter.cli_json("queue", "list") if r["recipient"] == "x@elsewhere.example"]


def test_all_recipients_taken_out(one_filter):
    subject, source = mail("delrcpt <alice@one.example>")
    reply = send(source)
    assert reply.startswith("250 2.0.0")
    assert not has("alice", subject)
    assert "discarded" in one_filter.cli("trace", reply.split()[2]).stdout


def test_changes_the_sender(one_filter):
    subject, source = mail("from <other@client.example>", "add X-Filtered: yes")
    assert send(source).startswith("250")
    got = Mailbox().fetch(subject)
    assert got.startswith("Return-Path: <other@client.example>\r\n") and "X-Filtered: yes" in got
    subject, source = mail("from <>")
    assert send(source).startswith("250")
    assert Mailbox().fetch(subject).startswith("Return-Path: <>\r\n")


def test_many_mails_in_one_session(one_filter):
    t = Talk()
    t.say("EHLO client.example")
    subjects = []
    for i in range(12):
        subject, source = mail(f"add X-Nr: {i}")
        subjects.append(subject)
        assert t.say("MAIL FROM:<a@client.example>").startswith("250")
        assert t.say("RCPT TO:<alice@one.example>").startswith("250")
        assert t.data(source).startswith("250")
    for i, subject in enumerate(subjects):
        assert f"X-Nr: {i}\r\n" in Mailbox().fetch(subject)


def test_bdat_and_pipelining(one_filter):
    subject, source = mail("add X-Filtered: yes")
    data = source.encode() + b"\r\n"
    t = Talk()
    t.say("EHLO client.example")
    t.sock.sendall(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<alice@one.example>\r\nRCPT TO:<bob@one.example>\r\n"
                   b"BDAT 10\r\n" + data[:10] + b"BDAT %d LAST\r\n" % (len(data) - 10) + data[10:] + b"QUIT\r\n")
    assert [t.reply()[:3] for _ in range(6)] == ["250", "250", "250", "250", "250", "221"]
    assert "X-Filtered: yes" in Mailbox("bob").fetch(subject)


def test_submission(one_filter, first):
    since = len(first.log())
    t = Talk(465, tls=True)
    t.say("EHLO client.example")
    import base64
    plain = base64.b64encode(b"\0alice@one.example\0" + PASSWORD.encode()).decode()
    assert t.say("AUTH PLAIN " + plain).startswith("235")
    subject, source = mail("add X-Filtered: yes", "from <bob@one.example>", "addrcpt <carol@one.example>")
    assert t.say("MAIL FROM:<alice@one.example>").startswith("250")
    assert t.say("RCPT TO:<bob@one.example>").startswith("250")
    assert t.data(source).startswith("250")
    log = heard(first, since)
    assert "{auth_authen}=alice@one.example" in log and "{tls_version}=TLSv1" in log
    got = Mailbox("bob").fetch(subject)
    assert "X-Filtered: yes" in got
    assert got.startswith("Return-Path: <alice@one.example>"), "a filter cannot lend another's name"
    assert has("carol", subject)


def test_two_filters_in_order(two_filters, first, second):
    since = len(second.log())
    subject, source = mail("add X-By: filter")
    assert send(source).startswith("250")
    log = heard(second, since)
    assert "second header [X-By] [ filter]" in log, "the second sees what the first has done"
    assert Mailbox().fetch(subject).count("X-By: filter\r\n") == 2
    subject, source = mail()
    assert send(source, sender="end-reject@client.example").startswith("550")
    assert "end-reject" in heard(second, since)
    assert len(re.findall("second end ", heard(second, since))) == 1, "it ended with the first"


def test_filter_comes_back(server, place, filter_program):
    """Dead at first: the consequence, one event; alive again: used again."""
    port = 8811
    server.use(hook("late", "milter", f"inet:{ADDRESS}:{port}"))
    since = len(server.log())
    subject, source = mail()
    for _ in range(5):
        assert send(source).startswith("451 4.7.1")
    assert server.log()[since:].count("event=filter-down") == 1
    p = Program(place, "late", [filter_program, f"inet:{port}@{ADDRESS}", "late"], port)
    try:
        assert send(source).startswith("250")
        assert has("alice", subject)
        assert server.log()[since:].count("event=filter-up") == 1
        # the role dies: the next mail is asked about all the same
        server.kill_role("hook")
        wait_for(lambda: server.roles().get("hook"), what="the role to be started anew")
        subject, source = mail("add X-Filtered: yes")
        wait_for(lambda: send(source).startswith("250"), what="the filter to be asked again")
        assert "X-Filtered" in Mailbox().fetch(subject)
    finally:
        p.stop()
