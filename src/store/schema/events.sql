-- SPDX-License-Identifier: ISC
CREATE TABLE IF NOT EXISTS event (
	n INTEGER PRIMARY KEY,
	message BLOB NOT NULL,
	at INTEGER NOT NULL,
	kind TEXT NOT NULL,
	address TEXT NOT NULL,
	text TEXT NOT NULL,
	detail TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS event_message ON event (message);
CREATE INDEX IF NOT EXISTS event_address ON event (address, at);
