# SPDX-License-Identifier: ISC
"""Mail is not lost: expunged mail comes back, mailboxes go in and out as files, accounts move here from other servers."""
import imaplib
import json
import os
import poplib
import re
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from world import PASSWORD, PATIENCE, ULAK, Ulak, tls_context, wait_for

ADDRESS = "192.0.2.71"


@pytest.fixture(scope="module")
def server():
    directory = tempfile.mkdtemp(prefix="ulak-kept.")
    os.chmod(directory, 0o755)
    s = Ulak(os.path.join(directory, "s"), "one.example", ADDRESS,
             extra={"smtp": ["max_per_client = 1000", 'max_size = "4MiB"'], "clients": [f'exempt = ["{ADDRESS}"]']})
    s.init()
    s.start()
    yield s
    s.stop()
    shutil.rmtree(directory, ignore_errors=True)


def login(server, who):
    m = imaplib.IMAP4_SSL(server.address, 993, ssl_context=tls_context())
    m.login(who, PASSWORD)
    return m


def mail(subject, body="Hello", sender="b@two.example"):
    return (f"From: {sender}\r\nTo: a@one.example\r\nSubject: {subject}\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n"
            f"Message-ID: <{abs(hash((subject, body)))}@two.example>\r\n\r\n{body}\r\n").encode()


def fetch(m, mailbox, items="(UID FLAGS INTERNALDATE RFC822.SIZE)"):
    assert m.select(f'"{mailbox}"')[0] == "OK"
    return [d if isinstance(d, bytes) else d[0] for d in m.fetch("1:*", items)[1] if d is not None]


def test_expunged_mail_comes_back(server):
    server.account("kept@one.example")
    m = login(server, "kept@one.example")
    date = imaplib.Internaldate2tuple(b'INTERNALDATE "05-Nov-2025 07:08:09 +0200"')
    assert date is not None
    for i in range(3):
        ok = m.append("INBOX", "(\\Flagged $Label)", '"05-Nov-2025 07:08:09 +0200"', mail(f"Number {i}"))
        assert ok[0] == "OK", ok
    before = fetch(m, "INBOX")
    m.store("1:2", "+FLAGS", "\\Deleted")
    m.expunge()
    m.store("1", "+FLAGS", "\\Deleted")
    m.close()

    rows = server.cli_json("undelete", "kept@one.example", "--list")
    assert [r["subject"] for r in rows] == ["number 0", "number 1", "number 2"]
    assert {r["mailbox"] for r in rows} == {"INBOX"} and {r["from"] for r in rows} == {"b@two.example"}
    assert server.cli_json("undelete", "kept@one.example", "--list", "--subject", "Re: NUMBER 1")[0]["subject"] == "number 1"
    assert server.cli_json("undelete", "kept@one.example", "--list", "--since", "2027-01-01") == []
    assert server.cli_json("account", "list")[-1]["messages"] in (0, 1)

    out = server.cli_json("undelete", "kept@one.example", "--subject", "number 1", "--to", "Found/Again")
    assert out["done"] == 1
    assert len(fetch(m, "Found/Again")) == 1
    assert m.select("INBOX")[0] == "OK"
    assert server.cli("undelete", "kept@one.example").stdout == "2 mails are back\n"
    after = fetch(m, "INBOX")
    strip = re.compile(rb"^\d+ |UID \d+ ")
    assert [strip.sub(b"", x) for x in after] == [strip.sub(b"", before[0]), strip.sub(b"", before[2])]
    assert [int(re.search(rb"UID (\d+)", x)[1]) for x in after] == [4, 5]
    assert server.cli("undelete", "kept@one.example").stdout == "0 mails are back\n"

    # A mailbox that is deleted, with what is in it; and for good.
    m.select("INBOX")
    assert m.delete("Found/Again")[0] == "OK"
    assert server.cli_json("undelete", "kept@one.example", "--list")[0]["mailbox"] == "Found/Again"
    assert server.cli("undelete", "kept@one.example", "--forget", check=False).returncode == 2
    assert server.cli_json("undelete", "kept@one.example", "--forget", "--yes")["done"] == 1
    assert server.cli_json("undelete", "kept@one.example", "--list") == []
    assert server.cli("undelete", "nobody@one.example", check=False).returncode == 1
    m.logout()
    server.cli("verify")
    server.cli("account", "remove", "kept@one.example")
    server.cli("verify")


