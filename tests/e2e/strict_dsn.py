# SPDX-License-Identifier: ISC
"""Reads a delivery status notification to the letter: RFC 3464, 6522, 6533, 5322, 2046.

No parser of anybody's is used, and none of the leniency that such have: what is not as the
grammars say raises an AssertionError. Returns the fields, so that tests can go on from there."""
import quopri
import re

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
DATE = (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
        r"\d\d:\d\d:\d\d [+-]\d{4}$")
NAME = r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\]|\[IPv6:[0-9A-Fa-f:.]+\])"
STATUS = r"[245]\.\d{1,3}\.\d{1,3}$"
# in the order of the grammar (RFC 3464, 2.2 and 2.3); True: must be there
MESSAGE = [("original-envelope-id", False, r"\S.*"), ("reporting-mta", True, rf"dns; {NAME}$"), ("dsn-gateway", False, ""),
           ("received-from-mta", False, rf"{ATOM}; \S"), ("arrival-date", False, DATE)]
RECIPIENT = [("original-recipient", False, rf"{ATOM}; \S"), ("final-recipient", True, r"(rfc822|utf-8); \S.*@\S+$"),
             ("action", True, r"(failed|delayed|delivered|relayed|expanded)$"), ("status", True, STATUS),
             ("remote-mta", False, rf"dns; {NAME}$"), ("diagnostic-code", False, rf"(smtp; [2-5]\d\d[ -]|x-ulak; \d+ ).*"),
             ("last-attempt-date", False, DATE), ("final-log-id", False, r"\S+"), ("will-retry-until", False, DATE)]
EXTENSIONS = [("deliver-by-date", DATE), ("x-ulak-message", r"\S+$"), ("x-ulak-class", r"[a-z-]+$")]
THIRD = {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"}


def lines_of(data):
    """Lines end in CRLF and nothing else does (RFC 5322, 2.1, 2.3)."""
    assert b"\0" not in data
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data), "a lone CR or LF"
    lines = data.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    return lines


def header_of(lines):
    """(fields, lines of the body); each field once, none folded badly."""
    fields, names = {}, []
    for i, line in enumerate(lines):
        if line == b"":
            return fields, lines[i + 1:]
        if line[:1] in (b" ", b"\t"):
            assert names and line.strip(), "a line of blanks"
            fields[names[-1]] += " " + line.strip().decode()
            continue
        field = re.fullmatch(rb"([!-9;-~]+):[ \t]?(.*)", line, re.S)
        assert field, line
        name, value = field.groups()
        names.append(name.decode().lower())
        assert names.count(names[-1]) == 1, f"{names[-1]} twice"
        fields[names[-1]] = value.strip().decode()
    raise AssertionError("a header without an end")


def parts_of(boundary, lines):
    """RFC 2046, 5.1.1: the parts, and nothing in front of them or behind."""
    assert re.fullmatch(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]", boundary)
    between = b"--" + boundary.encode()
    at = [i for i, line in enumerate(lines) if line.rstrip() in (between, between + b"--")]
    assert lines[at[-1]].rstrip() == between + b"--" and not any(lines[at[-1] + 1:])
    assert not any(lines[:at[0]])
    assert sum(1 for i in at if lines[i].rstrip().endswith(b"--") and lines[i].rstrip() != between) == 1
    return [lines[a + 1:b] for a, b in zip(at, at[1:])]


def decoded(fields, body):
    """The octets of a part, and that they are as its encoding says (RFC 2045, 2 and 6)."""
    encoding = fields.get("content-transfer-encoding", "7bit").lower()
    data = b"\r\n".join(body)
    assert encoding in ("7bit", "8bit", "quoted-printable"), encoding
    if encoding != "8bit":
        assert data.isascii()
    if encoding == "quoted-printable":
        assert all(len(line) <= 76 and not line.endswith((b" ", b"\t")) for line in body)
        assert all(re.fullmatch(rb"[\t -<>-~]*(=[0-9A-F]{2}[\t -<>-~]*)*=?", line) for line in body)
        data = quopri.decodestring(data)
    return data


def check_fields(fields, grammar, is_global):
    order = [name for name, _, _ in grammar] + [name for name, _ in EXTENSIONS]
    assert set(fields) <= set(order), set(fields) - set(order)
    known = [order.index(name) for name in fields if order.index(name) < len(grammar)]
    assert known == sorted(known), list(fields)
    for name, is_needed, form in grammar + [(n, False, f) for n, f in EXTENSIONS]:
        assert name in fields or not is_needed, f"no {name}"
        if name in fields:
            assert re.match(form, fields[name]), f"{name}: {fields[name]}"
            assert is_global or fields[name].isascii()


def check_recipient(r):
    succeeded = r["action"] in ("delivered", "relayed", "expanded")
    assert (r["status"][0] == "2") == succeeded
    assert r["action"] != "delayed" or r["status"][0] == "4"
    assert ("will-retry-until" in r) == (r["action"] == "delayed")
    if r.get("diagnostic-code", "").startswith("smtp;"):
        assert r["remote-mta"] and r["last-attempt-date"]
        said = re.match(r"smtp; (\d)\d\d (\d)\.\d+\.\d+ ", r["diagnostic-code"])
        assert not said or said[1] == said[2], r["diagnostic-code"]
    assert not r["final-recipient"].startswith("rfc822") or r["final-recipient"].isascii()


def status_of(data, is_global):
    """RFC 3464, 2.1: groups of fields, one empty line between two."""
    assert data.endswith(b"\r\n") and not data.endswith(b"\r\n\r\n\r\n")
    groups = re.split(rb"(?<=\r\n)\r\n", data.removesuffix(b"\r\n") if data.endswith(b"\r\n\r\n") else data)
    assert len(groups) >= 2
    found = [header_of(lines_of(g) + [b""])[0] for g in groups]
    check_fields(found[0], MESSAGE, is_global)
    for r in found[1:]:
        check_fields(r, RECIPIENT, is_global)
        check_recipient(r)
    assert len({r["action"] in ("failed", "delayed") for r in found[1:]}) == 1
    return found[0], found[1:]


def read(raw):
    """(header, text, fields of the message, fields of each recipient, what came back) of a whole report."""
    head, body = header_of(lines_of(raw))
    assert head["return-path"] == "<>" and head["auto-submitted"] == "auto-replied" and head["mime-version"] == "1.0"
    assert re.match(DATE, head["date"]) and re.fullmatch(r"<[^<>@ ]+@[^<>@ ]+>", head["message-id"])
    assert re.fullmatch(r"<\S+@\S+>", head["to"]) and re.search(r"<\S+@\S+>$", head["from"])
    assert ("in-reply-to" in head) == ("references" in head)
    kind = re.fullmatch(r'multipart/report; report-type=delivery-status; boundary="([^"]*)"', head["content-type"])
    assert kind, head["content-type"]
    words, status, original = parts_of(kind[1], body)
    words, status, original = header_of(words), header_of(status), header_of(original)
    assert words[0]["content-type"] in ("text/plain; charset=us-ascii", "text/plain; charset=utf-8")
    text = decoded(*words)
    assert text.isascii() == words[0]["content-type"].endswith("us-ascii")
    is_global = status[0]["content-type"] == "message/global-delivery-status"
    assert is_global or status[0]["content-type"] == "message/delivery-status"
    # what the lines of the next boundary take with them is the boundary's (RFC 2046, 5.1.1)
    message, recipients = status_of(decoded(*status), is_global)
    assert original[0]["content-type"] in THIRD
    return head, text.decode(), message, recipients, decoded(*original)
