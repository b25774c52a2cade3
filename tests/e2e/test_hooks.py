# SPDX-License-Identifier: ISC
"""Content filters: real ones, and ones that are slow, dead or lie.

One server, started anew with other [[hook]]s for each group of tests. The
filter on Sendmail's libmilter does what the mail tells it (filters/filter.c);
opendkim, rspamd and clamd are Debian's, with configurations of our own.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from world import PATIENCE, add_address, Ulak, soon, tls_context, wait_for

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
        self.process = subprocess.Popen(args, stdout=self.out, stderr=self.out, env={**os.environ, **(env or {})},
                                        start_new_session=True)

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
        wait_for(answers, 90, f"{name} to listen: {self.log_path}")

    def log(self):
        return open(self.log_path, errors="replace").read()

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)  # its own session; libmilter takes its time to end
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
        self.sock = socket.create_connection((ADDRESS, port), timeout=40 * PATIENCE)
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
    subject = f"mail-{next(count):05}"
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
        self.sock = tls_context().wrap_socket(socket.create_connection((ADDRESS, 993), timeout=20 * PATIENCE))
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.command(f'LOGIN {user}@one.example "{PASSWORD}"')
        self.command("SELECT INBOX")

    def command(self, text):
        self.sock.sendall(b"x " + text.encode() + b"\r\n")
        lines = []
        while True:
            line = self.file.readline()
            lines.append(line)
            assert line
            if line.startswith(b"x "):
                assert line.startswith(b"x OK"), line
                return b"".join(lines)

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
    wait_for(lambda: "abort" in heard(first, since), what="RSET")
    log = heard(first, since)
    assert "[SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x+2By ]" in log
    assert "[NOTIFY=SUCCESS,FAILURE]" in log


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
    wait_for(lambda: "second header [X-By] [ filter]" in heard(second, since), what="the second to see what the first has done")
    assert Mailbox().fetch(subject).count("X-By: filter\r\n") == 2
    subject, source = mail()
    assert send(source, sender="end-reject@client.example").startswith("550")
    # The second answers most stages with nothing (FILTER_MUTE): what it prints may come after the reply.
    wait_for(lambda: "end-reject" in heard(second, since), what="the second to hear of the sender")
    wait_for(lambda: heard(second, since).count("second close") >= 2, what="both connections to end")
    assert len(re.findall("second end ", heard(second, since))) == 1, "it ended with the first"


def test_filter_comes_back(server, place, filter_program):
    """Dead at first: the consequence, one event; alive again: used again."""
    port = 8811
    since = len(server.log())
    server.use(hook("late", "milter", f"inet:{ADDRESS}:{port}"))
    subject, source = mail()
    for _ in range(5):
        assert send(source).startswith("451 4.7.1")
    assert server.log()[since:].count("event=filter-down") == 1
    assert re.search(r"filter late\s+milter inet:\S+, down: Connection refused", server.cli("status").stdout)
    p = Program(place, "late", [filter_program, f"inet:{port}@{ADDRESS}", "late"], port)
    try:
        assert send(source).startswith("250")
        assert has("alice", subject)
        assert server.log()[since:].count("event=filter-up") == 1
        assert re.search(r"filter late\s.*works", server.cli("status").stdout)
        # the role dies: the next mail is asked about all the same
        server.kill_role("hook")
        wait_for(lambda: server.roles().get("hook"), what="the role to be started anew")
        subject, source = mail("add X-Filtered: yes")
        wait_for(lambda: send(source).startswith("250"), what="the filter to be asked again")
        assert "X-Filtered" in Mailbox().fetch(subject)
    finally:
        p.stop()


# -- filters that lie -------------------------------------------------------------

def packet(data):
    return len(data).to_bytes(4, "big") + data


class Liar:
    """A milter that keeps to the protocol until the point that its mode names."""

    def __init__(self):
        self.mode = "fine"
        self.socket = socket.create_server((ADDRESS, LIAR_PORT), backlog=200)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s, self.mode), daemon=True).start()

    def serve(self, s, mode):
        try:
            with s, s.makefile("rb") as f:
                while (size := f.read(4)) and len(size) == 4:
                    body = f.read(int.from_bytes(size, "big"))
                    self.answer(s, mode, body[:1])
        except OSError:
            pass

    # what is said instead of "continue", by mode and command
    LIES = {
        ("garbage", b"O"): b"HTTP/1.1 400 what\r\n\r\n",
        ("long", b"O"): b"\xff\xff\xff\xffO",
        ("empty", b"O"): packet(b""),
        ("old", b"O"): packet(b"O" + bytes([0, 0, 0, 1]) + bytes(8)),
        ("unasked-steps", b"O"): packet(b"O" + bytes([0, 0, 0, 6]) + b"\xff" * 8),
        ("unknown", b"M"): packet(b"Zwhat"),
        ("edit-early", b"M"): packet(b"hX-A\0b\0") + packet(b"c"),
        ("twice", b"R"): packet(b"c") + packet(b"r"),
        ("bad-code", b"R"): packet(b"y250 2.0.0 fine\0"),
        ("undeclared", b"E"): packet(b"hX-A\0b\0") + packet(b"c"),
        ("smuggle", b"E"): packet(b"hX-A\0b\n\nSubject: injected\0") + packet(b"c"),
        ("name", b"E"): packet(b"hX A:\0b\0") + packet(b"c"),
        ("nul", b"E"): packet(b"hX-A\0b") + packet(b"c"),
        ("bare-lf", b"E"): packet(b"bone\ntwo\r\n") + packet(b"c"),
        ("no-line-end", b"E"): packet(b"bone\r\ntwo") + packet(b"c"),
        ("bad-rcpt", b"E"): packet(b"+<\r\nx>\0") + packet(b"c"),
        ("many-edits", b"E"): packet(b"+<alice@one.example>\0") * 200 + packet(b"c"),
        ("long-header", b"E"): packet(b"hX-A\0" + b"y" * 60000 + b"\0") * 20 + packet(b"c"),
    }

    def answer(self, s, mode, command):
        quiet = {"silent": b"O", "silent-mail": b"M", "silent-end": b"E"}.get(mode)
        if command in (b"D", b"A", b"Q") or command == quiet:
            return
        if {"close": b"O", "close-rcpt": b"R", "close-end": b"E"}.get(mode) == command:
            s.shutdown(socket.SHUT_RDWR)
            return
        if (mode, command) in self.LIES:
            s.sendall(self.LIES[mode, command])
            return
        if (mode, command) == ("large-body", b"E"):
            for _ in range(60 * 16):
                s.sendall(packet(b"b" + (b"y" * 62 + b"\r\n") * 1000))
        actions = 0 if mode == "undeclared" else 0x1ff
        s.sendall(packet(b"O" + bytes([0, 0, 0, 6]) + actions.to_bytes(4, "big") + bytes(4)) if command == b"O"
                  else packet(b"c"))


@pytest.fixture(scope="module")
def liar(place):
    found = Liar()
    yield found
    found.socket.close()


# For what never answers; who answers has the time that a busy machine needs.
QUICK = {"connect_timeout": "1s", "timeout": "1s", "end_timeout": "1s"}
PATIENT = {"connect_timeout": "60s", "timeout": "60s", "end_timeout": "60s"}
MODES = sorted({mode for mode, _ in Liar.LIES} | {"silent", "silent-mail", "silent-end", "close", "close-rcpt", "close-end"})
# the mail goes on without what may not be done
HARMLESS = {"bad-rcpt"}


def liar_hook(on_failure, mode=""):
    times = QUICK if mode.startswith("silent") else PATIENT
    return hook("liar", "milter", f"inet:{ADDRESS}:{LIAR_PORT}", on_failure=on_failure, **times)


def taken():
    """A mail of no interest; also after a filter was too slow for one."""
    wait_for(lambda: send(mail()[1]).startswith("250"), what="a mail to be taken")


@pytest.mark.parametrize("mode", MODES)
def test_liar_is_no_answer(server, liar, mode):
    server.use(liar_hook("tempfail", mode))
    liar.mode = "fine"
    taken()
    liar.mode = mode
    since = len(server.log())
    subject, source = mail()
    replies = []
    for _ in range(2):
        t = Talk()
        t.say("EHLO client.example")
        for line in ("MAIL FROM:<a@client.example>", "RCPT TO:<alice@one.example>"):
            replies.append(t.say(line))
            if not replies[-1].startswith("250"):
                break
        else:
            replies.append(t.data(source))
        assert t.say("NOOP").startswith("250"), "the session is usable"
    if mode in HARMLESS:
        return
    assert replies[-1].startswith("451 4.7.1"), replies
    assert not has("alice", subject)
    assert server.log()[since:].count("event=filter-down") == 1


@pytest.mark.parametrize("mode", ["silent", "garbage", "silent-mail", "close-rcpt", "smuggle", "close-end", "long-header"])
def test_liar_that_may_be_passed_by(server, liar, mode):
    server.use(liar_hook("accept", mode))
    liar.mode = mode
    subject, source = mail()
    assert send(source).startswith("250")
    got = Mailbox().fetch(subject)
    assert "injected" not in got and "X-A" not in got and got.endswith("\r\n\r\nhello\r\n")


def test_slow_filter_blocks_nobody_else(server, liar):
    """Thirty mails wait for the filter side by side, not one after the other; a
    service without filters does not feel it."""
    server.use(hook("liar", "milter", f"inet:{ADDRESS}:{LIAR_PORT}", connect_timeout="60s", timeout="60s", end_timeout="4s"))
    liar.mode = "silent-end"
    replies = []

    def one():
        replies.append(send(mail()[1]))
    begun = time.monotonic()
    threads = [threading.Thread(target=one) for _ in range(30)]
    for t in threads:
        t.start()
    soon(1, lambda: Talk(587).say("NOOP"))
    for t in threads:
        t.join()
    assert all(r.startswith("451 4.7.1") for r in replies) and len(replies) == 30
    assert time.monotonic() - begun < 60


def test_more_mails_than_connections(server, liar):
    server.use(hook("liar", "milter", f"inet:{ADDRESS}:{LIAR_PORT}", max=2))
    liar.mode = "fine"
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(send(mail()[1]))) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [r[:3] for r in replies] == ["250"] * 20, replies


def test_clients_that_begin_a_mail_and_say_no_more(server, liar):
    """They keep no others from the filter; and lose their mail, not their session."""
    server.use(hook("liar", "milter", f"inet:{ADDRESS}:{LIAR_PORT}", max=2, connect_timeout="2s"))
    liar.mode = "fine"
    slow = [Talk() for _ in range(2)]
    for t in slow:
        t.say("EHLO client.example")
        assert t.say("MAIL FROM:<a@client.example>").startswith("250")
    since = len(server.log())
    for _ in range(3):
        assert send(mail()[1]).startswith("250")
    wait_for(lambda: "event=filter-client-slow" in server.log()[since:], what="the event")
    assert "filter-down" not in server.log()[since:]
    assert "451 4.7.1" in [t.say("RCPT TO:<alice@one.example>")[:9] for t in slow]
    for t in slow:
        t.say("RSET")
        assert t.say("MAIL FROM:<a@client.example>").startswith("250")
        assert t.say("RCPT TO:<alice@one.example>").startswith("250")
        assert t.data(mail()[1]).startswith("250")


def test_body_larger_than_any_mail(server, liar):
    """Not the client's fault: 451."""
    server.use(liar_hook("tempfail"))
    liar.mode = "large-body"
    since = len(server.log())
    assert send(mail()[1]).startswith("451 4.7.1")
    assert server.log()[since:].count("event=filter-edit-refused") == 1


