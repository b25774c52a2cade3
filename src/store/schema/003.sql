-- SPDX-License-Identifier: ISC
-- What version 3 adds: sending. One section for each subject.

-- --- what became of it -------------------------------------------------------

-- Whether the last words are our own about a remote host (no connection, no
-- reply in time), not that host's.
ALTER TABLE queue ADD COLUMN last_is_ours INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN last_is_ours INTEGER NOT NULL DEFAULT 0;