def maildir(path, mails):
    """mails: {name: bytes}, with line ends of a file; the time of each is 2025-11-05 and its number in seconds."""
    for d in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, d), exist_ok=True)
    for i, (name, text) in enumerate(mails.items()):
        at = os.path.join(path, "cur" if ":2," in name else "new", name)
        with open(at, "wb") as f:
            f.write(text.replace(b"\r\n", b"\n"))
        os.utime(at, (1762326489 + i, 1762326489 + i))


def make_maildir(path):
    maildir(path, {"1.a:2,SF": mail("one"), "2.b:2,RSab": mail("two"), "3.c": mail("three"), "4.d:2,T": mail("four")})
    with open(os.path.join(path, "dovecot-keywords"), "w") as f:
        f.write("0 work\n1 $Junk\n")
    maildir(os.path.join(path, ".Work.Caf&AOk-"), {"1.a:2,S": mail("twin"), "2.b:2,S": mail("twin"),
                                                  "3.c:2,": b"no header\rat\0all\n"})
    maildir(os.path.join(path, ".Empty"), {})
    maildir(os.path.join(path, "Old", "2024"), {"1.a:2,P": mail("old")})
    # Nobody gets what is not his by a link, and a pipe stops nothing.
    os.symlink("/etc/passwd", os.path.join(path, "cur", "9.link:2,"))
    os.symlink(os.path.join(path, "cur"), os.path.join(path, "linked"))
    os.makedirs(os.path.join(path, ".Links"))
    os.symlink(os.path.join(path, "cur"), os.path.join(path, ".Links", "cur"))
    os.mkfifo(os.path.join(path, "new", "9.pipe"))


