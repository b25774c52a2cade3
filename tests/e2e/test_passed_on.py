# SPDX-License-Identifier: ISC
"""What a sender asks of the way: said to a server that offers it, and what comes of it
at one that does not (docs/passed-on.md)."""
import email
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import threading

import pytest

import strict_dsn
from mua import find, imap
from receivers import Receiver
from test_smtp_extensions import Talk
from world import Dns, Ulak, wait_for

USER = "user@box.example"
BINARY = b"Subject: binary-out\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\rc\0\xff\n.\r\n.\n" * 3000


class Knows(Receiver):
    """All extensions, inside TLS whose certificate is in order."""
    extensions = ["PIPELINING", "8BITMIME", "SIZE 10000000", "DSN", "SMTPUTF8", "CHUNKING", "BINARYMIME", "REQUIRETLS",
                  "DELIVERBY 30", "MT-PRIORITY MIXER", "RRVS"]

    def on_rcpt(self, c, line):
        rcpt = line[9:line.index(b">")].decode()
        if rcpt.startswith("no"):
            c.say("550 5.1.1 nobody of that name")
            return
        c.rcpts.append(rcpt)
        c.say("250 2.1.5 ok")

    def on_bdat(self, c, line):
        n = int(line.split()[1])
        while len(c.buffer) < n:
            c.more()
        c.chunks = getattr(c, "chunks", b"") + c.buffer[:n]
        c.buffer = c.buffer[n:]
        if line.upper().endswith(b"LAST"):
            self.take(c, c.chunks)
            c.chunks = b""
            c.reset()
        c.say("250 2.0.0 ok")


class Plain(Receiver):
    extensions = ["PIPELINING", "8BITMIME"]


class Seven(Receiver):
    """7-bit only, and it minds."""
    extensions = ["PIPELINING", "SIZE 5000000"]

    def take(self, c, data):
        assert data.isascii() and max(map(len, data.split(b"\r\n"))) <= 998
        super().take(c, data)


class Limits(Receiver):
    extensions = ["PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=1"]


class Refuses(Receiver):
    """Offers what it does not take."""
    extensions = ["DSN", "DELIVERBY"]

    def on_mail(self, c, line):
        if b"BY=" in line or b"ENVID=" in line:
            c.say("555 5.5.4 no such parameter")
        else:
            super().on_mail(c, line)


