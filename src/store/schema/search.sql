-- SPDX-License-Identifier: ISC
-- search.db: the index for SEARCH, made anew whenever it is not as it should be.
CREATE TABLE IF NOT EXISTS slab (
	slab INTEGER PRIMARY KEY,
	account INTEGER NOT NULL,
	docs INTEGER NOT NULL,           -- messages in it
	checksum BLOB NOT NULL,          -- of data
	data BLOB NOT NULL               -- store/slab
) STRICT;
CREATE INDEX IF NOT EXISTS slab_account ON slab (account, docs);