def test_maildirs_and_mboxes_come_in_once(server, tmp_path):
    server.account("moved@one.example")
    path = str(tmp_path / "maildir")
    make_maildir(path)
    source = "maildir:" + path
    assert server.cli_json("import", source, "moved@one.example", "--dry-run")["new"] == 8
    assert server.cli_json("import", source, "moved@one.example") == {
        "new": 8, "known": 0, "refused": 0, "bytes": pytest.approx(1000, abs=400), "flags": 0, "gone": 0, "missing": 0, "dry_run": False}
    m = login(server, "moved@one.example")
    rows = fetch(m, "INBOX", "(FLAGS INTERNALDATE)")
    assert [set(re.search(rb"FLAGS \(([^)]*)\)", r)[1].split()) - {b"\\Recent"} for r in rows] == [
        {b"\\Seen", b"\\Flagged"}, {b"\\Seen", b"\\Answered", b"work", b"$Junk"}, set(), {b"\\Deleted"}]
    assert b" 5-Nov-2025 07:08:09 +0000" in rows[0]
    assert len(fetch(m, "Work/Caf&AOk-")) == 3 and len(fetch(m, "Old/2024")) == 1
    m.select("Work/Caf&AOk-")
    assert m.fetch("3", "BODY.PEEK[]")[1][0][1] == b"no header\rat\x80all\r\n"  # NUL may not be said (RFC 3501, 9: CHAR8)

    # Once more, with one more mail, and with other flags in the names: only what is new.
    os.rename(os.path.join(path, "new", "3.c"), os.path.join(path, "cur", "3.c:2,S"))
    maildir(path, {"5.e:2,": mail("five")})
    assert server.cli("import", source, "moved@one.example").stdout == (
        "1 mails imported, 8 were here already, 0 were refused\n")
    # What its owner has removed does not come back, unless it is asked for.
    m.select("INBOX")
    m.store("1:*", "+FLAGS", "\\Deleted")
    m.expunge()
    assert server.cli_json("import", source, "moved@one.example")["new"] == 0
    assert server.cli_json("import", source, "moved@one.example", "--again", "--mailbox", "Twice")["new"] == 9
    assert len(fetch(m, "Twice")) == 5 and len(fetch(m, "Twice/Old/2024")) == 1

    box = str(tmp_path / "box")
    with open(box, "w") as f:
        f.write("From x Wed Nov  5 07:08:09 2025\nStatus: RO\nX-Status: F\nX-Keywords: work bad]word\nSubject: q\n\n>From me\n\n"
                "From y Wed Nov  5 07:08:10 2025\nSubject: r\n\nHello\n")
    assert server.cli_json("import", "mbox:" + box, "moved@one.example", "--mailbox", "Box")["new"] == 2
    assert server.cli_json("import", "mbox:" + box, "moved@one.example", "--mailbox", "Box")["known"] == 2
    rows = fetch(m, "Box", "(FLAGS INTERNALDATE BODY.PEEK[])")
    assert b"\\Seen" in rows[0] and b"\\Flagged" in rows[0] and b"work" in rows[0] and b" 5-Nov-2025 07:08:09" in rows[0]
    m.select("Box")
    assert m.fetch("1", "BODY.PEEK[]")[1][0][1] == b"Subject: q\r\n\r\nFrom me\r\n"
    m.logout()

    assert server.cli("import", source, "nobody@one.example", check=False).returncode == 1
    assert server.cli("import", "pst:x", "moved@one.example", check=False).returncode == 2
    assert server.cli("import", "maildir:/nowhere", "moved@one.example", check=False).returncode == 1
    server.cli("account", "quota", "moved@one.example", "1KiB")
    out = server.cli("import", source, "moved@one.example", "--again", check=False)
    assert out.returncode == 1 and "quota" in out.stderr, out
    server.cli("verify")


def test_what_goes_out_comes_back_as_it_was(server, tmp_path):
    server.account("out@one.example")
    server.account("back@one.example")
    path = str(tmp_path / "from")
    make_maildir(path)
    server.cli("import", "maildir:" + path, "out@one.example")
    m = login(server, "out@one.example")
    m.create("Dotted.Name/Below")
    m.create(".hidden")
    m.append('".hidden"', "()", None, mail("hidden"))
    m.append('"Dotted.Name/Below"', "(\\Seen)", None, b"Subject: from\r\n\r\nFrom me\r\n>From you\r\n\r\n")

    def all_of(who):
        x = login(server, who)
        rows = {}
        for line in x.list()[1]:
            name = re.search(rb'"/" "?([^"]*)"?$', line)[1].decode()
            assert x.select(f'"{name}"', readonly=True)[0] == "OK"
            got = x.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]
            rows[name] = sorted((re.sub(rb"^\d+ |UID \d+ |\\Recent ?", b"", d[0]), d[1]) for d in got if isinstance(d, tuple))
        x.logout()
        return rows

    was = all_of("out@one.example")
    for kind in ("maildir", "mbox"):
        target = f"{kind}:{tmp_path}/{kind}"
        assert server.cli_json("export", "out@one.example", target) == {"mails": 10, "new": 10, "failed": 0}
        assert server.cli_json("import", target, "back@one.example", "--again")["new"] == 10
        is_ = all_of("back@one.example")
        if kind == "mbox":
            is_[".hidden"] = is_.pop("_.hidden")
        assert is_ == was
        server.cli("account", "remove", "back@one.example")
        server.account("back@one.example")
    assert os.path.isdir(tmp_path / "maildir" / ".Dotted&AC4-Name.Below" / "cur")

    # Again: nothing is written twice, flags follow.
    m.select("INBOX")
    m.store("3", "+FLAGS", "\\Flagged")
    assert server.cli_json("export", "out@one.example", f"maildir:{tmp_path}/maildir")["new"] == 0
    names = os.listdir(tmp_path / "maildir" / "cur")
    assert len(names) == 4 and any(n.endswith(":2,F") for n in names), names
    assert server.cli("export", "out@one.example", f"mbox:{tmp_path}/x", "--mailbox", "Nowhere", check=False).returncode == 1
    assert server.cli_json("export", "out@one.example", f"mbox:{tmp_path}/x", "--mailbox", "INBOX")["new"] == 4
    assert open(tmp_path / "x").read().count("From MAILER-DAEMON Wed Nov  5 07:08:") == 4
    m.logout()