def test_client_that_leaves_while_the_filter_thinks(server, liar):
    server.use(liar_hook("tempfail"))
    liar.mode = "silent-end"
    subject, source = mail()
    for _ in range(5):
        t = Talk()
        for line in ("EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<alice@one.example>", "DATA"):
            t.say(line)
        t.sock.sendall(source.encode() + b"\r\n.\r\n")
        t.sock.close()
    liar.mode = "fine"
    taken()
    assert server.cli("verify").returncode == 0


# -- the role hook itself --------------------------------------------------------------

STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "END")


class Parked:
    """A client that has come just before a stage, then says its line."""

    def __init__(self, stage):
        self.stage, self.took = stage, 0
        self.subject, source = mail()
        self.lines = ["EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<alice@one.example>", "DATA"]
        self.last = source + "\r\n."
        if stage == "greeting":
            return
        self.talk = Talk()
        n = STAGES.index(stage) - 1
        for line in self.lines[:n]:
            assert self.talk.say(line)[0] in "23"
        self.next = (self.lines + [self.last])[n]

    def go(self):
        begun = time.monotonic()
        if self.stage == "greeting":
            self.talk = Talk()
            self.reply = self.talk.greeting
        else:
            self.reply = self.talk.say(self.next)
        self.took = time.monotonic() - begun


