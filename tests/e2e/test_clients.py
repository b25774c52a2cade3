# SPDX-License-Identifier: ISC
"""The mail programs people use, as Debian ships them."""
import hashlib
import os
import pwd
import re
import shutil
import ssl
import subprocess
import tempfile
import time

import pytest

from mua import compose, count, find, imap, submit
from world import PASSWORD, PATIENCE, wait_for


def run(args, cwd=None, env=None, stdin=None, user=None, group=None, ok=(0,)):
    full = dict(os.environ, LC_ALL="C.UTF-8", **(env or {}))
    out = subprocess.run(args, cwd=cwd, env=full, input=stdin, capture_output=True, timeout=90 * PATIENCE, user=user,
                         group=group)
    assert out.returncode in ok, f"{args}: {out.returncode}\n{out.stdout.decode(errors='replace')}{out.stderr.decode(errors='replace')}"
    return out.stdout.decode(errors="replace") + out.stderr.decode(errors="replace")


def write(path, text, mode=0o600):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return str(path)


@pytest.fixture
def fresh(one, request):
    """An account of the test's own, with three messages in its INBOX."""
    address = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-") + "@one.example"
    one.account(address)
    subjects = []
    for _ in range(3):
        subject, message = compose("user@one.example", address)
        submit(one, "user@one.example", [address], message)
        subjects.append(subject)
    return address, subjects


def test_swaks(one, two):
    subject = f"swaks {time.time()}"
    out = run(["swaks", "--server", f"{one.address}:587", "--tls", "--auth", "PLAIN", "--auth-user", "user@one.example",
               "--auth-password", PASSWORD, "--from", "user@one.example", "--to", "user@two.example",
               "--header", f"Subject: {subject}", "--body", "hello"])
    assert "250 2.0.0" in out
    find(two, "user@two.example", subject)


def test_swaks_implicit_tls_and_pipelining(one, two):
    subject = f"swaks {time.time()}"
    run(["swaks", "--server", f"{one.address}:465", "--tlsc", "--auth", "PLAIN", "--auth-user", "user@one.example",
         "--auth-password", PASSWORD, "--from", "user@one.example", "--to", "user@two.example,user@one.example",
         "--pipeline", "--header", f"Subject: {subject}"])
    find(two, "user@two.example", subject)
    find(one, "user@one.example", subject)


def test_msmtp(one, two, tmp_path):
    conf = write(tmp_path / "rc", f"""account default
host {one.address}
port 587
tls on
tls_certcheck off
auth plain
user user@one.example
password {PASSWORD}
from user@one.example
""")
    subject, message = compose("user@one.example", "user@two.example")
    run(["msmtp", "-C", conf, "user@two.example"], stdin=message.replace(b"\r\n", b"\n"))
    find(two, "user@two.example", subject)


@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
def test_fetchmail(one, fresh, tmp_path, protocol):
    address, subjects = fresh
    out = tmp_path / "mbox"
    conf = write(tmp_path / "rc", f"""poll {one.address} protocol {protocol} port {993 if protocol == 'IMAP' else 995}
 user "{address}" password "{PASSWORD}" ssl sslproto "auto" no sslcertck
 mda "cat >> {out}" fetchall keep
""")
    run(["fetchmail", "--fetchmailrc", conf, "--nodetach", "--idfile", str(tmp_path / "ids"), "--pidfile", str(tmp_path / "pid")],
        env={"FETCHMAILHOME": str(tmp_path), "HOME": str(tmp_path)})
    text = open(out).read()
    assert all(s in text for s in subjects)


# getmail hands each message to a child of its own, and misses its end when that comes before it has begun to wait, or
# before it knows the child's number.
GETMAIL_WAITS = """
import os, time
from getmailcore.baseclasses import ForkingBase
def wait(self, child):
    while self._ForkingBase__child_pid != child:
        try:
            pid, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:
            pid = 0
        if pid == child:
            return os.WEXITSTATUS(status)
        time.sleep(0.01)
    return os.WEXITSTATUS(self._ForkingBase__child_status)
ForkingBase._wait_for_child = wait
"""