def copy(server, who, to, *more, check=True):
    out = server.cli("import", f"imaps://{who}@{server.address}", to, "--password-file", os.path.join(server.dir, "new-password"),
                     "--insecure", "--json", *more, check=check)
    return json.loads(out.stdout) if check else out


def test_an_account_is_copied_and_catches_up(server):
    server.account("there@one.example")
    server.account("here@one.example")
    m = login(server, "there@one.example")
    for i in range(5):
        m.append("INBOX", "(\\Flagged work)" if i == 0 else "()", '"05-Nov-2025 07:08:09 +0200"', mail(f"Number {i}", "x" * 70000))
    m.append("Sent", "(\\Seen)", None, mail("sent"))
    m.create("Caf&AOk-/Sub")
    m.append("Caf&AOk-/Sub", "()", None, b"\r\n")
    m.append("Caf&AOk-/Sub", "()", None, mail("sub"))

    out = server.cli("import", f"imaps://there@one.example@{ADDRESS}", "here@one.example", "--password-file",
                     os.path.join(server.dir, "new-password"), check=False)
    assert out.returncode == 1 and "certificate" in out.stderr, out
    assert copy(server, "there@one.example", "here@one.example", "--dry-run")["new"] == 8
    got = copy(server, "there@one.example", "here@one.example")
    assert (got["new"], got["known"], got["refused"], got["missing"]) == (8, 0, 0, 0)
    h = login(server, "here@one.example")
    items = "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"
    for box in ("INBOX", "Sent", "Caf&AOk-/Sub"):
        for x in (m, h):
            x.select(box, readonly=True)
        assert [re.sub(rb"\\Recent ?", b"", r[0]) for r in h.fetch("1:*", items)[1] if isinstance(r, tuple)] == [
            re.sub(rb"\\Recent ?", b"", r[0]) for r in m.fetch("1:*", items)[1] if isinstance(r, tuple)]
    assert b"Caf&AOk-/Sub" in b" ".join(h.lsub()[1]) or b"Caf&AOk-/Sub" not in b" ".join(m.lsub()[1])

    # Later: a new mail, other flags, one that has gone; and a flag that was changed only here stays.
    m.select("INBOX")
    h.select("INBOX")
    h.store("3", "+FLAGS", "\\Answered")
    m.store("2", "+FLAGS", "(\\Seen later)")
    m.store("5", "+FLAGS", "\\Deleted")
    m.expunge()
    m.append("INBOX", "()", None, mail("new"))
    got = copy(server, "there@one.example", "here@one.example")
    assert (got["new"], got["known"], got["flags"], got["gone"]) == (1, 7, 1, 0), got
    got = copy(server, "there@one.example", "here@one.example", "--delete")
    assert (got["new"], got["known"], got["flags"], got["gone"]) == (0, 8, 0, 1), got
    got = copy(server, "there@one.example", "here@one.example", "--delete")
    assert (got["new"], got["known"], got["flags"], got["gone"]) == (0, 8, 0, 0), got
    h.select("INBOX")
    flags = [set(re.search(rb"FLAGS \(([^)]*)\)", r)[1].split()) - {b"\\Recent"} for r in h.fetch("1:*", "FLAGS")[1]]
    assert flags == [{b"\\Flagged", b"work"}, {b"\\Seen", b"later"}, {b"\\Answered"}, set(), set()]
    assert len(server.cli_json("undelete", "here@one.example", "--list")) == 1
    m.logout()
    h.logout()
    server.cli("verify")


