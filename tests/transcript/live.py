#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""live.py [--tls] [--kind mx|submission|submissions] [--slow] HOST PORT [FILE...]

Plays the transcripts of this folder (README.md has the format) against a
server that listens there and holds the world they speak of. Files of another
kind, and those that only the pure session can play, are left out. --tls: TLS
from the first byte (kind submissions). --slow: one byte a write.
Ends with 0 when every file went as written, else with 1 and the first line
that did not. Several are played at a time.
"""
import argparse
import glob
import os
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 6
PURE = {"pure", "no-cert", "commit-fails", "auth-is-down"}
SPECIAL = {"xclient", "strict"}
HERE = os.path.dirname(os.path.abspath(__file__))


class Mismatch(Exception):
    pass


def unescape(text):
    out, i = bytearray(), 0
    names = {"r": 13, "n": 10, "t": 9, "0": 0, "\\": 92}
    while i < len(text):
        if text[i] != "\\":
            out += text[i].encode()
            i += 1
        elif text[i + 1] == "{":
            end = text.index("}", i)
            times, what = text[i + 2:end].split(" ", 1)
            out += unescape(what) * int(times)
            i = end + 1
        elif text[i + 1] == "x":
            out.append(int(text[i + 2:i + 4], 16))
            i += 4
        else:
            out.append(names[text[i + 1]])
            i += 2
    return bytes(out)


def is_like(text, pattern):
    head, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(head):
        return False
    at = len(head)
    for part in rest[:-1]:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(text) - at >= len(rest[-1]) and text.endswith(rest[-1])


class Talk:
    def __init__(self, host, port, tls, slow):
        self.sock = socket.create_connection((host, port), timeout=30)
        self.slow = slow
        self.held = b""
        if tls:
            self.handshake()

    def handshake(self):
        if self.held:
            raise Mismatch(f"said before TLS: {self.held!r}")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def send(self, data):
        try:
            if not self.slow:
                self.sock.sendall(data)
            for i in range(len(data) if self.slow else 0):
                self.sock.sendall(data[i:i + 1])
        except OSError:
            pass  # what it says, or that it closed, is checked next

    def line(self):
        while b"\r\n" not in self.held:
            more = self.sock.recv(65536)
            if not more:
                raise Mismatch(f"closed after {self.held!r}")
            self.held += more
        line, self.held = self.held.split(b"\r\n", 1)
        return line.decode("latin-1")

    def whole(self, code, *words):
        got, more = [], True
        while more:
            line = self.line()
            if line[:3] != code or line[3:4] not in " -":
                raise Mismatch(f"got {line!r}, want {code}")
            got.append(line[4:])
            more = line[3:4] == "-"
        for word in words:
            want = word[1:].replace("_", " ")
            if any(w.startswith(want) for w in got) != (word[0] == "+"):
                raise Mismatch(f"{word} is not so in {got!r}")

    def expect_end(self):
        try:
            more = self.held or self.sock.recv(65536)
        except ConnectionResetError:
            return
        if more:
            raise Mismatch(f"want the end, got {more!r}")


def kinds(lines):
    words = set()
    for line in lines:
        if line.startswith("K:"):
            words |= set(line[2:].split())
    return words


def play(path, args):
    lines = open(path).read().split("\n")
    words = kinds(lines)
    kind = next((w for w in words if w.startswith("submission")), "mx")
    if words & SPECIAL != set(args.word):
        return False
    if kind != args.kind or words & PURE or any("=" in w for w in words):
        return False
    if "plain-auth" in words:
        return False
    talk = Talk(args.host, args.port, args.tls, args.slow)
    for number, line in enumerate(lines, 1):
        mark, text = line[:2], line[3:]
        try:
            if mark == "S:":
                got = talk.line()
                # A live server has a name of its own.
                want = text.replace("here.example", "*")
                if not is_like(got, want):
                    raise Mismatch(f"got {got!r}, want {text!r}")
            elif mark == "M:":
                talk.whole(*text.split())
            elif mark == "C:":
                talk.send(unescape(text) + b"\r\n")
            elif mark == "R:":
                talk.send(unescape(text))
            elif mark == "T:":
                talk.handshake()
            elif mark == "X:":
                talk.expect_end()
        except (Mismatch, OSError) as e:
            raise Mismatch(f"{os.path.basename(path)}:{number}: {e}") from e
    talk.sock.close()
    return True


def main():
    p = argparse.ArgumentParser()
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("files", nargs="*")
    p.add_argument("--tls", action="store_true")
    p.add_argument("--slow", action="store_true")
    p.add_argument("--word", action="append", default=[], choices=sorted(SPECIAL),
                   help="play those that need a server set up for it, and only those")
    p.add_argument("--kind", choices=["mx", "submission", "submissions"])
    args = p.parse_args()
    args.kind = args.kind or ("submissions" if args.tls else "mx")
    files = args.files or sorted(glob.glob(os.path.join(HERE, "*.smtp")))

    def outcome(path):
        try:
            return play(path, args), None
        except Mismatch as e:
            return False, str(e)
    # They know nothing of each other, and most of their time they wait.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(outcome, files))
    played = sum(was_played for was_played, _ in outcomes)
    wrong = [why for _, why in outcomes if why]
    for text in wrong:
        print(text)
    print(f"{played} of {len(files)} transcripts as written, {len(wrong)} not")
    return 1 if wrong or played == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
