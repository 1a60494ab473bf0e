-- Notices: who is told of what, once.
-- `failing` is since when every try failed, 0 = the last one did not; `internal` 1 = an operator allowed an address inside.
ALTER TABLE channel ADD COLUMN internal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN failing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
-- A message: `key` is the id that its receiver sees. The lease of a process that sends it fences what becomes of it.
ALTER TABLE outbox ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN leased_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN finished INTEGER NOT NULL DEFAULT 0;
-- A fact that a channel is to be told of; `message` is the outbox row that carries it, 0 = none yet.
CREATE TABLE notice (id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, kind TEXT NOT NULL, urgent INTEGER NOT NULL, item TEXT NOT NULL, at INTEGER NOT NULL, due INTEGER NOT NULL, message INTEGER NOT NULL);
CREATE INDEX notice_waits ON notice (message, channel);
-- What a channel was told of, and when: the row is what makes it happen once. `open` 1 = the thread waits for its end.
CREATE TABLE told (channel INTEGER NOT NULL, key TEXT NOT NULL, thread TEXT NOT NULL, at INTEGER NOT NULL, open INTEGER NOT NULL, PRIMARY KEY (channel, key)) WITHOUT ROWID;
CREATE INDEX told_thread ON told (channel, thread);
-- When it was learnt that a vulnerability, known before, is exploited; 0 = never, or it was known from the first.
ALTER TABLE vulnerability ADD COLUMN kev_since INTEGER NOT NULL DEFAULT 0;
CREATE INDEX vulnerability_kev_since ON vulnerability (kev_since) WHERE kev_since > 0;
