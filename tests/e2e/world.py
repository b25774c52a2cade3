# SPDX-License-Identifier: ISC
"""A small internet on one machine: DNS with DNSSEC, and Ulak servers.

Everything lives in a temporary directory and in the network namespace that
the tests run in (see ./test): real ports, addresses of the documentation
ranges on the loopback device, no way out. Every process is ended by its pid.
"""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("ULAK_BUILD", os.path.join(ROOT, "build"))
ULAK = os.path.join(BUILD, "ulak")
CORPUS = os.path.join(ROOT, "tests", "corpus", "mail")
DNS_ADDRESS = "192.0.2.53"
DNS_OTHER_PORT = 5300  # it answers there, too
PASSWORD = "correct horse battery"
# Real root may become the roles' system users; root of a user namespace is
# alone there.
REAL_ROOT = os.geteuid() == 0 and open("/proc/self/uid_map").read().split()[2] == "4294967295"


def corpus_files():
    found = []
    for where, _, names in os.walk(CORPUS):
        found += [os.path.join(where, n) for n in names if "LICENSE" not in n]
    return sorted(found)


# A wait ends when the thing has happened; its limit is only for what never does. On a busy machine all takes longer: so the
# limits that the tests name are for a quiet one, and what is waited for in truth is more.
PATIENCE = float(os.environ.get("ULAK_PATIENCE", "4"))


