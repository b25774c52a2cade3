# SPDX-License-Identifier: ISC
"""Configuration errors, exit codes, and the commands as a user types them."""
import json
import os
import socket
import sqlite3
import subprocess

import pytest

from mua import compose, submit
from world import PASSWORD, PATIENCE, ULAK, Ulak


def ulak(*args, **more):
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    return subprocess.run([ULAK, *args], capture_output=True, text=True, timeout=30 * PATIENCE, env=env, **more)


def lines(text):
    return [x for x in text.splitlines() if x.strip()]


@pytest.mark.parametrize("args", [["--help"], ["serve", "--help"], ["init", "--help"], ["account", "--help"], ["send", "--help"],
                                  ["queue", "--help"], ["trace", "--help"], ["status", "--help"], ["config", "--help"],
                                  ["verify", "--help"], ["domain", "--help"], ["alias", "--help"], ["group", "--help"], ["address", "--help"]])
def test_help(args):
    out = ulak(*args)
    assert out.returncode == 0 and "ulak" in out.stdout and out.stderr == ""


@pytest.mark.parametrize("args", [[], ["nonsense"], ["account"], ["account", "nonsense"], ["serve", "--nonsense"], ["trace"]])
def test_wrong_arguments_are_2(args):
    out = ulak(*args)
    assert out.returncode == 2
    assert len(lines(out.stderr)) >= 1 and out.stdout == ""


def test_no_data_directory_says_init(tmp_path):
    conf = tmp_path / "ulak.toml"
    conf.write_text(f'[server]\nhostname = "mx.one.example"\ndata = "{tmp_path}/none"\ncontrol = "{tmp_path}/control"\n'
                    'drop_users = false\n[[listener]]\nservice = "mx"\naddress = "127.0.0.1"\nport = 20999\n')
    out = ulak("serve", "-c", str(conf))
    assert out.returncode != 0 and "ulak init" in out.stderr


@pytest.mark.parametrize("text,wanted", [
    ('[server]\nhostnam = "x.example"\n', ["ulak.toml:2:", "hostnam", "hostname"]),
    ('[server]\nhostname = \n', ["ulak.toml:2:"]),
    ('[smtp]\nmax_size = "ten"\n', ["ulak.toml:2:", "max_size"]),
    ('[[listener]]\nservice = "mx"\naddress = "127.0.0.1"\nport = 99999\n', ["ulak.toml:4:", "port"]),
    ('[server\n', ["ulak.toml:1:"]),
])
def test_config_errors_name_the_place(tmp_path, text, wanted):
    conf = tmp_path / "ulak.toml"
    conf.write_text(text)
    out = ulak("serve", "-c", str(conf))
    assert out.returncode != 0
    for w in wanted:
        assert w in out.stderr, out.stderr


def test_port_in_use_is_named(world):
    s = Ulak(os.path.join(world.dir, os.urandom(4).hex()), "four.example", "192.0.2.4", world.dns)
    s.init()
    taken = socket.socket()
    taken.bind((s.address, 143))
    taken.listen()
    s.start(wait=False)
    assert s.process.wait(20 * PATIENCE) != 0
    s.process = None
    assert "143" in s.log() and "192.0.2.4" in s.log()
    taken.close()


def test_init_refuses_to_overwrite(world):
    one = world.one
    out = ulak("init", "--data", one.data, "--config", one.dir + "/again.toml", "--hostname", "mx.one.example",
               "--domain", "one.example", "--account", "a@one.example", "--password-file", one.dir + "/password")
    assert out.returncode == 1 and one.data in out.stderr


def test_newer_store_is_refused_by_name_and_untouched(world):
    s = Ulak(os.path.join(world.dir, os.urandom(4).hex()), "five.example", "192.0.2.5", world.dns)
    s.init()
    path = os.path.join(s.data, "ulak.db")
    db = sqlite3.connect(path)
    tables = [r[0] for r in db.execute("select name from sqlite_master where type='table'")]
    assert "meta" in tables
    columns = [r[1] for r in db.execute("pragma table_info(meta)")]
    if "schema_version" in columns:
        db.execute("update meta set schema_version = 9999")
    else:
        db.execute(f"update meta set {columns[1]} = 9999 where {columns[0]} = 'schema_version'")
    db.commit()
    db.execute("pragma wal_checkpoint(truncate)")
    db.close()
    before = open(path, "rb").read()
    s.start(wait=False)
    assert s.process.wait(20 * PATIENCE) != 0
    s.process = None
    assert "newer" in s.log()
    assert open(path, "rb").read() == before


def test_commands_with_tables_and_json(one):
    one.cli("domain", "add", "side.example")
    assert any("side.example" in json.dumps(r) for r in one.cli_json("domain", "list"))
    one.account("jo@side.example")
    assert "jo@side.example" in one.cli("account", "list").stdout
    assert any("jo@side.example" in json.dumps(r) for r in one.cli_json("account", "list"))
    one.cli("alias", "add", "info@side.example", "jo@side.example")
    assert "info@side.example" in one.cli("alias", "list").stdout
    assert one.cli("account", "add", "jo@side.example", "--password-file", one.dir + "/password", check=False).returncode == 1
    assert one.cli("account", "add", "not an address", "--password-file", one.dir + "/password", check=False).returncode in (1, 2)
    one.cli("alias", "remove", "info@side.example")
    assert "info@side.example" not in one.cli("alias", "list").stdout
    assert isinstance(one.cli_json("queue", "list"), list)
    one.cli("status")
    one.cli_json("status")
    assert "hostname" in one.cli("config", "show").stdout
    one.cli("verify")


def test_refused_by_the_server_is_1(one):
    out = one.cli("send", "--server", one.address, "--port", "587", "--user", "user@one.example",
                  "--password-file", "/dev/null", "-f", "user@one.example", "user@two.example", check=False, stdin="hi\n")
    assert out.returncode == 1 and len(lines(out.stderr)) >= 1


def test_send_shows_the_dialogue_without_the_password(one):
    out = one.cli("send", "-v", "--server", one.address, "--port", "587", "--user", "user@one.example",
                  "--password-file", one.dir + "/password", "-f", "user@one.example", "user@one.example", stdin="Subject: hi\n\nhi\n")
    text = out.stdout + out.stderr
    assert "EHLO" in text and "RCPT TO:<user@one.example>" in text
    import base64
    assert PASSWORD not in text and base64.b64encode(f"\0user@one.example\0{PASSWORD}".encode()).decode() not in text


def test_queue_by_hand(world, one):
    world.two.stop()
    try:
        subject, message = compose("user@one.example", "user@two.example")
        text = submit(one, "user@one.example", ["user@two.example"], message)
        row = [r for r in one.cli_json("queue", "list") if text.split()[1] in json.dumps(r)]
        assert row, "the mail is in the queue"
        one.cli("queue", "hold", text.split()[1])
        one.cli("queue", "release", text.split()[1])
        one.cli("queue", "delete", text.split()[1])
        assert not [r for r in one.cli_json("queue", "list") if text.split()[1] in json.dumps(r)]
    finally:
        world.two.start()
