-- SPDX-License-Identifier: ISC
-- What version 3 adds: sending. One section for each subject.

-- --- what became of it -------------------------------------------------------

-- Whether the last words are our own about a remote host (no connection, no
-- reply in time), not that host's.
ALTER TABLE queue ADD COLUMN last_is_ours INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN last_is_ours INTEGER NOT NULL DEFAULT 0;
-- The enhanced code beside last_code (RFC 3463); class 0: none is known.
ALTER TABLE destination ADD COLUMN last_class INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN last_subject INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN last_detail INTEGER NOT NULL DEFAULT 0;

-- --- suppressed recipients ----------------------------------------------------

-- Whom the senders of a domain have sent to in vain (5yz, unknown user). n: how
-- often; 0: an admin's own row, sender_domain '*' of all senders. expires 0:
-- never.
CREATE TABLE suppressed (
	rcpt TEXT NOT NULL,              -- canonical
	sender_domain TEXT NOT NULL,     -- A-label
	n INTEGER NOT NULL,
	created INTEGER NOT NULL,
	last INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	code INTEGER NOT NULL,
	text TEXT NOT NULL,              -- the last reply, or the admin's note
	PRIMARY KEY (rcpt, sender_domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX suppressed_expires ON suppressed (expires) WHERE expires > 0;
CREATE INDEX suppressed_last ON suppressed (last);

-- --- forwarding --------------------------------------------------------------

-- An alias of this domain that leads outside does not rewrite the sender. The
-- secret of those that do is meta.srs_secret.
ALTER TABLE domain ADD COLUMN srs_is_off INTEGER NOT NULL DEFAULT 0;

-- --- MTA-STS (RFC 8461) -------------------------------------------------------

-- What domains demand of who sends to them: a copy of what the fetcher has in
-- memory. Times in microseconds; max_age in seconds, as the policy says it.
CREATE TABLE sts_policy (
	domain TEXT PRIMARY KEY,         -- A-label
	mode INTEGER NOT NULL,           -- 0 none, 1 testing, 2 enforce
	mx TEXT NOT NULL,                -- patterns, one space between
	id TEXT NOT NULL,                -- of its TXT record, when it was fetched
	fetched INTEGER NOT NULL,
	max_age INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sts_policy_expires ON sts_policy (expires);
-- --- terms of destinations ----------------------------------------------------

-- On what terms destinations are served (queue/terms.h). pattern: a domain,
-- all below one ('.two.example'), or '*'. NULL: as the next pattern says, at
-- last as the configuration does. Times in microseconds, tls as TLS_MINIMUM_*.
CREATE TABLE delivery_policy (
	pattern TEXT PRIMARY KEY,
	retry_first INTEGER,
	retry_max INTEGER,
	retry_growth INTEGER,            -- percent
	lifetime INTEGER,
	delay_warning INTEGER,           -- 0: never
	concurrency INTEGER,             -- attempts at a time
	mails INTEGER,                   -- on one connection
	recipients INTEGER,              -- in one transaction
	rate INTEGER,                    -- messages a minute; 0: no limit
	burst INTEGER,                   -- messages at once
	tls INTEGER,
	changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Few set these; a row on its way into the queue asks first whether any does.
CREATE INDEX delivery_policy_times ON delivery_policy (pattern)
	WHERE lifetime IS NOT NULL OR delay_warning IS NOT NULL;
-- Of a row whose destination says so: how long after `late` its sender hears
-- that it is late; 0: as the configuration says. Its `late` becomes -1 then.
ALTER TABLE queue ADD COLUMN warn_after INTEGER NOT NULL DEFAULT 0;
CREATE INDEX queue_warn ON queue (late + warn_after)
	WHERE state = 0 AND warned = 0 AND warn_after > 0;
-- The domain by which it is sent instead of its recipient's (an admin's
-- redirect), or empty.
ALTER TABLE queue ADD COLUMN via TEXT NOT NULL DEFAULT '';
-- --- where it goes -----------------------------------------------------------

-- What an operator says of the next hop (policy/route_table.h). Empty and 0:
-- nothing is said. kind and tls: policy/hop.h.
CREATE TABLE route (
	name TEXT PRIMARY KEY,
	tenant INTEGER NOT NULL,
	kind INTEGER NOT NULL,
	hosts TEXT NOT NULL,
	port INTEGER NOT NULL,
	tls INTEGER NOT NULL,
	is_implicit INTEGER NOT NULL,    -- TLS from the first octet
	user TEXT NOT NULL,
	secret BLOB NOT NULL,            -- its password, sealed by the keeper
	auth_clear INTEGER NOT NULL,     -- may be said without TLS
	source4 TEXT NOT NULL,
	source6 TEXT NOT NULL,
	helo TEXT NOT NULL,
	reply_code INTEGER NOT NULL,     -- of kind error
	reply TEXT NOT NULL,
	created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What it is for: "to:example.org", "to:.example.org", "to:*",
-- "from:jo@one.example", "from:one.example", "from:.one.example", "from:<>".
CREATE TABLE route_match (
	pattern TEXT PRIMARY KEY,
	route TEXT NOT NULL,
	created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX route_match_route ON route_match (route);

-- --- reports about TLS (RFC 8460) ---------------------------------------------

-- Sessions with hosts of domains that want reports, a row for each that differs
-- from the others of its day (days since 1970, UTC). kind and result as in
-- policy/tls_policy.h; lines: of the policy, LF between.
CREATE TABLE tls_count (
	day INTEGER NOT NULL,
	domain TEXT NOT NULL,
	kind INTEGER NOT NULL,
	result INTEGER NOT NULL,         -- 0: a success
	lines TEXT NOT NULL,
	mx TEXT NOT NULL,
	local TEXT NOT NULL,
	remote TEXT NOT NULL,
	info TEXT NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (day, domain, kind, result, lines, mx, local, remote, info)
) STRICT, WITHOUT ROWID;

-- The record that says where a domain wants them, and the day it was seen.
CREATE TABLE tls_wish (
	domain TEXT PRIMARY KEY,
	record TEXT NOT NULL,
	seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A report on its way to one URI. state: 0 waiting, 1 sent, 2 dropped; the
-- body (gzip) goes when it is not waiting any more, the row after 30 days.
CREATE TABLE tls_report (
	report INTEGER PRIMARY KEY,
	day INTEGER NOT NULL,
	domain TEXT NOT NULL,
	uri TEXT NOT NULL,
	id TEXT NOT NULL,
	body BLOB NOT NULL,
	state INTEGER NOT NULL DEFAULT 0,
	tries INTEGER NOT NULL DEFAULT 0,
	due INTEGER NOT NULL,
	created INTEGER NOT NULL,
	why TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX tls_report_due ON tls_report (state, due);

-- --- whose turn it is ---------------------------------------------------------

-- Hashes of its sender's domain (the upper 31 bits) and of its sender
-- (queue/fair.h); 0 for the null sender, and for rows of version 2.
ALTER TABLE queue ADD COLUMN flow INTEGER NOT NULL DEFAULT 0;
-- Both indexes hold all that a window asks for: of a long queue only they
-- are read.
CREATE INDEX queue_flow ON queue (route, lane, priority, flow, due, row, state, hold)
	WHERE state = 0 AND hold = 0;
DROP INDEX queue_due;
CREATE INDEX queue_due ON queue (route, lane, priority, due, row, flow, state, hold)
	WHERE state = 0 AND hold = 0;

-- --- throttles (queue/throttle.h) ---------------------------------------------

-- kind: THROTTLE_*; name in lower case. next: what has left is paid for until
-- then. Times in microseconds.
CREATE TABLE throttle (
	kind INTEGER NOT NULL,
	name TEXT NOT NULL,
	mails INTEGER NOT NULL,
	period INTEGER NOT NULL,
	burst INTEGER NOT NULL,
	next INTEGER NOT NULL,
	changed INTEGER NOT NULL,
	PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- --- source addresses that are warming up (queue/warmup.h) ---------------------

-- first, until, growth (percent) and day: as an admin said; the others: how far
-- it is. Times in microseconds.
CREATE TABLE warmup (
	address TEXT PRIMARY KEY,
	first INTEGER NOT NULL,
	until INTEGER NOT NULL,
	growth INTEGER NOT NULL,
	day INTEGER NOT NULL,
	began INTEGER NOT NULL,
	ceiling INTEGER NOT NULL,
	sent INTEGER NOT NULL,
	bad INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