def wait_for(condition, seconds=20, what="condition"):
    """The first true value of condition(); what: a text, or a function that makes one when the wait was in vain."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what() if callable(what) else what}")
        time.sleep(0.05)


def soon(limit, act, tries=20, pause=0.5):
    """What act() returns, done within `limit` seconds at one of several tries: a busy machine is slow now and then, who
    waits for something is slow each time."""
    took = []
    for _ in range(tries):
        begun = time.monotonic()
        value = act()
        took.append(round(time.monotonic() - begun, 2))
        if took[-1] < limit:
            return value
        time.sleep(pause)
    raise AssertionError(f"never within {limit} s: {took}")


def add_address(address):
    length = ["/128", "nodad"] if ":" in address else ["/32"]
    subprocess.run(["ip", "addr", "add", address + length[0], *length[1:], "dev", "lo"], stderr=subprocess.DEVNULL)


class Dns:
    """nsd, serving its own root and the zones below it, signed."""

    def __init__(self, directory, address=DNS_ADDRESS, signed=True):
        self.dir, self.address, self.signed = directory, address, signed
        self.zones = {}
        self.unsigned, self.spoilt = set(), []  # zones without DNSSEC; texts put in place of others once all is signed
        self.process = None
        self.anchor = ""
        os.makedirs(directory, exist_ok=True)
        add_address(address)

    def zone(self, name, records):
        """name: "example."; records: lines as in a zone file."""
        self.zones[name] = records

    def _sign(self, name, path):
        def keygen(*flags):
            out = subprocess.run(["ldns-keygen", *flags, "-a", "ECDSAP256SHA256", name], cwd=self.dir,
                                 check=True, capture_output=True, text=True)
            return out.stdout.strip()
        ksk, zsk = keygen("-k"), keygen()
        subprocess.run(["ldns-signzone", "-n", path, ksk, zsk], cwd=self.dir, check=True,
                       capture_output=True)
        ds = open(os.path.join(self.dir, ksk + ".ds")).read().split("\n")[0]
        return path + ".signed", ds

    def write(self):
        """Children first, so that their DS records stand in the parents."""
        conf = ["server:", f'  ip-address: {self.address}@53', f'  ip-address: {self.address}@{DNS_OTHER_PORT}', '  username: ""', f'  zonesdir: "{self.dir}"',
                f'  database: ""', f'  pidfile: "{self.dir}/nsd.pid"', f'  xfrdfile: "{self.dir}/xfrd"',
                f'  zonelistfile: "{self.dir}/zones"', "  server-count: 1", "  rrl-ratelimit: 0",
                "  hide-version: yes", "remote-control:", "  control-enable: no"]
        ds_of = {}
        serial = int(time.time())
        for name in sorted(self.zones, key=lambda n: -n.count(".") if n != "." else 1):
            lines = [f"$ORIGIN {name}", "$TTL 5",
                     f"@ 5 IN SOA ns.example. hostmaster.example. {serial} 60 60 600 1", "@ IN NS ns.example."]
            if name in (".", "example."):
                lines.append(f"ns.example. IN A {self.address}")
            for child in self.zones:
                if child != name and self._parent(child) == name:
                    lines.append(f"{child} IN NS ns.example.")
                    if child in ds_of:
                        lines.append(ds_of[child])
            path = os.path.join(self.dir, (name.strip(".") or "root") + ".zone")
            with open(path, "w") as f:
                f.write("\n".join(lines + self.zones[name]) + "\n")
            if self.signed and name not in self.unsigned:
                path, ds_of[name] = self._sign(name, path)
            for old, new in self.spoilt:
                text = open(path).read()
                with open(path, "w") as f:
                    f.write(text.replace(old, new))
            conf += ["zone:", f'  name: "{name}"', f'  zonefile: "{path}"']
        self.anchor = ds_of.get(".", "")
        with open(os.path.join(self.dir, "nsd.conf"), "w") as f:
            f.write("\n".join(conf) + "\n")
        with open(os.path.join(self.dir, "root.hints"), "w") as f:
            f.write(f". 3600000 IN NS ns.example.\nns.example. 3600000 IN A {self.address}\n")

    def _parent(self, name):
        best = "."
        for other in self.zones:
            if other != name and other != "." and name.endswith("." + other) and len(other) > len(best):
                best = other
        return best

    def start(self):
        # Once: new keys would make the servers' trust anchor a false one.
        if not os.path.exists(os.path.join(self.dir, "nsd.conf")):
            self.write()
        nsd = shutil.which("nsd", path="/usr/sbin:/usr/bin:/sbin:/bin")
        self.process = subprocess.Popen([nsd, "-d", "-c", os.path.join(self.dir, "nsd.conf")],
                                        stderr=open(os.path.join(self.dir, "nsd.log"), "w"))

        def answers():
            assert self.process.poll() is None, open(os.path.join(self.dir, "nsd.log")).read()
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.settimeout(0.3)
            try:
                s.sendto(b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01", (self.address, 53))
                return len(s.recv(512)) > 12
            except OSError:
                return False
            finally:
                s.close()
        wait_for(answers, what="nsd")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


class Ulak:
    """One server with its own data directory and address."""
    known = []  # all that were made, for the report of a test that fails

    def __init__(self, directory, domain, address, dns=None, extra="", sandbox=True):
        Ulak.known.append(self)
        self.dir, self.domain, self.address, self.dns = directory, domain, address, dns
        self.host = "mx." + domain
        self.extra, self.sandbox = extra, sandbox
        self.config = os.path.join(directory, "ulak.toml")
        self.data = os.path.join(directory, "data")
        self.log_path = os.path.join(directory, "log")
        self.process = None
        os.makedirs(directory, exist_ok=True)
        add_address(address)

    PORTS = {"mx": 25, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995}

    def toml(self):
        lines = ["[server]", f'hostname = "{self.host}"', f'data = "{self.data}"',
                 f'control = "{self.dir}/control"', f"drop_users = {str(REAL_ROOT).lower()}",
                 f"sandbox = {str(self.sandbox).lower()}", ""]
        for service, port in self.PORTS.items():
            lines += ["[[listener]]", f'service = "{service}"', f'address = "{self.address}"', f"port = {port}", ""]
        sections = {"outbound": ["permit_loopback = true"], "resolver": ["permit_loopback = true"]}
        if self.dns is not None:
            sections["resolver"].append(f'root_hints = "{self.dns.dir}/root.hints"')
            if self.dns.anchor:
                sections["resolver"].append(f'trust_anchor = "{self.dns.anchor.replace(chr(9), " ")}"')
        for name, more in (self.extra or {}).items():
            sections.setdefault(name, []).extend(more)
        for name, entries in sections.items():
            lines += [f"[{name}]"] + entries + [""]
        return "\n".join(lines)

    def init(self, account=None):
        account = account or "user@" + self.domain
        password_file = os.path.join(self.dir, "password")
        with open(password_file, "w") as f:
            f.write(PASSWORD + "\n")
        out = subprocess.run([ULAK, "init", "--data", self.data, "--config", self.config, "--hostname", self.host,
                              "--domain", self.domain, "--account", account, "--password-file", password_file,
                              *([] if REAL_ROOT else ["--no-users"])],
                             capture_output=True, text=True)
        assert out.returncode == 0, out.stdout + out.stderr
        with open(self.config, "w") as f:
            f.write(self.toml())

    def start(self, wait=True):
        self.log_file = open(self.log_path, "ab")
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:quarantine_size_mb=4", UBSAN_OPTIONS="print_stacktrace=1")
        self.process = subprocess.Popen([ULAK, "serve", "-c", self.config], stderr=self.log_file,
                                        stdout=self.log_file, env=env, start_new_session=True)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=30):
        def ready():
            assert self.process.poll() is None, "server ended: " + self.log()[-3000:]
            try:
                for service in ("mx", "imap"):
                    socket.create_connection((self.address, self.PORTS[service]), 10).close()
            except OSError:
                return False
            return "event=ready" in self.log()[self.log_start:]
        wait_for(ready, seconds, f"{self.domain} to be ready; log: {self.log_path}")

    log_start = 0

    def log(self):
        return open(self.log_path, errors="replace").read()

    seen = 0  # where its log ended when the test began

    def log_size(self):
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def log_since(self, offset):
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path, "rb") as f:
            f.seek(offset)
            return f.read().decode(errors="replace").splitlines()

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return None
        self.process.send_signal(how)
        try:
            status = self.process.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        self.process = None
        self.log_start = len(self.log())
        self.log_file.close()
        return status

    def roles(self):
        """pid by role name, of the children of the supervisor."""
        found = {}
        out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        for line in out.stdout.splitlines():
            m = re.match(r"\s*(\d+)\s+.*\brole (\w+)", line)
            if m:
                found.setdefault(m[2], []).append(int(m[1]))
        return found

    def kill_role(self, role, index=0):
        pids = self.roles().get(role)
        if pids:
            os.kill(pids[index % len(pids)], signal.SIGKILL)
        return bool(pids)

    def cli(self, *args, check=True, stdin=None):
        env = dict(os.environ, ULAK_CONFIG=self.config, ASAN_OPTIONS="detect_leaks=0")
        out = subprocess.run([ULAK, *args], capture_output=True, text=True, env=env, input=stdin,
                             timeout=60 * PATIENCE)
        if check:
            assert out.returncode == 0, f"{args}: {out.returncode}\n{out.stdout}{out.stderr}"
        return out

    def cli_json(self, *args):
        return json.loads(self.cli(*args, "--json").stdout)

    def account(self, address, password=PASSWORD):
        path = os.path.join(self.dir, "new-password")
        with open(path, "w") as f:
            f.write(password + "\n")
        self.cli("account", "add", address, "--password-file", path)


def tls_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def standard_zones(dns, hosts):
    """hosts: {"one.example": "192.0.2.1", …}: MX, A and SPF for each."""
    dns.zone(".", [])
    records = []
    for domain, address in hosts.items():
        records += [f"{domain}. IN MX 10 mx.{domain}.", f"mx.{domain}. IN A {address}"]
    dns.zone("example.", records)