def certificate(directory, name):
    """A context for a server of that name, and the file of the authority that says so."""
    at = lambda file: os.path.join(directory, file)  # noqa: E731
    run = lambda *a: subprocess.run(["openssl", *a], check=True, capture_output=True)  # noqa: E731
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("req", "-x509", *key, "-subj", "/CN=authority", "-days", "2", "-keyout", at("ca.key"), "-out", at("ca.pem"))
    run("req", *key, "-subj", "/CN=" + name, "-keyout", at("key.pem"), "-out", at("csr.pem"))
    with open(at("ext"), "w") as f:
        f.write(f"subjectAltName=DNS:{name}\n")
    run("x509", "-req", "-in", at("csr.pem"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2",
        "-extfile", at("ext"), "-out", at("cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(at("cert.pem"), at("key.pem"))
    os.chmod(at("ca.pem"), 0o644)
    return context, at("ca.pem")


class Net:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dns = Dns(os.path.join(directory, "dns"), "192.0.2.99")
        hosts = {"box": "192.0.2.100", "knows": "192.0.2.101", "plain": "192.0.2.102", "limits": "192.0.2.103",
                 "refuses": "192.0.2.104", "seven": "192.0.2.105"}
        records = ["either.example. IN MX 5 mx.plain.example.", "either.example. IN MX 10 mx.knows.example."]
        for name, address in hosts.items():
            records += [f"{name}.example. IN MX 10 mx.{name}.example.", f"mx.{name}.example. IN A {address}"]
        self.dns.zone(".", [])
        self.dns.zone("example.", records)
        self.dns.start()
        context, authority = certificate(directory, "mx.knows.example")
        self.knows, self.plain, self.limits, self.refuses, self.seven = (
            cls(hosts[name], f"mx.{name}.example")
            for name, cls in (("knows", Knows), ("plain", Plain), ("limits", Limits), ("refuses", Refuses),
                              ("seven", Seven)))
        self.knows.tls = context
        self.box = Ulak(os.path.join(directory, "box"), "box.example", hosts["box"], self.dns,
                        extra={"outbound": ['retry_first = "1s"', 'retry_max = "2s"', f'authorities = "{authority}"']})
        self.box.init()
        self.box.start()
        self.lock = threading.Lock()

    def talk(self):
        t = Talk(self.box, 465, tls=True)
        t.login(USER)
        return t

    def send(self, subject, rcpts, mail="", rcpt="", head="", body=b"hello\r\n"):
        """rcpts: one or more; returns the message's id."""
        t = self.talk()
        t.say(f"MAIL FROM:<{USER}> {mail}".rstrip(), 250)
        for r in [rcpts] if isinstance(rcpts, str) else rcpts:
            t.say(f"RCPT TO:<{r}> {rcpt}".rstrip(), 250)
        if "BINARYMIME" in mail:
            said = t.say(f"BDAT {len(body)} LAST", 250, body)
        else:
            t.say("DATA", 354)
            message = f"Subject: {subject}\r\n{head}\r\n".encode() + body
            t.sock.sendall(message)
            said = t.say(".", 250)
        t.say("QUIT", 221)
        return said.split()[2]

    def stop(self):
        for r in (self.knows, self.plain, self.limits, self.refuses, self.seven):
            r.close()
        self.box.stop()
        self.dns.stop()


@pytest.fixture(scope="module")
def net():
    directory = tempfile.mkdtemp(prefix="ulak-passed-on.")
    n = Net(directory)
    yield n
    n.stop()
    shutil.rmtree(directory, ignore_errors=True)


def reports(server, text, user=USER):
    c = imap(server, user)
    c.select("INBOX", readonly=True)
    _, found = c.search(None, "FROM", "MAILER-DAEMON")
    got = [c.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in found[0].split()]
    c.logout()
    for t in got:
        strict_dsn.read(t)
    return [t for t in got if text.encode() in t]


def report(server, text, user=USER):
    """The only one that has this text, as bytes."""
    wait_for(lambda: reports(server, text, user), 30, "a report about " + text)
    found = reports(server, text, user)
    assert len(found) == 1, found
    return found[0]


def lines(receiver, verb, word):
    with receiver.lock:
        return [line for _, line in receiver.lines if line.upper().startswith(verb) and word in line]


def taken(receiver, what):
    wait_for(lambda: receiver.copies(what), 30, f"{what} at {receiver.name}: {receiver.lines[-6:]}")
    (sender, rcpts, data), = receiver.copies(what)
    return sender.decode(), rcpts, data


def test_all_of_it_is_passed_on(net):
    number = net.send("all-of-it", "all@knows.example", "RET=FULL ENVID=e+2B1 BY=600;NT MT-PRIORITY=-4 REQUIRETLS BODY=8BITMIME",
                      "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@far.example RRVS=2026-01-01T00:00:00Z", body=b"caf\xc3\xa9\r\n")
    mail, _, data = taken(net.knows, "all-of-it")
    for word in ("BODY=8BITMIME", "REQUIRETLS", "RET=FULL", "ENVID=e+2B1", "MT-PRIORITY=-4"):
        assert " " + word in mail, mail
    left, = re.findall(r" BY=(\d+);NT", mail)
    assert 500 < int(left) <= 600
    assert data.endswith(b"caf\xc3\xa9\r\n")
    rcpt, = lines(net.knows, "RCPT", "all@")
    assert rcpt == ("RCPT TO:<all@knows.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@far.example "
                    "RRVS=2026-01-01T00:00:00Z;R")
    # "T" asks to hear of each hop (RFC 2852, 4.1.4), also of one that tells itself
    text = report(net.box, "all-of-it").decode()
    assert "Action: relayed" in text and "Original-Envelope-Id: e+1" in text and "Deliver-By-Date: " in text
    wait_for(lambda: "verified" in net.box.cli("trace", number).stdout, what="its trace")


def test_nothing_is_said_to_who_offers_nothing(net):
    net.send("to-plain", "plain@plain.example", "RET=HDRS ENVID=e2 MT-PRIORITY=-2 BY=600;N",
             "NOTIFY=SUCCESS ORCPT=rfc822;first@far.example RRVS=2026-01-01T00:00:00Z;C")
    mail, _, _ = taken(net.plain, "to-plain")
    assert mail == f"MAIL FROM:<{USER}>", mail
    assert lines(net.plain, "RCPT", "plain@plain") == ["RCPT TO:<plain@plain.example>"]
    text = report(net.box, "to-plain").decode()
    assert "Action: relayed" in text and "Original-Recipient: rfc822; first@far.example" in text
    assert "Remote-MTA: dns; mx.plain.example" in text


@pytest.mark.parametrize("subject,rcpt,mail,to,status", [
    ("in-time", "r@plain.example", "BY=600;R", "", "5.4.7"),
    ("owner", "r@plain.example", "", "RRVS=2026-01-01T00:00:00Z", "5.7.19"),
    ("tls-plain", "r@plain.example", "REQUIRETLS", "", "5.7.10"),
    ("needs-longer", "r@refuses.example", "BY=600;R ENVID=x", "", "5.5.4"),
    ("envid-refused", "r@refuses.example", "ENVID=y", "", "5.5.4"),
])
def test_what_cannot_be_kept_comes_back(net, subject, rcpt, mail, to, status):
    net.send(subject, rcpt, mail, to, body=b"hello\r\n")
    text = report(net.box, subject).decode()
    assert "Action: failed" in text and f"Status: {status}\r\n" in text, text
    assert not net.plain.copies(subject) and not net.refuses.copies(subject)


def test_who_requires_tls_finds_the_host_that_has_it(net):
    net.send("either-way", "r@either.example", "REQUIRETLS")
    mail, _, _ = taken(net.knows, "either-way")
    assert " REQUIRETLS" in mail
    assert not net.plain.copies("either-way")


def test_binary_by_chunks(net):
    net.send("", "binary@knows.example", "BODY=BINARYMIME", body=BINARY)
    mail, rcpts, data = taken(net.knows, "binary-out")
    assert " BODY=BINARYMIME" in mail and rcpts == ["binary@knows.example"]
    # the submission completes the header, and nothing touches the body
    assert data.split(b"\r\n\r\n", 1)[1] == BINARY.split(b"\r\n\r\n", 1)[1]


def leaves(data):
    """What a reader has of a mail: the types of its parts, and the octets of those that have some."""
    return [(p.get_content_type(), None if p.is_multipart() else p.get_payload(decode=True))
            for p in email.message_from_bytes(data).walk()]


def mixed(*parts):
    """A multipart of (fields, body)."""
    return (b"--=_b\r\n" + b"\r\n--=_b\r\n".join(head.encode() + b"\r\n\r\n" + body for head, body in parts)
            + b"\r\n--=_b--\r\n")


UTF8 = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
PHOTO = "Content-Type: image/x-photo\r\nContent-Transfer-Encoding: "
TURKISH = "Günaydın: --=_b durdu. \t\r\n.\r\n--\r\nFrom here\r\n".encode()
MIXED = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n"
INNER = b"From: a@far.example\r\nMIME-Version: 1.0\r\n" + UTF8.encode() + b"\r\n\r\n" + TURKISH
LARGE = b"".join((bytes(range(128, 256)) * 4 + b"\r\n") for _ in range(1500))


@pytest.mark.parametrize("name,head,body,declared", [
    ("text", f"MIME-Version: 1.0\r\n{UTF8}\r\n", TURKISH, ""),
    ("no-mime", "", TURKISH, ""),
    ("parts", MIXED + "Content-Transfer-Encoding: 8bit\r\n", mixed((UTF8, TURKISH), ("X-Is: plain", b"plain"), (PHOTO + "8bit", LARGE),
                                                                (PHOTO + "base64", b"AAEC"),
                                                                ("Content-Type: message/rfc822", INNER)), ""),
    ("raw", MIXED + "Content-Transfer-Encoding: binary\r\n", mixed((PHOTO + "binary", bytes(range(256)) * 9000), (UTF8, TURKISH)),
     "BODY=BINARYMIME"),
])
@pytest.mark.parametrize("to", ["seven", "plain"])
def test_a_server_that_takes_less_gets_the_same(net, name, head, body, declared, to):
    """Octet for octet what was sent, for who reads it by the rules of MIME (RFC 2045, 6152, 3030)."""
    subject = f"less-{name}-{to}"
    if declared:
        net.send("", f"r@{to}.example", declared, body=f"Subject: {subject}\r\n{head}\r\n".encode() + body)
        sent = body
    else:
        # the dots that the way there wants
        net.send(subject, f"r@{to}.example", "BODY=8BITMIME", head=head, body=body.replace(b"\r\n.", b"\r\n.."))
        sent = body
    mail, _, data = taken(getattr(net, to), subject)
    assert leaves(data) == leaves(head.encode() + b"\r\n" + sent)
    if to == "seven":
        assert "BODY=" not in mail and f" SIZE={len(data)}" in mail
        assert data.count(b"MIME-Version: 1.0\r\n") == (2 if name == "parts" else 1)
    else:
        assert mail.endswith(" BODY=8BITMIME")
        assert declared or data.endswith(body)


@pytest.mark.parametrize("name,head,body,why,status", [
    ("signed", MIXED.replace("mixed", "signed"), mixed((UTF8, TURKISH), ("X-Is: signature", b"x")), "it has a signed part", "5.6.3"),
    ("broken", MIXED, b"\xfc\r\n" + mixed(("X-Is: plain", b"x")), "8-bit octets between its parts", "5.6.3"),
    ("utf8-gün", f"MIME-Version: 1.0\r\n{UTF8}\r\n", TURKISH, "it has 8-bit octets in a header", "5.6.9"),
    ("address-gün", f"MIME-Version: 1.0\r\n{UTF8}\r\n", TURKISH, "internationalised address", "5.6.7"),
    ("large", f"MIME-Version: 1.0\r\n{PHOTO}8bit\r\n", LARGE * 5, "larger than the remote server takes", "5.3.4"),
])
def test_what_cannot_be_converted_comes_back(net, name, head, body, why, status):
    subject = "cannot-" + name
    rcpt = "gün@seven.example" if status == "5.6.7" else "r@seven.example"
    net.send(subject, rcpt, "BODY=8BITMIME" + " SMTPUTF8" * (status in ("5.6.7", "5.6.9")), head=head,
             body=body.replace(b"\r\n.", b"\r\n.."))
    text = report(net.box, subject).decode()
    assert f"Status: {status}\r\n" in text and why in " ".join(text.split()), text
    assert not net.seven.copies(subject)


def test_ascii_needs_no_smtputf8(net):
    """RFC 6531, 3.6: what was announced as international and is not goes to who knows nothing of it, as it came."""
    net.send("not-so-international", "r@plain.example", "SMTPUTF8 BODY=8BITMIME", head=f"MIME-Version: 1.0\r\n{UTF8}\r\n",
             body="Günaydın\r\n".encode())
    mail, _, data = taken(net.plain, "not-so-international")
    assert mail.endswith(" BODY=8BITMIME") and data.endswith("Günaydın\r\n".encode())


def test_limits_are_kept(net):
    rcpts = [f"r{i}@limits.example" for i in range(5)]
    net.send("limited", rcpts)
    wait_for(lambda: sum(len(m[1]) for m in net.limits.copies("limited")) == 5, 30, "all five")
    copies = net.limits.copies("limited")
    assert sorted(r for m in copies for r in m[1]) == rcpts
    assert max(len(m[1]) for m in copies) <= 2
    assert len(lines(net.limits, "MAIL", "")) == len({n for n, line in net.limits.lines if line.startswith("MAIL")})


def test_the_whole_mail_or_its_header(net):
    for ret in ("FULL", "HDRS"):
        net.send("ret-" + ret, "nobody@knows.example", "RET=" + ret, body=b"the secret text\r\n")
        text = report(net.box, "ret-" + ret)
        parts = email.message_from_bytes(text).get_payload()
        want = "message/rfc822" if ret == "FULL" else "text/rfc822-headers"
        assert [p.get_content_type() for p in parts] == ["text/plain", "message/delivery-status", want]
        assert (b"the secret text" in text) == (ret == "FULL")


def test_utf8_comes_back_in_utf8(net):
    net.send("utf8-r\u00e9port", "no\u00e9@knows.example", "SMTPUTF8 BODY=8BITMIME RET=FULL", body=b"x\r\n")
    text = report(net.box, "Final-Recipient: utf-8; no\u00e9@knows")
    assert b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n" in text
    assert "Final-Recipient: utf-8; no\u00e9@knows.example\r\n".encode() in text
    assert b"Content-Type: message/global\r\n" in text and "Subject: utf8-r\u00e9port\r\n".encode() in text
    assert lines(net.knows, "MAIL", "SMTPUTF8")


def test_never_is_silent(net):
    number = net.send("never", "nobody2@knows.example", "", "NOTIFY=NEVER")
    wait_for(lambda: "failed" in net.box.cli("trace", number).stdout, 30, "its end")
    assert not net.box.cli_json("queue", "list", "--recipient", "nobody2@knows.example")
    assert not reports(net.box, "never")


def test_what_waits_can_be_seen(net):
    number = net.send("held", "held@plain.example", "HOLDFOR=3600 MT-PRIORITY=-3", "NOTIFY=NEVER")
    row, = net.box.cli_json("queue", "list", "--recipient", "held@plain.example")
    assert row["state"] == "scheduled", row
    wait_for(lambda: all(words in net.box.cli("trace", number).stdout for words in ("released at ", "MT-PRIORITY=-3")),
             what="its trace")
    net.box.cli("queue", "delete", "--recipient", "held@plain.example", "--yes")


def test_from_one_ulak_to_another(one, two):
    """The last one tells of the delivery, the first one of nothing."""
    t = Talk(one, 465, tls=True)
    t.login("user@one.example")
    t.say("MAIL FROM:<user@one.example> BODY=BINARYMIME RET=HDRS ENVID=both-ways", 250)
    t.say("RCPT TO:<user@two.example> NOTIFY=SUCCESS,FAILURE", 250)
    body = BINARY[:20000].replace(b"binary-out", b"binary-two")
    t.say(f"BDAT {len(body)} LAST", 250, body)
    content = body.split(b"\r\n\r\n", 1)[1]
    # a literal of BODY[] has no NUL (RFC 9051, 4.3); BINARY[] gives them all
    shown = find(two, "user@two.example", "binary-two").split(b"\r\n\r\n", 1)[1]
    assert shown == content.replace(b"\0", b"\x80")
    c = imap(two, "user@two.example")
    c.select("INBOX", readonly=True)
    number = c.search(None, "SUBJECT", '"binary-two"')[1][0].split()[-1]
    assert c.fetch(number, "(BINARY.PEEK[1])")[1][0][1] == content
    c.logout()
    text = report(one, "both-ways", "user@one.example")
    assert b"Reporting-MTA: dns; mx.two.example" in text and b"Action: delivered" in text, text
