# SPDX-License-Identifier: ISC
import os
import shutil
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from world import Dns, Ulak, standard_zones  # noqa: E402

# A step of a test (its fixtures, itself, their end) that takes longer than this hangs.
LIMIT = int(os.environ.get("ULAK_TEST_LIMIT", "600"))
LOG_LINES = 30


class Hangs(Exception):
    pass


class Limit:
    """Ends what takes too long by an exception where it stands: the failure shows the place, and the tests behind it go on."""
    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, self.ring)
        signal.alarm(LIMIT)

    def ring(self, *_):
        raise Hangs(f"this takes more than {LIMIT} s")

    def __exit__(self, *_):
        signal.alarm(0)
        signal.signal(signal.SIGALRM, self.before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup():
    with Limit():
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call():
    with Limit():
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown():
    with Limit():
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logstart():
    for server in Ulak.known:
        server.seen = server.log_size()


def what_servers_said():
    """(title, text) of each, of the test that runs, in short: all that is seen of them where only the output is kept."""
    for server in Ulak.known:
        lines = server.log_since(server.seen)
        if lines:
            yield (f"log of {server.domain}, the last of {len(lines)} lines: {server.log_path}",
                   "\n".join(line[:300] for line in lines[-LOG_LINES:]))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.sections += what_servers_said()


def pytest_keyboard_interrupt(excinfo):
    """A file that took too long (tools/e2e)."""
    here = [e for e in excinfo.traceback if str(e.path).startswith(os.path.dirname(__file__))]
    print("\nInterrupted:", *(f"{e.path}:{e.lineno + 1} in {e.name}" for e in here), sep="\n")
    for title, text in what_servers_said():
        print(f"- {title}\n{text}")


class World:
    def __init__(self, directory):
        self.dir = str(directory)
        os.chmod(self.dir, 0o755)
        self.dns = Dns(os.path.join(self.dir, "dns"))
        standard_zones(self.dns, {"one.example": "192.0.2.1", "two.example": "192.0.2.2"})
        self.dns.start()
        self.one = self.server("one.example", "192.0.2.1")
        self.two = self.server("two.example", "192.0.2.2")

    def server(self, domain, address, **more):
        more.setdefault("extra", FAST)
        s = Ulak(os.path.join(self.dir, domain), domain, address, self.dns, **more)
        s.init()
        s.start()
        return s

    def stop(self):
        for s in (self.one, self.two):
            s.stop()
        self.dns.stop()


# Retries in a second instead of minutes, so that tests need not wait.
FAST = {"outbound": ['retry_first = "1s"', 'retry_max = "2s"'], "smtp": ["max_per_client = 10000"]}


@pytest.fixture(scope="session")
def world(request):
    # Not pytest's directory: the roles' users must be able to reach it.
    directory = tempfile.mkdtemp(prefix="ulak-e2e.")
    w = World(directory)
    yield w
    w.stop()
    if request.session.testsfailed:
        print(f"\nthe servers' logs are kept in {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)


class Told(Ulak):
    PORTS = {**Ulak.PORTS, "lmtp": 24}


@pytest.fixture(scope="session")
def told(world):
    """A server that listens for LMTP, relays for its network, and tells more."""
    server = Told(os.path.join(world.dir, "told"), "told.example", "192.0.2.60", world.dns, extra={
        "smtp": ['vrfy = "yes"', 'expn = "login"', 'withheld = ["lmtp:DSN", "mx:DSN"]', "max_per_client = 10000"],
        "relay": ['networks = ["192.0.2.0/24", "127.0.0.0/8"]'], "outbound": FAST["outbound"]})
    server.init()
    server.start()
    server.account("bob@told.example")
    server.cli("alias", "add", "team@told.example", "user@told.example")
    server.cli("alias", "add", "team@told.example", "bob@told.example")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def one(world):
    return world.one


@pytest.fixture(scope="session")
def two(world):
    return world.two
