# SPDX-License-Identifier: ISC
"""Mailboxes as their owner and admin have them: names, lists, uses, quotas, by IMAP against the whole server."""
import re

import pytest

from mua import imap

USER = "user@many.example"


@pytest.fixture(scope="module")
def box(world):
    s = world.server("many.example", "192.0.2.78")
    yield s
    s.stop()


def ask(c, line):
    """One command as it is: the tagged line, the untagged ones."""
    tag = c._new_tag()
    c.send(tag + b" " + line.encode() + b"\r\n")
    lines = []
    while True:
        got = c.readline().rstrip(b"\r\n").decode()
        if got.startswith(tag.decode() + " "):
            return got[len(tag) + 1:], lines
        lines.append(got)


def test_the_id_of_a_mailbox_stays_when_its_name_does_not(box):
    c = imap(box, USER)
    made, _ = ask(c, "CREATE one/two")
    number = re.search(r"\[MAILBOXID (\(F[0-9a-f]+\))\]", made).group(1)
    assert ask(c, "RENAME one/two three")[0].startswith("OK")
    assert ask(c, "STATUS three (MAILBOXID)")[1] == [f"* STATUS three (MAILBOXID {number})"]
    assert ask(c, "DELETE three")[0].startswith("OK")
    again, _ = ask(c, "CREATE three")
    assert number not in again


def test_a_special_use_is_of_one_mailbox(box):
    c = imap(box, USER)
    assert ask(c, "CREATE weighty (USE (\\Important))")[0].startswith("OK")
    assert ask(c, "CREATE more (USE (\\Important))")[0].startswith("NO [USEATTR]")
    assert ask(c, "LIST (SPECIAL-USE) \"\" (weighty more Sent)")[1] == [
        '* LIST (\\HasNoChildren \\Sent) "/" Sent', '* LIST (\\HasNoChildren \\Important) "/" weighty']
    assert ask(c, "DELETE weighty")[0].startswith("OK")


def test_a_deleted_parent_is_listed_for_its_children(box):
    c = imap(box, USER)
    assert ask(c, "CREATE up/down")[0].startswith("OK")
    assert ask(c, "DELETE up")[0].startswith("OK")
    assert ask(c, 'LIST "" up%')[1] == ['* LIST (\\Noselect \\HasChildren) "/" up']
    assert ask(c, 'LIST "" up% RETURN (CHILDREN)')[1] == ['* LIST (\\NonExistent \\HasChildren) "/" up']
    assert ask(c, "SELECT up")[0].startswith("NO [NONEXISTENT]")
    assert ask(c, "DELETE up")[0].startswith("NO [")
    assert ask(c, "DELETE up/down")[0].startswith("OK")
    assert ask(c, 'LIST "" up*')[1] == []


def test_quotas_are_told_and_kept(box):
    c = imap(box, USER)
    mail = b"Subject: s\r\n\r\n" + b"x" * 3000 + b"\r\n"
    assert ask(c, 'GETQUOTA ""')[1] == ['* QUOTA "" ()']
    c.create("q")
    assert c.append("q", "\\Deleted", None, mail)[0] == "OK"
    box.cli("account", "set", USER, "quota=1MiB", "quota_messages=1")
    assert ask(c, "GETQUOTAROOT q")[1] == ['* QUOTAROOT q ""', '* QUOTA "" (STORAGE 3 1024 MESSAGE 1 1)']
    status, why = c.append("q", None, None, mail)
    assert status == "NO" and b"[OVERQUOTA]" in why[0], why
    assert ask(c, "STATUS q (DELETED DELETED-STORAGE SIZE)")[1] == [
        f"* STATUS q (DELETED 1 DELETED-STORAGE {len(mail)} SIZE {len(mail)})"]
    box.cli("account", "set", USER, "quota_messages=none")
    assert c.append("q", None, None, mail)[0] == "OK"
    box.cli("account", "set", USER, "quota=4KiB")
    status, why = c.append("q", None, None, mail)
    assert status == "NO" and b"[OVERQUOTA]" in why[0], why
    box.cli("account", "set", USER, "quota=none")
    assert ask(c, "DELETE q")[0].startswith("OK")
    assert box.cli_json("account", "show", USER)["quota_messages"] == 0


def test_annotations_follow_their_mailbox(box):
    c = imap(box, USER)
    assert ask(c, "CREATE noted")[0].startswith("OK")
    assert ask(c, 'SETMETADATA noted (/private/comment "of mine" /shared/comment "")')[0].startswith("OK")
    assert ask(c, 'SETMETADATA "" (/private/vendor/x "1")')[0].startswith("OK")
    assert ask(c, "RENAME noted moved")[0].startswith("OK")
    c = imap(box, USER)
    want = '* METADATA moved (/private/comment "of mine" /shared/comment "")'
    assert ask(c, "GETMETADATA moved (/private/comment /shared/comment)")[1] == [want]
    assert ask(c, 'GETMETADATA "" /private/vendor/x')[1] == ['* METADATA "" (/private/vendor/x "1")']
    assert ask(c, 'LIST "" moved RETURN (METADATA (/private/comment))')[1][1] == '* METADATA moved (/private/comment "of mine")'
    many = " ".join(f'/private/n{i} "{i}"' for i in range(63))
    assert ask(c, f"SETMETADATA moved ({many})")[0].startswith("NO [METADATA TOOMANY]")
    assert ask(c, "GETMETADATA moved /private/n1")[1] == ["* METADATA moved (/private/n1 NIL)"]
    assert ask(c, 'SETMETADATA moved (/private/specialuse "\\\\Important")')[0].startswith("OK")
    assert ask(c, 'SETMETADATA INBOX (/private/specialuse "\\\\Important")')[0].startswith("NO [USEATTR]")
    assert ask(c, 'LIST "" moved')[1] == ['* LIST (\\HasNoChildren \\Important) "/" moved']
    assert ask(c, "DELETE moved")[0].startswith("OK")
    assert ask(c, "CREATE moved")[0].startswith("OK")
    assert ask(c, "GETMETADATA moved /private/comment")[1] == ["* METADATA moved (/private/comment NIL)"]
    assert ask(c, "DELETE moved")[0].startswith("OK")
