# SPDX-License-Identifier: ISC
"""A name server that lies, is silent, or cannot be understood: each zone in its own way.

It listens at port 53 of an address of its own, over UDP and TCP. A zone is a
function of a Question that returns the octets of the answer, or None for none.
The zones above delegate to it without DS records, so nobody expects signatures.
"""
import random
import socket
import struct
import threading

from world import add_address

A, NS, CNAME, SOA, MX, AAAA = 1, 2, 5, 6, 15, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
QR, AA, TC = 0x8000, 0x0400, 0x0200


def wire(name):
    """Labels: a text at its dots, or a list of octets that may hold anything."""
    labels = [p.encode() for p in name.strip(".").split(".") if p] if isinstance(name, str) else name
    return b"".join(bytes([len(p)]) + p for p in labels) + b"\0"


class Question:
    def __init__(self, packet, is_tcp):
        self.id, self.is_tcp = packet[:2], is_tcp
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]])
            at += 1 + packet[at]
        self.name = ".".join(p.decode("latin-1").lower() for p in labels)
        self.type = struct.unpack(">H", packet[at + 1:at + 3])[0]
        self.octets = packet[12:at + 5]  # as it was asked, in its own case

    def reply(self, answers=(), rcode=NOERROR, more=(), authority=(), flags=AA, question=None):
        """Records: (name, type, data), of five seconds, or of as many as stand behind them."""
        def record(name, kind, data, ttl=5):
            return wire(name) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
        head = self.id + struct.pack(">HHHHH", QR | flags | rcode, 1, len(answers), len(authority), len(more))
        return head + (question or self.octets) + b"".join(record(*r) for r in (*answers, *authority, *more))

    def nothing(self, zone, rcode=NOERROR):
        soa = wire("ns." + zone) + wire("root." + zone) + struct.pack(">IIIII", 1, 60, 60, 600, 1)
        return self.reply(rcode=rcode, authority=[(zone, SOA, soa, 1)])


def address(text):
    return socket.inet_aton(text)


def mx(preference, host):
    return struct.pack(">H", preference) + wire(host)


def good(zone, at, ttl=5):
    """One mail host, mx.ZONE, at the address that at() gives."""
    def answer(q):
        if q.type == MX and q.name == zone:
            return q.reply([(zone, MX, mx(10, "mx." + zone), ttl)])
        if q.type == A and q.name == "mx." + zone:
            return q.reply([(q.name, A, address(at()), ttl)])
        return q.nothing(zone)
    return answer


class HostileDns:
    def __init__(self, at):
        self.address, self.zones, self.asked, self.is_open = at, {}, [], True
        add_address(at)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((at, 53))
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((at, 53))
        self.tcp.listen(64)
        for work in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=work, daemon=True).start()

    def records(self):
        """What the zone above says of them."""
        return [f"ns.hostile.example. IN A {self.address}", *[f"{z}. IN NS ns.hostile.example." for z in self.zones]]

    def answer(self, packet, is_tcp):
        try:
            q = Question(packet, is_tcp)
        except (IndexError, struct.error):
            return None
        self.asked.append((q.name, q.type))
        zone = next((z for z in self.zones if q.name == z or q.name.endswith("." + z)), None)
        return q.reply(rcode=REFUSED) if zone is None else self.zones[zone](q)

    def serve_udp(self):
        while self.is_open:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            found = self.answer(packet, False)
            if found is not None:
                self.udp.sendto(found[:65000], peer)

    def serve_tcp(self):
        while self.is_open:
            try:
                s, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_one, args=(s,), daemon=True).start()

    def serve_one(self, s):
        s.settimeout(10)
        try:
            while True:
                head = s.recv(2, socket.MSG_WAITALL)
                if len(head) < 2:
                    return
                found = self.answer(s.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL), True)
                if found is None:
                    return
                s.sendall(struct.pack(">H", len(found)) + found)
        except OSError:
            pass
        finally:
            s.close()

    def count(self, zone):
        return sum(1 for name, _ in self.asked if name == zone or name.endswith("." + zone))

    def close(self):
        self.is_open = False
        for s in (self.udp, self.tcp):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()


# -- zones that nobody can use

def silent(q):
    return None


def garbage(q):
    return q.id + random.randbytes(200)


def short(q):
    return q.id + b"\x84"


def refused(q):
    return q.reply(rcode=REFUSED)


def servfail(q):
    return q.reply(rcode=SERVFAIL)


def cut_and_no_tcp(q):
    return None if q.is_tcp else q.reply(flags=AA | TC)


def points_to_itself(q):
    """A compressed name that leads back to where it begins."""
    packet = q.reply()
    return packet[:6] + struct.pack(">HHH", 1, 0, 0) + q.octets + struct.pack(">H", 0xc000 | len(packet)) + \
        struct.pack(">HHIH", MX, 1, 5, 4) + b"\0\x0a" + struct.pack(">H", 0xc000 | len(packet))


def wrong_id(q):
    return bytes([q.id[0] ^ 0xff, q.id[1]]) + good("wrong-id.example", lambda: "203.0.113.1")(q)[2:]


def other_question(q):
    return q.reply([("elsewhere.example", MX, mx(1, "mx.elsewhere.example"))], question=wire("elsewhere.example") + b"\0\x0f\0\1")


def endless_aliases(q):
    """Each name is an alias of the next one."""
    n = int(q.name.split(".")[0][1:]) if q.name.startswith("n") and q.name[1:].split(".")[0].isdigit() else 0
    return q.reply([(q.name, CNAME, wire(f"n{n + 1}.endless.example"))])


def aliases_in_a_ring(q):
    other = "b.ring.example" if not q.name.startswith("b.") else "a.ring.example"
    return q.reply([(q.name, CNAME, wire(other))])
