# SPDX-License-Identifier: ISC
"""Whose mail goes when there is much: tenants, senders, hosts that many domains share."""
import os
import shutil
import smtplib
import tempfile
import threading
import time

import pytest

from receivers import Receiver
from world import Dns, Ulak, wait_for


class Counts(Receiver):
    """Takes mail while its gate is open, one after the other on each connection."""

    def __init__(self, *args):
        self.order, self.now, self.most = [], 0, 0
        self.hold = 0.0
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(*args)

    def take(self, c, data):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(60)
        time.sleep(self.hold)
        with self.lock:
            self.now -= 1
            self.order += list(c.rcpts)
        return super().take(c, data)


SERVERS = {"crowded": "192.0.2.121"}


class Scene:
    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.dns = Dns(os.path.join(directory, "dns"))
        records = ["box.example. IN MX 10 mx.box.example.", "mx.box.example. IN A 192.0.2.120"]
        for name, address in SERVERS.items():
            records += [f"{name}.example. IN MX 10 mx.{name}.example.", f"mx.{name}.example. IN A {address}"]
        self.dns.zone(".", [])
        self.dns.zone("example.", records)
        self.dns.start()
        self.servers = {n: Counts(a, n) for n, a in SERVERS.items()}
        self.box = Ulak(os.path.join(directory, "box"), "box.example", "192.0.2.120", self.dns, extra={
            "outbound": ['retry_first = "300s"', 'retry_max = "400s"'], "smtp": ["max_per_client = 10000"],
            "relay": ['networks = ["127.0.0.0/8", "192.0.2.0/24"]', "own_senders = false"]})
        self.box.init()
        self.box.start()

    def relay(self, sender, *mails):
        """Each of the mails is a list of recipients. The ids of their 250."""
        ids = []
        with smtplib.SMTP(self.box.address, 25, timeout=60) as s:
            s.ehlo("client.box.example")
            for rcpts in mails:
                s.mail(sender)
                for r in rcpts:
                    code, words = s.rcpt(r)
                    assert code == 250, words
                code, words = s.data(f"From: {sender}\r\nSubject: many\r\n\r\nhello\r\n".encode())
                assert code == 250, words
                ids.append(words.decode().split()[1])
        return ids

    def stop(self):
        self.box.stop()
        for r in self.servers.values():
            r.close()
        self.dns.stop()


@pytest.fixture(scope="module")
def scene():
    directory = tempfile.mkdtemp(prefix="ulak-fair.")
    s = Scene(directory)
    yield s
    s.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_one_mail_does_not_wait_for_fifteen_hundred(scene):
    """The crowd came first and fills the window; another tenant and another sender of its own come last."""
    box, server = scene.box, scene.servers["crowded"]
    server.gate.clear()
    server.hold = 0.01
    box.cli("destination", "set", "crowded.example", "concurrency=1", "recipients=1")
    scene.relay("news@crowd.example", *[[f"c{i}-{j}@crowded.example" for j in range(100)] for i in range(15)])
    wait_for(lambda: server.now == 1, what="the first of the crowd")
    scene.relay("jo@small.example", ["jo-has-one@crowded.example"])
    scene.relay("al@crowd.example", ["al-has-one@crowded.example"])
    server.gate.set()
    wait_for(lambda: {"jo-has-one@crowded.example", "al-has-one@crowded.example"} <= set(server.order), 60, "both")
    assert server.order.index("jo-has-one@crowded.example") < 500, "it waited for the crowd"
    assert server.order.index("al-has-one@crowded.example") < 500, "it waited for the crowd"
    box.cli("queue", "delete", "--yes", "--route", "crowded.example")