def one_of_each(do, then=lambda: None):
    parked = [Parked(stage) for stage in STAGES]
    do()
    threads = [threading.Thread(target=p.go) for p in parked]
    for t in threads:
        t.start()
    then()
    for t in threads:
        t.join()
    return {p.stage: p for p in parked}


NO_YES_WITHOUT_FILTERS = {"greeting": "220", "EHLO": "250", "MAIL": "451 4.7.1", "RCPT": "451 4.7.1",
                          "DATA": "451 4.7.1", "END": "451 4.7.1"}


def test_hook_role_that_hangs(server, liar):
    """Stopped, at each stage: nobody waits for ever, nobody's mail goes by unseen,
    and all is as before when it comes to itself."""
    server.use(liar_hook("tempfail"))
    liar.mode = "fine"
    taken()
    since = len(server.log())
    pid = server.roles()["hook"][0]
    try:
        got = one_of_each(lambda: os.kill(pid, signal.SIGSTOP))
        for stage, p in got.items():
            assert p.reply.startswith(NO_YES_WITHOUT_FILTERS[stage]), (stage, p.reply)
            assert p.took < 20 * PATIENCE, (stage, p.took)
        assert soon(2, lambda: send(mail()[1])).startswith("451 4.7.1"), "it is known by now"
        for stage in ("EHLO", "MAIL", "RCPT"):
            assert got[stage].talk.say("NOOP").startswith("250")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert server.log()[since:].count("event=filters-silent") == 1
    wait_for(lambda: "event=filters-answer" in server.log()[since:], what="an answer")
    for p in got.values():
        p.talk.say("RSET")
        p.talk.say("EHLO client.example")
        assert p.talk.say("MAIL FROM:<a@client.example>").startswith("250")
        assert p.talk.say("RCPT TO:<alice@one.example>").startswith("250")
        assert p.talk.data(mail()[1]).startswith("250")
    assert not has("alice", got["END"].subject)
    assert server.cli("verify").returncode == 0


