# SPDX-License-Identifier: ISC
"""Mail is not lost: expunged mail comes back, mailboxes go in and out as files, accounts move here from other servers."""
import imaplib
import os
import re
import shutil
import tempfile

import pytest

from world import PASSWORD, Ulak, tls_context, wait_for

ADDRESS = "192.0.2.71"


@pytest.fixture(scope="module")
def server():
    directory = tempfile.mkdtemp(prefix="ulak-kept.")
    os.chmod(directory, 0o755)
    s = Ulak(os.path.join(directory, "s"), "one.example", ADDRESS,
             extra={"smtp": ["max_per_client = 1000"], "clients": [f'exempt = ["{ADDRESS}"]']})
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
