-- SPDX-License-Identifier: ISC
-- Version 4: what the whole of IMAP and POP3 needs. One section a subject.
-- Times: microseconds since 1970 UTC. No column may be NULL.

-- --- what was expunged (store/undelete) --------------------------------------
-- An email whose last entry has gone, until its time is over. It holds a
-- reference to its message, and is not counted in the account's quota.
CREATE TABLE expunged (
	account INTEGER NOT NULL,
	message BLOB NOT NULL,
	mailbox TEXT NOT NULL,           -- the name, where it was last
	flags INTEGER NOT NULL,          -- these and the next as in email
	keywords TEXT NOT NULL,
	thread INTEGER NOT NULL,
	date INTEGER NOT NULL,
	zone INTEGER NOT NULL,
	size INTEGER NOT NULL,
	expunged_at INTEGER NOT NULL,
	PRIMARY KEY (account, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX expunged_age ON expunged (expunged_at);

-- SAVEDATE (RFC 8514): when the entry came into its mailbox, by COPY or MOVE;
-- 0: with its email (email.saved_at).
ALTER TABLE entry ADD COLUMN saved_at INTEGER NOT NULL DEFAULT 0;

-- --- what was imported (store/import) -----------------------------------------
-- So that the same import can be run again: what it has brought already, and
-- the flags that it had there the last time. source: a digest that names one
-- mail of a file (validity 0, uid: the n-th that is the same), or a mailbox of
-- another server.
CREATE TABLE import_note (
	account INTEGER NOT NULL,
	source BLOB NOT NULL,
	validity INTEGER NOT NULL,
	uid INTEGER NOT NULL,
	message BLOB NOT NULL,           -- as which it came here
	flags INTEGER NOT NULL,          -- over there, when last looked at
	keywords TEXT NOT NULL,
	PRIMARY KEY (account, source, validity, uid)
) STRICT, WITHOUT ROWID;

-- --- quotas (RFC 9208) --------------------------------------------------------
-- How many emails an account may have; 0: any number.
ALTER TABLE account ADD COLUMN quota_messages INTEGER NOT NULL DEFAULT 0;
-- DELETED-STORAGE asks for these alone.
CREATE INDEX entry_deleted ON entry (mailbox, account, message) WHERE deleted = 1;

-- --- annotations (RFC 5464, store/annotation) ---------------------------------
-- mailbox 0: of the server, as the account sees it. entry: in lower case,
-- below /private or /shared. They go with their mailbox.
CREATE TABLE annotation (
	account INTEGER NOT NULL,
	mailbox INTEGER NOT NULL,
	entry TEXT NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (account, mailbox, entry)
) STRICT, WITHOUT ROWID;