@pytest.mark.parametrize("on_failure", ["tempfail", "accept"])
def test_hook_role_that_dies(server, liar, on_failure):
    server.use(liar_hook(on_failure))
    liar.mode = "silent-end" if on_failure == "accept" else "fine"
    pid = server.roles()["hook"][0]

    def kill():
        time.sleep(4)  # less than the ten seconds after which it counts as hanging
        os.kill(pid, signal.SIGKILL)
    # stopped first, so that each question is open when it dies
    got = one_of_each(lambda: os.kill(pid, signal.SIGSTOP), kill)
    for stage, p in got.items():
        want = NO_YES_WITHOUT_FILTERS[stage]
        if on_failure == "accept" and want.startswith("451"):
            want = "354" if stage == "DATA" else "250"
        assert p.reply.startswith(want), (stage, p.reply)
    assert has("alice", got["END"].subject) == (on_failure == "accept")
    liar.mode = "fine"

    def works():
        subject, source = mail("x")
        return send(source).startswith("250") and server.roles().get("hook", [pid]) != [pid]
    wait_for(works, what="another role hook")


# -- Debian's filters -----------------------------------------------------------------

def opendkim_key(place):
    key = os.path.join(place, "dkim.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    out = subprocess.run(["openssl", "rsa", "-in", key, "-pubout"], check=True, capture_output=True, text=True).stdout
    public = "".join(line for line in out.splitlines() if "-----" not in line)
    with open(os.path.join(place, "dkim.public"), "w") as f:
        f.write(f"s._domainkey.one.example v=DKIM1; k=rsa; p={public}\n")
    return key


@pytest.fixture(scope="module")
def opendkim(place):
    conf = os.path.join(place, "opendkim.conf")
    with open(conf, "w") as f:
        f.write(f"Mode sv\nDomain one.example\nSelector s\nKeyFile {opendkim_key(place)}\nRequireSafeKeys no\n"
                f"Socket inet:{DKIM_PORT}@{ADDRESS}\nInternalHosts 192.0.2.99\nTestPublicKeys {place}/dkim.public\n"
                f"Background no\nSyslog no\nCanonicalization relaxed/simple\nAuthservID mx.one.example\n"
                f"AlwaysAddARHeader yes\nPidFile {place}/opendkim.pid\n")
    p = Program(place, "opendkim", [shutil.which("opendkim", path="/usr/sbin"), "-f", "-x", conf], DKIM_PORT)
    yield p
    p.stop()


def submit(source, rcpt="bob@one.example"):
    import base64
    t = Talk(465, tls=True)
    t.say("EHLO client.example")
    plain = base64.b64encode(b"\0alice@one.example\0" + PASSWORD.encode()).decode()
    assert t.say("AUTH PLAIN " + plain).startswith("235")
    assert t.say("MAIL FROM:<alice@one.example>").startswith("250")
    assert t.say(f"RCPT TO:<{rcpt}>").startswith("250")
    return t.data(source)


@needs("opendkim")
def test_opendkim_signs_and_verifies(server, opendkim):
    """What it signed on the way out it finds intact on the way in: the bytes it
    is shown are the bytes that are kept."""
    server.use(hook("dkim", "milter", f"inet:{ADDRESS}:{DKIM_PORT}", services=["mx", "submission"]))
    subject, source = mail(body="one\r\n..two\r\n\r\nthree  \r\n\r\n")
    source = source.replace("a@client.example", "alice@one.example")
    assert submit(source).startswith("250")
    signed = Mailbox("bob").fetch(subject)
    at = signed.index("DKIM-Signature:")
    assert "d=one.example" in signed and "s=s" in signed and at < signed.index("From:")

    signed = signed[at:].replace("\r\n.", "\r\n..")[:-2]
    assert send(signed, rcpts=("carol@one.example",)).startswith("250")
    got = Mailbox("carol").fetch(subject)
    assert re.search(r"Authentication-Results: mx.one.example;\s+dkim=pass", got), got
    # one octet more, and it is no longer true
    subject, other = mail()
    forged = signed.replace("three", "there") + " "
    assert send(forged.replace("X-Nothing", "X"), rcpts=("alice@one.example",)).startswith("250")
    assert "dkim=fail" in Mailbox().fetch(re.search(r"Subject: (\S+)", signed)[1])


GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@pytest.fixture(scope="module")
def rspamd(place):
    home = os.path.join(place, "rspamd")
    os.makedirs(home)
    os.chmod(home, 0o777)
    conf = os.path.join(home, "rspamd.conf")
    with open(conf, "w") as f:
        f.write(f"""options {{ pidfile = "{home}/pid"; filters = ""; rundir = "{home}"; tempdir = "{home}";
  enable_test_patterns = true; dns {{ nameserver = ["{ADDRESS}:5454:1"]; timeout = 0.1s; retransmits = 1; }} }}
logging {{ type = "console"; level = "notice"; }}
actions {{ reject = 15; rewrite_subject = 10; add_header = 6; greylist = 4; subject = "SPAM: %s"; }}
worker "normal" {{ bind_socket = "{ADDRESS}:11333"; count = 1; }}
""")
    p = Program(place, "rspamd-log", [shutil.which("rspamd"), "-f", "-i", "-c", conf], 11333)
    yield p
    p.stop()


@needs("rspamd")
def test_rspamd(server, rspamd):
    server.use(hook("spam", "rspamd", f"inet:{ADDRESS}:11333", services=["mx", "submission"]))
    subject, source = mail()
    assert send(source).startswith("250")
    assert has("alice", subject)
    since = len(server.log())
    subject, source = mail(body=GTUBE)
    reply = send(source)
    assert reply.startswith("554 5.7.1") and not has("alice", subject)
    assert "event=filter-found" in server.log()[since:]
    subject, source = mail(body="Y" + GTUBE[1:])
    assert send(source).startswith("250")
    assert "\r\nX-Spam: Yes\r\n" in Mailbox().fetch(subject)
    server.use(hook("spam", "rspamd", f"inet:{ADDRESS}:11333", on_found="quarantine"))
    subject, source = mail(body=GTUBE)
    reply = send(source)
    assert reply.startswith("250") and not has("alice", subject)
    assert reply.split()[2] in [r["id"] for r in server.cli_json("queue", "list", "--state", "held")]


class FakeRspamd:
    def __init__(self):
        self.socket = socket.create_server((ADDRESS, 11444), backlog=100)
        self.say = None
        self.heard = b""
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s, self.say), daemon=True).start()

    def serve(self, s, say):
        try:
            with s:
                got = b""
                while b"\r\n\r\n" not in got:
                    more = s.recv(65536)
                    if not more:
                        return
                    got += more
                head, body = got.split(b"\r\n\r\n", 1)
                size = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
                while len(body) < size:
                    body += s.recv(65536)
                self.heard = head + b"\r\n\r\n" + body
                if say is not None:
                    s.sendall(say)
                else:
                    time.sleep(5)
        except OSError:
            pass