class Liar(threading.Thread):
    """A server of IMAP that says to each command what it is told to: {word: answers}; "TAG" is the command's own."""

    def __init__(self, answers):
        super().__init__(daemon=True)
        self.answers = answers
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        c = self.listener.accept()[0]
        f = c.makefile("rwb")
        try:
            f.write(b"* OK hello\r\n")
            f.flush()
            for line in f:
                words = line.upper().split()
                if words[1] == b"LOGIN":
                    for _ in range(2):
                        f.write(b"+ go\r\n")
                        f.flush()
                        f.readline()
                key = (b" ".join(words[1:3]) if words[1] == b"UID" else words[1]).decode()
                for wanted, answer in self.answers.items():
                    if key.startswith(wanted.split("*")[0]) and (not wanted.endswith("*BODY") or b"BODY" in line):
                        f.write(answer.replace(b"TAG", words[0].lower()))
                        break
                else:
                    f.write(words[0].lower() + b" OK\r\n")
                f.flush()
        except OSError:
            pass
        c.close()
        self.listener.close()


LIST = b'* LIST () "." INBOX\r\n* LIST () "." "a..b/c"\r\n* LIST () "." "../../etc"\r\n* LIST (\\Noselect) "." x\r\nTAG OK\r\n'
EXAMINE = b"* OK [UIDVALIDITY 5] x\r\nTAG OK\r\n"
ROWS = b'* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 5 INTERNALDATE "never")\r\n* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 9)\r\nTAG OK\r\n'
LIES = {
    "mails that were not asked for, twice": (
        {"LIST": LIST, "EXAMINE": EXAMINE, "UID FETCH*BODY": b"* 9 FETCH (UID 9 BODY[] {2}\r\nab)\r\n" + 2 * (
            b"* 1 FETCH (UID 1 FLAGS (\\Odd a]b ok) BODY[] {4}\r\nA: b)\r\n") + b"TAG OK\r\n", "UID FETCH": ROWS}, 1, 1),
    "none of those that were": ({"LIST": LIST, "EXAMINE": EXAMINE, "UID FETCH*BODY": b"TAG NO sorry\r\n", "UID FETCH": ROWS}, 0, 1),
    "a list without an end": ({"LIST": LIST, "EXAMINE": EXAMINE, "UID FETCH": b"* 1 FETCH (UID 1 FLAGS (\r\nTAG OK\r\n"}, 0, 1),
    "nested lists": ({"LIST": LIST, "EXAMINE": EXAMINE, "UID FETCH": b"* 1 FETCH (X " + b"(" * 5000 + b"\r\nTAG OK\r\n"}, 0, 1),
    "a literal of its own size": ({"LIST": b"* LIST () \".\" {4294967295}\r\n"}, 0, 1),
    "no mailboxes": ({"LIST": b"TAG OK\r\n"}, 0, 0),
    "nothing more": ({"LIST": b"* BYE off\r\n"}, 0, 1),
}


def test_a_server_that_lies(server):
    server.account("lied@one.example")
    env = dict(os.environ, ULAK_IMPORT_PASSWORD="secret")
    for what, (answers, n_new, status) in LIES.items():
        liar = Liar(answers)
        out = subprocess.run([ULAK, "-c", server.config, "import", f"imap://x@127.0.0.1:{liar.port}", "lied@one.example", "--insecure",
                              "--json", "--again"], capture_output=True, text=True, env=env, timeout=60 * PATIENCE)
        assert out.returncode == status and "Sanitizer" not in out.stderr, (what, out)
        assert n_new == 0 or json.loads(out.stdout)["new"] == n_new, (what, out)
    # No password for who has no TLS.
    liar = Liar({})
    out = server.cli("import", f"imap://x@127.0.0.1:{liar.port}", "lied@one.example", check=False)
    assert out.returncode == 1 and "offers no TLS" in out.stderr, out
    server.cli("verify")


