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
