-- SPDX-License-Identifier: ISC
-- What version 3 adds: sending. One section for each subject.

-- --- what became of it -------------------------------------------------------

-- Whether the last words are our own about a remote host (no connection, no
-- reply in time), not that host's.
ALTER TABLE queue ADD COLUMN last_is_ours INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN last_is_ours INTEGER NOT NULL DEFAULT 0;

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