HEAD = {"n": 1, "mailbox": "INBOX", "flags": 0, "keywords": "", "date": 0, "zone": 0, "source": "0" * 25 + "1", "validity": 0, "uid": 1, "size": 3}
FORMS = {
    "no JSON": b"x\n",
    "no end of the line": b"{" * 20000,
    "no number": json.dumps({**HEAD, "n": "1"}).encode() + b"\n",
    "a size below nothing": json.dumps({**HEAD, "size": -1}).encode() + b"\n",
    "no id": json.dumps({**HEAD, "source": "x"}).encode() + b"\n",
    "nested": b"[" * 8000 + b"\n",
}


def test_a_broken_import_harms_nobody(server):
    server.account("form@one.example")

    def begin(command="import"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30 * PATIENCE)
        s.connect(server.dir + "/control")
        s.sendall(json.dumps({"command": command, "args": {"address": "form@one.example"}}).encode() + b"\n")
        return s

    for command in ("import", "export"):
        for what, line in FORMS.items():
            s = begin(command)
            s.sendall(line)
            assert json.loads(s.makefile().readline())["code"] == 500, what
            s.close()
    # Gone in the middle of a mail; nothing of it is kept, and the next is.
    for size, given in ((3, b"ab"), (10 ** 7, b"x" * 10 ** 6)):
        s = begin()
        s.sendall(json.dumps({**HEAD, "size": size}).encode() + b"\n" + given)
        s.close()
    s = begin()
    f = s.makefile("rwb")
    for n, head in enumerate(({}, {}, {"mailbox": "a//b"}, {"keywords": "a]b"}, {"size": 5 * 10 ** 6}), 1):
        text = b"x" * {**HEAD, **head}["size"]
        f.write(json.dumps({**HEAD, **head, "n": n, "uid": 1 if n < 3 else n}).encode() + b"\n" + text)
    f.write(b'{"end":true}\n')
    f.flush()
    codes = {}
    for line in f:
        row = json.loads(line)
        if "code" in row:
            assert row["code"] == 250 and row["text"] == "1 mails", row
            break
        codes[row["n"]] = row["verdict"]["code"]
    assert codes == {1: 250, 2: 251, 3: 554, 4: 554, 5: 552}, codes
    m = login(server, "form@one.example")
    assert m.select("INBOX")[1] == [b"1"]
    m.logout()
    s = begin("export")
    f = s.makefile("rwb")
    f.write(b'{"n":7,"id":"' + b"0" * 26 + b'"}\n{"end":true}\n')
    f.flush()
    assert [json.loads(x).get("code", json.loads(x).get("n")) for x in f] == [7, 250]
    server.cli("verify")
    server.cli("account", "remove", "form@one.example")
    server.cli("verify")


def test_pop3_too_and_not_for_ever(server):
    """The last one: it starts the server anew."""
    server.account("pop@one.example")
    m = login(server, "pop@one.example")
    for i in range(2):
        m.append("INBOX", "()", None, mail(f"pop {i}"))
    m.logout()
    p = poplib.POP3_SSL(server.address, 995, context=tls_context())
    p.user("pop@one.example")
    p.pass_(PASSWORD)
    p.dele(1)
    p.quit()
    assert [r["subject"] for r in server.cli_json("undelete", "pop@one.example", "--list")] == ["pop 0"]
    server.stop()
    server.extra["mailbox"] = ['keep_expunged = "0s"']
    with open(server.config, "w") as f:
        f.write(server.toml())
    server.start()
    # What was kept goes with the first sweep, and nothing is kept any more.
    wait_for(lambda: server.cli_json("undelete", "pop@one.example", "--list") == [], 30, "the sweep")
    m = login(server, "pop@one.example")
    m.select("INBOX")
    m.store("1", "+FLAGS", "\\Deleted")
    m.expunge()
    assert server.cli_json("undelete", "pop@one.example", "--list") == []
    m.logout()
    server.cli("verify")
