-- SPDX-License-Identifier: ISC
-- The model of design 4. Times: microseconds since 1970 UTC. Ids: 16 bytes.
-- No column may be NULL; "none" is 0 or the empty text.
CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Numbers that are given once and never again.
CREATE TABLE counter (
	name TEXT PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES
	('tenant', 1), ('domain', 0), ('account', 0), ('mailbox', 0),
	('queue', 0), ('tls_key', 0);

CREATE TABLE tenant (
	tenant INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	created INTEGER NOT NULL
) STRICT;
INSERT INTO tenant (tenant, name, created) VALUES (1, 'default', 0);

CREATE TABLE domain (
	domain INTEGER PRIMARY KEY,
	tenant INTEGER NOT NULL,
	name TEXT NOT NULL,              -- as typed
	canonical TEXT NOT NULL UNIQUE,  -- lower-case A-label
	created INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
	account INTEGER PRIMARY KEY,
	tenant INTEGER NOT NULL,
	domain INTEGER NOT NULL,
	address TEXT NOT NULL,           -- as typed
	canonical TEXT NOT NULL UNIQUE,  -- policy/canon
	name TEXT NOT NULL,
	disabled INTEGER NOT NULL,
	created INTEGER NOT NULL,
	uidvalidity_next INTEGER NOT NULL,
	modseq INTEGER NOT NULL,         -- one for everything of the account
	quota_bytes INTEGER NOT NULL,    -- 0: none
	used_bytes INTEGER NOT NULL,     -- of its emails, each once
	used_messages INTEGER NOT NULL
) STRICT;
CREATE INDEX account_domain ON account (domain);

CREATE TABLE credential (
	account INTEGER NOT NULL,
	n INTEGER NOT NULL,              -- 0: the password
	kind TEXT NOT NULL,
	scope INTEGER NOT NULL,
	verifier TEXT NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (account, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE alias (
	canonical TEXT NOT NULL,         -- of the alias
	target_canonical TEXT NOT NULL,
	tenant INTEGER NOT NULL,
	domain INTEGER NOT NULL,
	address TEXT NOT NULL,           -- as typed
	target TEXT NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (canonical, target_canonical)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_target ON alias (target_canonical);
CREATE INDEX alias_domain ON alias (domain);

-- committed: the end of the last record that a row has named.
CREATE TABLE segment (
	segment INTEGER PRIMARY KEY,
	is_big INTEGER NOT NULL,         -- one record alone in its file
	committed INTEGER NOT NULL,
	live_bytes INTEGER NOT NULL,     -- of records with a row in message
	live_messages INTEGER NOT NULL
) STRICT;

CREATE INDEX segment_empty ON segment (segment) WHERE live_messages = 0;

CREATE TABLE message (
	id BLOB PRIMARY KEY,
	segment INTEGER NOT NULL,
	offset INTEGER NOT NULL,         -- of the record
	body INTEGER NOT NULL,           -- of the body
	record_len INTEGER NOT NULL,
	stored_len INTEGER NOT NULL,
	raw_len INTEGER NOT NULL,
	relay_from INTEGER NOT NULL,     -- bytes before it stay at home
	header_len INTEGER NOT NULL,
	codec INTEGER NOT NULL,
	checksum BLOB NOT NULL,
	received_at INTEGER NOT NULL,
	refs INTEGER NOT NULL,           -- emails and queue rows
	is_bad INTEGER NOT NULL,         -- its bytes failed a check
	sender TEXT NOT NULL,            -- as typed
	client TEXT NOT NULL,
	helo TEXT NOT NULL,
	protocol TEXT NOT NULL,
	envid TEXT NOT NULL,
	ret INTEGER NOT NULL,
	is_8bit INTEGER NOT NULL,
	attributes INTEGER NOT NULL,
	sent_at INTEGER NOT NULL,
	sent_zone INTEGER NOT NULL,
	base_subject TEXT NOT NULL,
	first_from TEXT NOT NULL,
	first_to TEXT NOT NULL,
	first_cc TEXT NOT NULL,
	msgid_hash INTEGER NOT NULL,
	summary BLOB NOT NULL            -- versioned; may be made anew
) STRICT, WITHOUT ROWID;
CREATE INDEX message_segment ON message (segment, offset);

-- A message in an account: what JMAP calls an Email.
CREATE TABLE email (
	account INTEGER NOT NULL,
	message BLOB NOT NULL,
	flags INTEGER NOT NULL,          -- FLAG_* without \Deleted
	keywords TEXT NOT NULL,          -- sorted, one space between
	thread INTEGER NOT NULL,         -- given once, never changed
	saved_at INTEGER NOT NULL,
	date INTEGER NOT NULL,           -- INTERNALDATE
	zone INTEGER NOT NULL,           -- its zone, minutes
	size INTEGER NOT NULL,
	modseq INTEGER NOT NULL,
	PRIMARY KEY (account, message)
) STRICT, WITHOUT ROWID;

-- Which thread a Message-ID belongs to, by its hash.
CREATE TABLE thread_ref (
	account INTEGER NOT NULL,
	hash INTEGER NOT NULL,
	thread INTEGER NOT NULL,
	PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE mailbox (
	mailbox INTEGER PRIMARY KEY,     -- never given twice
	account INTEGER NOT NULL,
	name TEXT NOT NULL,              -- UTF-8 NFC, "/" between levels
	special_use TEXT NOT NULL,
	uidvalidity INTEGER NOT NULL,
	uidnext INTEGER NOT NULL,
	seen_uid INTEGER NOT NULL,       -- lower ones were in an opened view
	visible_uid INTEGER NOT NULL,    -- 0: all; else only lower ones are
	messages INTEGER NOT NULL,
	unseen INTEGER NOT NULL,
	deleted INTEGER NOT NULL,
	size INTEGER NOT NULL,
	modseq INTEGER NOT NULL,         -- the last change in it
	floor INTEGER NOT NULL,          -- tombstones up to here are gone
	created INTEGER NOT NULL,
	UNIQUE (account, name)
) STRICT;

CREATE TABLE entry (
	mailbox INTEGER NOT NULL,
	uid INTEGER NOT NULL,
	account INTEGER NOT NULL,
	message BLOB NOT NULL,
	deleted INTEGER NOT NULL,
	modseq INTEGER NOT NULL,
	PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_email ON entry (account, message);

CREATE TABLE subscription (
	account INTEGER NOT NULL,
	name TEXT NOT NULL,
	PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

-- The last change of an entry after its arrival: one row each, moved.
CREATE TABLE change (
	account INTEGER NOT NULL,
	modseq INTEGER NOT NULL,
	mailbox INTEGER NOT NULL,
	uid INTEGER NOT NULL,
	PRIMARY KEY (account, modseq, mailbox, uid)
) STRICT, WITHOUT ROWID;

-- What left a mailbox.
CREATE TABLE tombstone (
	mailbox INTEGER NOT NULL,
	modseq INTEGER NOT NULL,
	uid INTEGER NOT NULL,
	PRIMARY KEY (mailbox, modseq, uid)
) STRICT, WITHOUT ROWID;

-- One recipient of one message on its way out.
-- state: 0 waits, 1 failed (its sender must hear of it).
CREATE TABLE queue (
	message BLOB NOT NULL,
	n INTEGER NOT NULL,
	row INTEGER NOT NULL UNIQUE,     -- its number in messages between roles
	tenant INTEGER NOT NULL,
	sender TEXT NOT NULL,
	rcpt TEXT NOT NULL,              -- as typed
	rcpt_canon TEXT NOT NULL,
	route TEXT NOT NULL,
	lane INTEGER NOT NULL,
	due INTEGER NOT NULL,
	state INTEGER NOT NULL,
	hold INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	warned INTEGER NOT NULL,
	notify INTEGER NOT NULL,
	orcpt TEXT NOT NULL,
	last_at INTEGER NOT NULL,
	last_code INTEGER NOT NULL,
	last_class INTEGER NOT NULL,
	last_subject INTEGER NOT NULL,
	last_detail INTEGER NOT NULL,
	last_text TEXT NOT NULL,
	last_remote TEXT NOT NULL,
	PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_due ON queue (route, lane, due) WHERE state = 0 AND hold = 0;
CREATE INDEX queue_expires ON queue (expires) WHERE state = 0;
CREATE INDEX queue_failed ON queue (message) WHERE state = 1;
CREATE INDEX queue_late ON queue (created) WHERE state = 0 AND warned = 0;

-- What of a destination must outlive a restart; the rest is memory.
CREATE TABLE destination (
	route TEXT NOT NULL,
	lane INTEGER NOT NULL,
	n_rows INTEGER NOT NULL,         -- rows in queue
	failures INTEGER NOT NULL,       -- of its hosts, in a row
	retry_at INTEGER NOT NULL,
	last_at INTEGER NOT NULL,
	last_code INTEGER NOT NULL,
	last_text TEXT NOT NULL,
	last_remote TEXT NOT NULL,
	PRIMARY KEY (route, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE tls_key (
	tls_key INTEGER PRIMARY KEY,
	names TEXT NOT NULL,
	sealed BLOB NOT NULL,
	chain BLOB NOT NULL,
	is_default INTEGER NOT NULL,
	created INTEGER NOT NULL
) STRICT;
