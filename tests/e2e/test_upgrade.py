# SPDX-License-Identifier: ISC
"""A store of version 1 under a real server, its walls up: it becomes version 2 at the first start, with the mail that was in it."""
import glob
import os
import shutil
import smtplib
import sqlite3
import subprocess
import tempfile

import pytest

from world import ULAK, Ulak

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def send(u, subject):
    with smtplib.SMTP(u.address, 25, local_hostname="client.example") as s:
        s.sendmail("x@far.example", ["user@" + u.domain], f"Subject: {subject}\r\n\r\nhi\r\n")


def count(path, query):
    with sqlite3.connect(path) as db:
        return db.execute(query).fetchone()[0]


def downgrade(data):
    """The rows of version 1 in a database that schema/001.sql made."""
    new, old = os.path.join(data, "ulak.db"), os.path.join(data, "old.db")
    owner = os.stat(new)
    db = sqlite3.connect(old)
    db.executescript(open(os.path.join(ROOT, "src/store/schema/001.sql")).read())
    db.execute("ATTACH ? AS new", (new,))
    for (table,) in db.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
        names = ", ".join(f'"{row[1]}"' for row in db.execute(f"PRAGMA main.table_info({table})"))
        db.execute(f"INSERT OR REPLACE INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
    db.execute("UPDATE main.meta SET value = '1' WHERE key = 'schema_version'")
    db.commit()
    db.execute("DETACH new")
    db.close()
    for name in glob.glob(new + "*"):
        os.unlink(name)
    os.rename(old, new)
    os.chown(new, owner.st_uid, owner.st_gid)
    os.chmod(new, owner.st_mode & 0o777)


@pytest.fixture
def server():
    directory = tempfile.mkdtemp(prefix="ulak-e2e.")
    os.chmod(directory, 0o755)
    u = Ulak(directory + "/u", "one.example", "127.0.77.1")
    u.init()
    yield u
    u.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_an_older_store_is_upgraded_at_the_start(server):
    u = server
    u.start()
    send(u, "before")
    u.stop()
    downgrade(u.data)
    before = subprocess.run([ULAK, "verify", "--offline", "-c", u.config],
                            capture_output=True, text=True)
    assert before.returncode != 0 and "older ulak" in before.stderr, before.stdout + before.stderr
    assert not os.path.exists(u.data + "/backup")
    u.start()
    send(u, "after")
    u.stop()
    assert "event=store-upgraded" in u.log(), u.log()[-2000:]
    snapshots = os.listdir(u.data + "/backup")
    assert len(snapshots) == 1 and snapshots[0].startswith("ulak-v1-"), snapshots
    path = os.path.join(u.data, "backup", snapshots[0])
    assert count(path, "SELECT value FROM meta WHERE key = 'schema_version'") == "1"
    assert count(path, "SELECT count(*) FROM email") == 1
    assert count(u.data + "/ulak.db", "SELECT value FROM meta WHERE key = 'schema_version'") == "4"
    assert count(u.data + "/ulak.db", "SELECT count(*) FROM email") == 2
