#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""live_mail.py --account COMMAND [--slow] HOST IMAP IMAPS POP3 POP3S [FILE...]

Plays the IMAP and POP3 transcripts of this folder (README.md has the format)
against a server that listens there. Each file gets an account of its own: the
COMMAND is run with an address and makes it, with the password "correct
horse"; where the transcript says alice@one.example that address is put. The
mailbox is then filled with the three messages of src/imap/fake_world.c (the
four of src/pop3/fake_store.c). What only the pure session can play is left
out. Ends with 0 when every file went as written.
"""
import argparse
import base64
import glob
import imaplib
import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import live
from live import is_like

HERE = os.path.dirname(os.path.abspath(__file__))
SRC = os.path.join(HERE, "..", "..", "src")
PASSWORD = "correct horse"
PURE = {"pure", "plain-auth", "no-cert"}
PURE_WORLD = {"down", "fails", "works", "lost", "bye", "delete", "in-use"}
DATE = '"18-Nov-2026 13:06:40 +0200"'


class Mismatch(Exception):
    pass


def unescape(text):
    """A backslash before other letters is just that."""
    return live.unescape(re.sub(r"\\(\\|[rnt0{]|x[0-9a-f]{2})|\\", lambda m: m[0] if m[1] else r"\\", text))


def c_strings(path, names):
    """The string constants of a C file, by name or (None) all in an array."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = []
    for name in names:
        start = text.index(name)
        body = text[text.index("=", start):]
        body = body[:body.index(";\n")]
        for one in body.split('",') if "[FAKE" in text[start:start + 60] else [body]:
            parts = re.findall(r'"((?:[^"\\]|\\.)*)"?', one)
            found.append("".join(parts).replace("\\r", "\r").replace("\\n", "\n").replace('\\"', '"').encode())
    return found


def context():
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