@pytest.mark.parametrize("retriever", ["SimpleIMAPSSLRetriever", "SimplePOP3SSLRetriever"])
def test_getmail6(one, fresh, tmp_path, retriever):
    address, subjects = fresh
    os.chmod(tmp_path, 0o777)
    for d in ("Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"):
        os.mkdir(tmp_path / d)
    write(tmp_path / "getmailrc", f"""[retriever]
type = {retriever}
server = {one.address}
username = {address}
password = {PASSWORD}
{'mailboxes = ("INBOX",)' if 'IMAP' in retriever else ''}
[destination]
type = Maildir
path = {tmp_path}/Maildir/
[options]
delete = false
read_all = true
""")
    user = group = None
    if os.geteuid() == 0:
        # getmail refuses to run as root; inside a user namespace there may be nobody else
        user = "nobody"
        try:
            uid, group = pwd.getpwnam(user)[2:4]
            subprocess.run(["chown", "-R", f"{uid}:{group}", str(tmp_path)], check=True, stderr=subprocess.DEVNULL)
            for parent in tmp_path.parents:
                if str(parent).startswith(tempfile.gettempdir() + "/"):
                    os.chmod(parent, os.stat(parent).st_mode | 0o755)
        except (KeyError, subprocess.CalledProcessError, PermissionError):
            pytest.skip("getmail refuses to run as root, and no other user can be had here")
    write(tmp_path / "sitecustomize.py", GETMAIL_WAITS)
    os.chmod(tmp_path / "sitecustomize.py", 0o644)
    run(["getmail", "--getmaildir", str(tmp_path)], user=user, group=group,
        env={"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)})
    new = tmp_path / "Maildir" / "new"
    text = "".join(open(new / n).read() for n in os.listdir(new))
    assert all(s in text for s in subjects)


def test_mbsync_both_ways(one, fresh, tmp_path):
    address, subjects = fresh
    conf = write(tmp_path / "rc", f"""IMAPAccount one
Host {one.address}
Port 143
User {address}
Pass "{PASSWORD}"
SSLType STARTTLS
SSLVersions TLSv1.2 TLSv1.3
CertificateFile {one.dir}/cert.pem

IMAPStore far
Account one

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")
    cert = subprocess.run(["openssl", "s_client", "-connect", f"{one.address}:993", "-servername", one.host],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    write(os.path.join(one.dir, "cert.pem"), cert[cert.index(begin):cert.index(end) + len(end)] + "\n")
    os.mkdir(tmp_path / "mail")
    env = {"HOME": str(tmp_path)}
    text = open(conf).read().replace(f"Host {one.address}", "Host localhost")
    text = text.replace("Host localhost", f"Host {one.address}")
    write(conf, text)
    run(["mbsync", "-c", conf, "-a"], env=env)
    here = tmp_path / "mail" / "INBOX"
    names = [(d, n) for d in ("new", "cur") for n in os.listdir(here / d)]
    assert len(names) == 3
    # a flag and a deletion go back, a new message goes up
    d, n = sorted(names)[0]
    base = n.split(":")[0]
    shutil.move(here / d / n, here / "cur" / (base + ":2,FS"))
    d2, n2 = sorted(names)[1]
    shutil.move(here / d2 / n2, here / "cur" / (n2.split(":")[0] + ":2,ST"))
    write(here / "new" / "1.new.example", "Subject: from here\n\nbody\n")
    run(["mbsync", "-c", conf, "-a"], env=env)
    c = imap(one, address)
    c.select("INBOX", readonly=True)
    assert len(c.search(None, "ALL")[1][0].split()) == 3
    assert len(c.search(None, "FLAGGED")[1][0].split()) == 1
    assert len(c.search(None, "SUBJECT", '"from here"')[1][0].split()) == 1
    c.logout()
    run(["mbsync", "-c", conf, "-a"], env=env)
    assert count(one, address) == 3


def certificate_fingerprint(one):
    pem = subprocess.run(["openssl", "s_client", "-connect", f"{one.address}:993", "-servername", one.host],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index(begin):pem.index(end) + len(end)] + "\n")
    return hashlib.sha256(der).hexdigest()


def test_offlineimap_both_ways(one, fresh, tmp_path):
    address, subjects = fresh
    rc = write(tmp_path / "rc", f"""[general]
accounts = one
metadata = {tmp_path}/state
[Account one]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {tmp_path}/mail
[Repository far]
type = IMAP
remotehost = {one.address}
remoteport = 993
ssl = yes
cert_fingerprint = {certificate_fingerprint(one)}
remoteuser = {address}
remotepass = {PASSWORD}
""")
    sync = ["offlineimap", "-c", rc, "-o", "-u", "quiet"]
    env = {"HOME": str(tmp_path)}
    run(sync, env=env)
    here = tmp_path / "mail" / "INBOX"
    names = sorted((d, n) for d in ("new", "cur") for n in os.listdir(here / d))
    assert len(names) == 3
    text = "".join(open(here / d / n).read() for d, n in names)
    assert all(s in text for s in subjects)
    # a flag and a deletion go back, a new message and a new folder go up
    (d, n), (d2, n2) = names[:2]
    shutil.move(here / d / n, here / "cur" / (n.split(":")[0] + ":2,FS"))
    os.remove(here / d2 / n2)
    write(here / "new" / "1.new.example", "Subject: from here\n\nbody\n")
    for sub in ("new", "cur", "tmp"):
        os.makedirs(tmp_path / "mail" / "Made here" / sub)
    run(sync, env=env)
    c = imap(one, address)
    c.select("INBOX", readonly=True)
    assert len(c.search(None, "ALL")[1][0].split()) == 3
    assert len(c.search(None, "FLAGGED")[1][0].split()) == 1
    assert len(c.search(None, "SUBJECT", '"from here"')[1][0].split()) == 1
    assert any(b"Made here" in row for row in c.list()[1])
    c.logout()
    run(sync, env=env)
    assert count(one, address) == 3


def neomutt_rc(one, address, tmp_path):
    return write(tmp_path / "rc", f"""set ssl_verify_host=no
set ssl_verify_dates=no
set certificate_file="{tmp_path}/certs"
set ssl_starttls=yes
set ssl_force_tls=yes
set folder="imaps://{address.replace('@', '%40')}@{one.address}:993/"
set imap_user="{address}"
set imap_pass="{PASSWORD}"
set spoolfile="+INBOX"
set smtp_url="smtp://{address.replace('@', '%40')}@{one.address}:587/"
set smtp_pass="{PASSWORD}"
set smtp_authenticators="plain"
set from="{address}"
set use_from=yes
set record=""
set copy=no
set mail_check=1
""")


def trust_certificate(one, tmp_path):
    cert = subprocess.run(["openssl", "s_client", "-connect", f"{one.address}:993", "-servername", one.host],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    write(tmp_path / "certs", cert[cert.index(begin):cert.index(end) + len(end)] + "\n")


def test_neomutt_sends(one, two, fresh, tmp_path):
    address, _ = fresh
    trust_certificate(one, tmp_path)
    rc = neomutt_rc(one, address, tmp_path)
    subject = f"neomutt {time.time()}"
    run(["neomutt", "-n", "-F", rc, "-s", subject, "user@two.example"], stdin=b"from neomutt\n",
        env={"HOME": str(tmp_path), "TERM": "xterm"})
    find(two, "user@two.example", subject)


def test_neomutt_reads(one, fresh, tmp_path):
    """On a pseudo-terminal: open the INBOX, see the subjects, read one, quit."""
    import pexpect_lite
    address, subjects = fresh
    trust_certificate(one, tmp_path)
    rc = neomutt_rc(one, address, tmp_path)
    screen = pexpect_lite.run(["neomutt", "-n", "-F", rc], [(subjects[2][:12], b"\r"), ("hello", b"q"), ("", b"q")],
                              env=dict(os.environ, HOME=str(tmp_path), TERM="vt100", LC_ALL="C.UTF-8"))
    assert any(s[:12] in screen for s in subjects), screen[-3000:]
    assert "hello" in screen, screen[-3000:]


def test_neomutt_header_cache(one, fresh, tmp_path):
    """The second start takes the headers from the cache, by UIDVALIDITY and UIDs, and shows what came meanwhile."""
    import pexpect_lite
    address, subjects = fresh
    trust_certificate(one, tmp_path)
    rc = neomutt_rc(one, address, tmp_path)
    os.mkdir(tmp_path / "cache")
    with open(rc, "a") as f:
        f.write(f'set header_cache="{tmp_path}/cache"\nset imap_qresync=yes\nset imap_condstore=yes\n')
    env = dict(os.environ, HOME=str(tmp_path), TERM="vt100", LC_ALL="C.UTF-8")
    pexpect_lite.run(["neomutt", "-n", "-F", rc], [(subjects[2][:12], b"q")], env=env)
    assert sum(len(files) for _, _, files in os.walk(tmp_path / "cache")) > 0
    subject, message = compose("user@one.example", address)
    submit(one, "user@one.example", [address], message)
    c = imap(one, address)
    c.select("INBOX")
    c.store("1", "+FLAGS", "(\\Deleted)")
    c.expunge()
    c.logout()
    screen = pexpect_lite.run(["neomutt", "-n", "-F", rc], [(subject[:12], b"q")], env=env)
    assert subjects[1][:12] in screen and subjects[2][:12] in screen, screen[-3000:]


def test_smtplib_many_at_once(one):
    import smtplib
    import threading
    errors = []

    def work():
        try:
            with smtplib.SMTP(one.address, 25, timeout=60 * PATIENCE) as c:
                for _ in range(5):
                    _, message = compose("a@client.example", "user@one.example")
                    c.sendmail("a@client.example", ["user@one.example"], message)
        except Exception as e:  # noqa: BLE001 - gathered below
            errors.append(e)
    before = count(one, "user@one.example")
    threads = [threading.Thread(target=work) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert count(one, "user@one.example") == before + 100


def test_imap_idle_tells_of_new_mail(one, fresh):
    address, _ = fresh
    c = imap(one, address)
    c.select("INBOX")
    tag = c._new_tag()
    c.send(tag + b" IDLE\r\n")
    assert c.readline().startswith(b"+")
    subject, message = compose("user@one.example", address)
    submit(one, "user@one.example", [address], message)
    c.sock.settimeout(10 * PATIENCE)
    lines = []
    while not any(b"EXISTS" in line for line in lines):
        lines.append(c.readline())
    assert b"* 4 EXISTS\r\n" in lines
    c.send(b"DONE\r\n")
    while not c.readline().startswith(tag):
        pass
    c.logout()


def test_imaplib_folders_and_flags(one, fresh):
    address, subjects = fresh
    c = imap(one, address)
    assert c.create("Work/Project")[0] == "OK"
    assert c.create("Work/Project")[0] == "NO"
    assert any(b'"Work/Project"' in x or b" Work/Project" in x for x in c.list()[1])
    c.select("INBOX")
    assert c.copy("1:2", "Work/Project")[0] == "OK"
    assert c.store("1", "+FLAGS", r"(\Seen \Flagged custom)")[0] == "OK"
    flags = c.fetch("1", "(FLAGS)")[1][0]
    assert b"\\Seen" in flags and b"\\Flagged" in flags and b"custom" in flags
    c.store("1", "+FLAGS", r"(\Deleted)")
    assert c.expunge()[0] == "OK"
    assert len(c.search(None, "ALL")[1][0].split()) == 2
    assert c.rename("Work/Project", "Done")[0] == "OK"
    assert c.select("Done")[1] == [b"2"]
    status = c.status("Done", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)")[1][0]
    assert b"MESSAGES 2" in status
    c.close()
    assert c.delete("Done")[0] == "OK"
    assert c.select("Done")[0] == "NO"
    text = b"Subject: appended\r\n\r\nbody\r\n"
    assert c.append("INBOX", r"(\Draft)", None, text)[0] == "OK"
    c.select("INBOX")
    n = c.search(None, "DRAFT")[1][0].split()[-1]
    assert c.fetch(n, "(RFC822)")[1][0][1] == text
    c.logout()


def test_poplib_deletes_at_quit(one, fresh):
    import mua as m
    address, subjects = fresh
    c = m.pop3(one, address)
    assert c.stat()[0] == 3
    ids = [x.split()[1] for x in c.uidl()[1]]
    assert len(set(ids)) == 3
    c.dele(2)
    c.rset()
    c.dele(1)
    c.quit()
    c = m.pop3(one, address)
    assert [x.split()[1] for x in c.uidl()[1]] == ids[1:]
    assert b"".join(c.top(1, 0)[1]).count(b"Subject") == 1
    c.quit()
    wait_for(lambda: count(one, address) == 2)