@pytest.fixture(scope="module")
def fake_rspamd(place):
    found = FakeRspamd()
    yield found
    found.socket.close()


def http(json_text, how="length", status="200 OK"):
    body = json_text.encode() if isinstance(json_text, str) else json_text
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
    if how == "chunks":
        parts = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
        return (head + "Transfer-Encoding: chunked\r\n\r\n").encode() + parts + b"0\r\n\r\n"
    if how == "close":
        return (head + "Connection: close\r\n\r\n").encode() + body
    return (head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body


ACTIONS = [
    ('{"action":"no action","score":1.5}', "250"), ('{"action":"greylist"}', "451 4.7.1"),
    ('{"action":"soft reject","messages":{"smtp_message":"come again"}}', "451 4.7.1 come again"),
    ('{"action":"reject","messages":{"smtp_message":"no\\r\\n250 yes"}}', "554 5.7.1 refused"),
    ('{"action":"what"}', "451 4.7.1"), ("{}", "451"), ("[]", "451"), ("", "451"), ('{"action":"no action"', "451"),
    ('{"action":"no action","action":"reject"}', "451"),
    ('{"action":"no action","milter":{"add_headers":{"X-A":"b\\r\\n\\r\\ninjected"}}}', "451"),
    ('{"action":"no action","milter":{"add_headers":{"X A":"b"}}}', "451"),
    ("[" * 100000, "451"), (b"\xff\xfe", "451"),
]


@pytest.mark.parametrize("text,want", ACTIONS)
def test_what_rspamd_may_say(server, fake_rspamd, text, want):
    server.use(hook("spam", "rspamd", f"inet:{ADDRESS}:11444", **PATIENT))
    for how in ("length", "chunks", "close"):
        fake_rspamd.say = http(text, how)
        assert send(mail()[1]).startswith(want), how


@pytest.mark.parametrize("said", [
    None, b"", b"SMTP ready\r\n", b"HTTP/1.1 500 no\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    http('{"action":"no action"}')[:-3]])
def test_http_that_is_none(server, fake_rspamd, said):
    server.use(hook("spam", "rspamd", f"inet:{ADDRESS}:11444", **(QUICK if said is None else PATIENT)))
    fake_rspamd.say = said
    assert send(mail()[1]).startswith("451 4.7.1")


def test_rspamd_hears_and_changes(server, fake_rspamd):
    server.use(hook("spam", "rspamd", f"inet:{ADDRESS}:11444", **PATIENT))
    fake_rspamd.say = http('{"action":"rewrite subject","score":7,"required_score":15,"subject":"[SPAM] changed-subject",'
                           '"milter":{"add_headers":{"X-Score":{"value":"7","order":0},"X-Two":["a","b"]},'
                           '"remove_headers":{"X-Old":0}}}', "chunks")
    subject, source = mail(more="X-Old: 1\r\nX-Old: 2\r\n")
    reply = send(source, rcpts=("alice@one.example", "bob@one.example"))
    assert reply.startswith("250")
    head, body = fake_rspamd.heard.split(b"\r\n\r\n", 1)
    for line in ("POST /checkv2 HTTP/1.1", "From: a@client.example", "Rcpt: alice@one.example", "Rcpt: bob@one.example",
                 f"IP: {ADDRESS}", "Helo: client.example", "Queue-Id: " + reply.split()[2]):
        assert line.encode() in head, (line, head)
    assert body.decode() == source + "\r\n"
    got = Mailbox().fetch("changed-subject").split("\r\n\r\n")[0].split("\r\n")
    assert "Subject: [SPAM] changed-subject" in got and "X-Old: 1" not in got and "X-Old: 2" not in got
    assert "X-Score: 7" in got and "X-Two: a" in got and "X-Two: b" in got
    assert sum(x.startswith("Subject:") for x in got) == 1


@pytest.fixture(scope="module")
def clamd(place):
    home = os.path.join(place, "clamd")
    os.makedirs(os.path.join(home, "db"))
    with open(os.path.join(home, "db", "test.ndb"), "w") as f:
        f.write("Ulak.Test.Worm:0:*:" + b"ULAK-TEST-VIRUS-NOT-ONE".hex() + "\n")
    conf = os.path.join(home, "clamd.conf")
    with open(conf, "w") as f:
        f.write(f"Foreground yes\nDatabaseDirectory {home}/db\nLocalSocket {home}/socket\nLocalSocketMode 666\n"
                f"StreamMaxLength 2M\nLogVerbose yes\nMaxThreads 4\n")
    p = Program(place, "clamd-log", [shutil.which("clamd", path="/usr/sbin"), "-c", conf], path=os.path.join(home, "socket"))
    p.address = f"unix:{home}/socket"
    yield p
    p.stop()


@needs("clamd")
def test_clamd(server, clamd):
    server.use(hook("virus", "clamd", clamd.address))
    subject, source = mail(body="clean " * 50000)
    assert send(source).startswith("250")
    assert has("alice", subject)
    subject, source = mail(body="x" * 70000 + "\r\nULAK-TEST-VIRUS-NOT-ONE")
    reply = send(source)
    assert reply.startswith("554 5.7.1") and "Ulak.Test.Worm" in reply
    assert not has("alice", subject)
    # more than it takes: an error of the filter, not a clean message
    assert send(mail(body="large " * 500000)[1]).startswith("451 4.7.1")
    server.use(hook("virus", "clamd", clamd.address, max_size="2MiB"))
    subject_large, large = mail(body="large " * 500000)
    assert send(large).startswith("250") and has("alice", subject_large)
    assert "event=filter-too-big" in server.log()
    assert send(source).startswith("554 5.7.1")
    server.use(hook("virus", "clamd", clamd.address, on_found="quarantine"))
    reply = send(source)
    assert reply.startswith("250") and not has("alice", subject)
    held = [r for r in server.cli_json("queue", "list", "--state", "held") if r["id"] == reply.split()[2]]
    assert held and "Ulak.Test.Worm" in held[0]["text"]
    server.cli("queue", "delete", reply.split()[2])