class Player:
    def __init__(self, args, path):
        self.args = args
        self.path = path
        self.is_imap = path.endswith(".imap")
        self.address = "t%d-%s@one.example" % (os.getpid(), os.path.splitext(os.path.basename(path))[0] +
                                               ("" if self.is_imap else "-pop"))
        self.words = set()
        self.sock = None
        self.data = b""

    def lines(self):
        with open(self.path, encoding="latin-1") as f:
            for number, line in enumerate(f.read().split("\n"), 1):
                if line:
                    yield number, line[0], line[3:]

    def is_playable(self):
        for _, mark, text in self.lines():
            if mark == "K" and PURE & set(text.split()):
                return False
            if mark == "W" and (text.split()[0] in PURE_WORLD or not self.is_imap and text.split()[0] != "left"):
                return False
        return True

    def helper(self):
        c = imaplib.IMAP4_SSL(self.args.host, self.args.imaps, ssl_context=context(), timeout=30)
        c.login(self.address, PASSWORD)
        return c

    def fill(self):
        subprocess.run([*shlex.split(self.args.account), self.address], check=True, stdout=subprocess.DEVNULL)
        c = self.helper()
        if not self.is_imap:
            for m in c_strings(os.path.join(SRC, "pop3", "fake_store.c"), ["fake_pop3_messages"]):
                # imaplib would mend the bare LFs.
                c.send(b"x APPEND INBOX {%d+}\r\n" % len(m) + m + b"\r\n")
                c.readline()
            c.shutdown()
            return
        flags = ["(\\Seen)", "()", "(\\Flagged)"]
        messages = c_strings(os.path.join(SRC, "imap", "fake_world.c"), ["fake_plain[] =", "fake_mixed[] =", "fake_forward[] ="])
        self.plain = messages[0]
        for i, m in enumerate(messages):
            if i == 2:
                c.select("INBOX")
                c.unselect()
            c.append("INBOX", flags[i], DATE, m)
        if "empty" in self.words:
            c.select("INBOX")
            c.store("1:*", "+FLAGS.SILENT", "(\\Deleted)")
            c.expunge()
        c.logout()

    def connect(self):
        clear = "clear" in self.words
        port = (self.args.imap if clear else self.args.imaps) if self.is_imap else \
            (self.args.pop3 if clear else self.args.pop3s)
        self.sock = socket.create_connection((self.args.host, port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not clear:
            self.sock = context().wrap_socket(self.sock)

    def read_line(self):
        while b"\r\n" not in self.data:
            more = self.sock.recv(65536)
            if not more:
                raise Mismatch("the server closed")
            self.data += more
        line, self.data = self.data.split(b"\r\n", 1)
        return line.decode("latin-1")

    def send(self, data, slow):
        data = data.replace(b"alice@one.example", self.address.encode())
        data = re.sub(rb"LOGIN \{17\}", b"LOGIN {%d}" % len(self.address), data)
        for around in (b"\0%s\0correct horse", b"%s"):
            data = data.replace(base64.b64encode(around % b"alice@one.example"), base64.b64encode(around % self.address.encode()))
        for piece in ([data[i:i + 1] for i in range(len(data))] if slow else [data]):
            self.sock.sendall(piece)

    def on_server(self, text):
        got = self.read_line()
        literal = text.startswith("* ")
        if literal and not got.startswith("* ") or not is_like(got[2:] if literal else got, text[2:] if literal else text):
            raise Mismatch("want %r\n got %r" % (text, got))

    def on_world(self, text):
        word, *rest = text.split()
        if word == "left":
            c = self.helper()
            _, n = c.select("INBOX", readonly=True)
            c.logout()
            if n[0] != rest[0].encode():
                raise Mismatch("%s messages are left" % n[0].decode())
            return
        c = self.helper()
        if word == "deliver":
            c.append("INBOX", "", DATE, self.plain)
        else:
            bits = ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted"]
            c.select("INBOX")
            if word == "flag":
                names = [b for i, b in enumerate(bits) if int(rest[1]) >> i & 1]
                c.uid("STORE", rest[0], "FLAGS.SILENT", "(" + " ".join(names) + ")")
            else:
                c.uid("MOVE", rest[0], "Junk")
        c.logout()

    def on_end(self):
        self.sock.settimeout(20)
        try:
            rest = self.data + self.sock.recv(1)
        except (ConnectionResetError, ssl.SSLError):
            rest = self.data
        if rest:
            raise Mismatch("still talking: %r" % rest)

    def play(self):
        for _, mark, text in self.lines():
            if mark == "K":
                self.words |= set(text.split())
        self.fill()
        self.connect()
        number = 0
        try:
            for number, mark, text in self.lines():
                if mark == "S":
                    self.on_server(text)
                elif mark == "C":
                    self.send(unescape(text) + b"\r\n", self.args.slow)
                elif mark == "R":
                    self.send(unescape(text), False)
                elif mark == "T":
                    self.sock = context().wrap_socket(self.sock)
                elif mark == "W":
                    self.on_world(text)
                elif mark == "X":
                    self.on_end()
        except (Mismatch, OSError) as e:
            return "%s:%d: %s" % (self.path, number, e)
        finally:
            self.sock.close()
        return None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--account", required=True)
    p.add_argument("--slow", action="store_true")
    p.add_argument("host")
    for name in ("imap", "imaps", "pop3", "pop3s"):
        p.add_argument(name, type=int)
    p.add_argument("files", nargs="*")
    args = p.parse_args()
    files = args.files or sorted(glob.glob(os.path.join(HERE, "*.imap")) + glob.glob(os.path.join(HERE, "*.pop3")))
    players = [p for p in (Player(args, path) for path in files) if p.is_playable()]
    # Each has an account of its own.
    with ThreadPoolExecutor(live.AT_ONCE) as pool:
        wrong = [text for text in pool.map(Player.play, players) if text]
    for text in wrong:
        print(text)
    print("%d played, %d failed" % (len(players), len(wrong)))
    return 1 if wrong or not players else 0


if __name__ == "__main__":
    sys.exit(main())
