-- SPDX-License-Identifier: ISC
-- What version 2 adds to 001.sql: one section for each subject. A column that
-- is added has a default that says for the old rows what was true of them.

-- What SMTP's extensions ask for a message: RFC 3030, 6531, 8689, 4865, 2852,
-- 6710. Times as everywhere; 0: not said.
ALTER TABLE message ADD COLUMN is_binary INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN is_smtputf8 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN requires_tls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN hold_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN deliver_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN by_mode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN by_trace INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;

-- And for a row of the queue. States beside 0 and 1: 2 relayed, 3 delivered,
-- 4 expanded (their sender wants to hear of it), 5 held for a mailbox here.
-- late: since when it has been waiting (its release, not its arrival); 0: its
-- sender must hear now that it is late. by_at: deliver_by, until that is over.
ALTER TABLE queue ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN by_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN by_mode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN rrvs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN rrvs_continue INTEGER NOT NULL DEFAULT 0;
UPDATE queue SET late = created;
DROP INDEX queue_due;
CREATE INDEX queue_due ON queue (route, lane, priority, due) WHERE state = 0 AND hold = 0;
DROP INDEX queue_late;
CREATE INDEX queue_late ON queue (late) WHERE state = 0 AND warned = 0;
CREATE INDEX queue_by ON queue (by_at) WHERE state = 0 AND by_at > 0;
CREATE INDEX queue_success ON queue (message) WHERE state IN (2, 3, 4);
CREATE INDEX queue_local ON queue (due) WHERE state = 5 AND hold = 0;

-- Logins: an account's own password is n = 0, those of applications follow.
-- kind 'password' or 'app'; scope is SASL_FOR_*; verifier is a set of them
-- (sasl/keys.h).
ALTER TABLE credential ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN expires INTEGER NOT NULL DEFAULT 0; -- 0: never
ALTER TABLE credential ADD COLUMN used INTEGER NOT NULL DEFAULT 0; -- last login, about

-- Certificates of clients, by the SHA-256 of their DER (lower-case hex).
CREATE TABLE client_certificate (
	fingerprint TEXT PRIMARY KEY,
	account INTEGER NOT NULL REFERENCES account,
	name TEXT NOT NULL,
	created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX client_certificate_account ON client_certificate (account);

-- --- who is it for -----------------------------------------------------------

-- kind: 0 local, 1 relay (passed on to its own servers), 2 alias (stands for
-- another). target: of a relay domain its route (empty: its MX), of an alias
-- domain the other's canonical name.
ALTER TABLE domain ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domain ADD COLUMN target TEXT NOT NULL DEFAULT '';
ALTER TABLE domain ADD COLUMN separators TEXT NOT NULL DEFAULT '+';
ALTER TABLE domain ADD COLUMN keeps_case INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domain ADD COLUMN catch_all TEXT NOT NULL DEFAULT '';
ALTER TABLE domain ADD COLUMN catch_all_canonical TEXT NOT NULL DEFAULT '';
ALTER TABLE domain ADD COLUMN quota_bytes INTEGER NOT NULL DEFAULT 0; -- of new accounts
-- 0: as the configuration says, 1: on, 2: off
ALTER TABLE domain ADD COLUMN greylist INTEGER NOT NULL DEFAULT 0;

INSERT INTO counter (name, value) VALUES ('list', 0), ('expansion', 0)
	ON CONFLICT DO NOTHING;

-- A group of addresses; post: 0 anyone, 1 members, 2 accounts of its domain,
-- 3 its owner may send to it.
CREATE TABLE list (
	list INTEGER PRIMARY KEY,
	tenant INTEGER NOT NULL,
	domain INTEGER NOT NULL,
	address TEXT NOT NULL,           -- as typed
	canonical TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	owner TEXT NOT NULL,             -- hears of failures; empty: the sender
	owner_canonical TEXT NOT NULL,
	post INTEGER NOT NULL,
	members INTEGER NOT NULL,
	created INTEGER NOT NULL
) STRICT;
CREATE INDEX list_domain ON list (domain);

CREATE TABLE member (
	list INTEGER NOT NULL,
	canonical TEXT NOT NULL,
	address TEXT NOT NULL,           -- as typed
	created INTEGER NOT NULL,
	PRIMARY KEY (list, canonical)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_canonical ON member (canonical);

-- Who is known in a relay domain; "@domain": everybody.
CREATE TABLE relay_rcpt (
	canonical TEXT PRIMARY KEY,
	domain INTEGER NOT NULL,
	address TEXT NOT NULL,
	created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX relay_rcpt_domain ON relay_rcpt (domain);

-- Addresses that an account may send as beside its own; "@domain": all there.
CREATE TABLE send_as (
	account INTEGER NOT NULL,
	canonical TEXT NOT NULL,
	address TEXT NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (account, canonical)
) STRICT, WITHOUT ROWID;

-- kind: 0 an account, 1 a domain. -1: what the configuration says; 0: no limit.
CREATE TABLE sending_limit (
	kind INTEGER NOT NULL,
	who INTEGER NOT NULL,
	messages_hour INTEGER NOT NULL,
	messages_day INTEGER NOT NULL,
	rcpts_hour INTEGER NOT NULL,
	rcpts_day INTEGER NOT NULL,
	PRIMARY KEY (kind, who)
) STRICT, WITHOUT ROWID;

-- What was sent in each ten minutes (slot: since 1970) of the last day.
CREATE TABLE sending (
	kind INTEGER NOT NULL,
	who INTEGER NOT NULL,
	slot INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	rcpts INTEGER NOT NULL,
	PRIMARY KEY (kind, who, slot)
) STRICT, WITHOUT ROWID;

-- A message whose large lists are being worked off: one reference to it.
-- next_n: of its next queue row. hold: why its rows are held, or empty.
CREATE TABLE expansion (
	expansion INTEGER PRIMARY KEY,
	message BLOB NOT NULL UNIQUE,
	sender TEXT NOT NULL,
	next_n INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	created INTEGER NOT NULL,
	hold TEXT NOT NULL
) STRICT;

-- Its lists, each once: how far it got (after), and whether it is at the end.
CREATE TABLE expand (
	expansion INTEGER NOT NULL,
	canonical TEXT NOT NULL,         -- of the alias or list
	sender TEXT NOT NULL,            -- the envelope sender for its members
	after TEXT NOT NULL,             -- canonical of the last member
	is_done INTEGER NOT NULL,
	PRIMARY KEY (expansion, canonical)
) STRICT, WITHOUT ROWID;

-- Whom it has reached: so nobody is reached twice.
CREATE TABLE expanded (
	expansion INTEGER NOT NULL,
	canonical TEXT NOT NULL,
	PRIMARY KEY (expansion, canonical)
) STRICT, WITHOUT ROWID;

-- --- from whom ---------------------------------------------------------------

-- Who has been here before (policy/greylist.h): a copy of what the store has in
-- memory, written behind. rcpt empty: the client's own row, which counts how
-- many of its rows have passed. expires: when the row is of no more use.
CREATE TABLE greylist (
	client TEXT NOT NULL,            -- an organisation or a network
	sender TEXT NOT NULL,            -- an organisation; empty: a bounce
	rcpt TEXT NOT NULL,
	first INTEGER NOT NULL,
	last INTEGER NOT NULL,
	passes INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (client, sender, rcpt)
) STRICT, WITHOUT ROWID;
CREATE INDEX greylist_expires ON greylist (expires);

-- Who never waits: a network, or the domain of a client's confirmed name.
CREATE TABLE greylist_allowed (
	client TEXT PRIMARY KEY,
	note TEXT NOT NULL,
	created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
