# SPDX-License-Identifier: ISC
"""Mail servers that behave badly, each in its own way.

A Receiver listens on port 25 of an address of its own and speaks SMTP well;
a subclass overrides the one step that it does badly. Each keeps what it was
told (`lines`) and what it took (`mails`: sender, recipients, bytes).
"""
import re
import socket
import ssl
import threading
import time

from world import add_address


CASES = []


def case(expect, why="", **more):
    """expect: delivered, bounced, kept; why: status or reason (a regexp)."""
    def add(cls):
        cls.expect, cls.why = expect, why
        cls.copies_max = more.get("copies", 1 if expect == "delivered" else 0)
        cls.label = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
        CASES.append(cls)
        return cls
    return add


class Hangup(Exception):
    """The receiver ends the connection."""


class Receiver:
    extensions = ["PIPELINING", "8BITMIME", "SIZE 10000000", "ENHANCEDSTATUSCODES"]
    tls = None   # an ssl.SSLContext offers STARTTLS

    def __init__(self, address, name):
        self.address, self.name = address, name
        self.lines, self.mails, self.seen = [], [], 0
        self.lock = threading.Lock()
        add_address(address)
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, 25))
        self.socket.listen(64)
        self.is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.is_open = False
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def _accept(self):
        while self.is_open:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            with self.lock:
                self.seen += 1
                number = self.seen
            threading.Thread(target=self._serve, args=(s, number), daemon=True).start()

    def _serve(self, s, number):
        c = Session(self, s, number)
        try:
            self.greet(c)
            while True:
                line = c.line()
                verb = line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")
                with self.lock:
                    self.lines.append((number, line.decode("latin-1")))
                step = getattr(self, "on_" + verb.lower(), None)
                if step is None:
                    c.say("500 5.5.1 what?")
                else:
                    step(c, line)
        except (Hangup, OSError, ssl.SSLError):
            pass
        finally:
            c.close()

    # -- the steps of a good server

    def greet(self, c):
        c.say(f"220 {self.name} ESMTP")

    def on_ehlo(self, c, line):
        c.reset()
        more = list(self.extensions) + (["STARTTLS"] if self.tls and not c.has_tls else [])
        lines = [self.name] + more
        c.say(*[f"250{' ' if i == len(lines) - 1 else '-'}{t}" for i, t in enumerate(lines)])

    def on_helo(self, c, line):
        c.reset()
        c.say("250 " + self.name)

    def on_starttls(self, c, line):
        c.say("220 2.0.0 go")
        c.start_tls(self.tls)

    def on_mail(self, c, line):
        c.sender = line
        c.say("250 2.1.0 ok")

    def on_rcpt(self, c, line):
        reply = self.judge(c, line[8:].strip(b" <>").decode())
        if reply.startswith("2"):
            c.rcpts.append(line[8:].strip(b" <>").decode())
        c.say(reply)

    def judge(self, c, rcpt):
        return "250 2.1.5 ok"

    def on_data(self, c, line):
        if not c.rcpts:
            c.say("554 5.5.1 no valid recipients")
            return
        c.say("354 go")
        self.body(c)

    def body(self, c):
        data = c.until_dot()
        self.finish(c, data)

    def take(self, c, data):
        with self.lock:
            self.mails.append((c.sender, list(c.rcpts), data))

    def finish(self, c, data):
        self.take(c, data)
        c.say("250 2.0.0 taken")
        c.reset()

    def on_rset(self, c, line):
        c.reset()
        c.say("250 2.0.0 reset")

    def on_noop(self, c, line):
        c.say("250 2.0.0 ok")

    def on_quit(self, c, line):
        c.say("221 2.0.0 bye")
        raise Hangup

    # -- what the tests ask

    def copies(self, subject):
        with self.lock:
            return [m for m in self.mails if subject.encode() in m[2]]

    def count_of(self, verb):
        with self.lock:
            return sum(1 for _, line in self.lines if line.upper().startswith(verb))


class Session:
    def __init__(self, receiver, s, number):
        self.receiver, self.s, self.number = receiver, s, number
        self.buffer, self.has_tls = b"", False
        s.settimeout(60)
        self.reset()

    def reset(self):
        self.sender, self.rcpts = None, []

    def close(self):
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.s.close()

    def more(self):
        part = self.s.recv(65536)
        if not part:
            raise Hangup
        self.buffer += part

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def until_dot(self):
        data = b"\r\n"
        self.buffer, data = b"", data + self.buffer
        while b"\r\n.\r\n" not in data:
            self.more()
            data, self.buffer = data + self.buffer, b""
        data, self.buffer = data.split(b"\r\n.\r\n", 1)
        return (data[2:] + b"\r\n").replace(b"\r\n..", b"\r\n.")

    def raw(self, data):
        self.s.sendall(data)

    def say(self, *lines):
        self.raw("".join(line + "\r\n" for line in lines).encode("latin-1"))

    def start_tls(self, context):
        self.buffer = b""
        self.s = context.wrap_socket(self.s, server_side=True)
        self.has_tls = True
        self.reset()

    def hang_up(self):
        raise Hangup

    def reset_connection(self):
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.s.close()
        raise Hangup

    def silence(self):
        while self.receiver.is_open:
            self.s.settimeout(60)
            if not self.s.recv(65536):
                raise Hangup
            time.sleep(0.05)
        raise Hangup
