-- Plans with their intervals, disable rules in full, exemptions, accounts, network rules, imports, notices.

-- The scope tree. `key` is what finding ids are made of: the name that the registry began with, whatever it is called now.
-- A node that went keeps its row: ids are never given twice, and the past names it.
ALTER TABLE subscription ADD COLUMN window_days INTEGER NOT NULL DEFAULT 30;
ALTER TABLE subscription ADD COLUMN until INTEGER NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE registry ADD COLUMN until INTEGER NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE registry ADD COLUMN key TEXT NOT NULL DEFAULT '';
UPDATE registry SET key = name;
ALTER TABLE registry ADD COLUMN public_access INTEGER NOT NULL DEFAULT 1;
ALTER TABLE registry ADD COLUMN default_allow INTEGER NOT NULL DEFAULT 1;
ALTER TABLE registry ADD COLUMN trusted_bypass INTEGER NOT NULL DEFAULT 1;
CREATE TABLE ip_rule (registry INTEGER NOT NULL, cidr TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (registry, cidr)) WITHOUT ROWID;
-- A registry without a row has the plan of its subscription. `tier` 1 = standard. `enforce` 1 of a subscription: its registries may not
-- differ; of a registry: what held there when it was in another subscription.
CREATE TABLE plan (id INTEGER PRIMARY KEY, scope TEXT NOT NULL, tier INTEGER NOT NULL, enforce INTEGER NOT NULL, actor TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE INDEX plan_scope ON plan (scope, until);
INSERT INTO plan (scope, tier, enforce, actor, since, until) SELECT '/' || guid, plan, 0, '', since, 9223372036854775807 FROM subscription;

-- Rules: a change closes a row and opens another with the same uid. Criteria are JSON.
ALTER TABLE rule ADD COLUMN uid TEXT NOT NULL DEFAULT '';
ALTER TABLE rule ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE rule ADD COLUMN justification TEXT NOT NULL DEFAULT '';
ALTER TABLE rule ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE rule ADD COLUMN ticket TEXT NOT NULL DEFAULT '';
ALTER TABLE rule ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE rule ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rule ADD COLUMN overrides TEXT NOT NULL DEFAULT '';
ALTER TABLE rule ADD COLUMN ended_by TEXT NOT NULL DEFAULT '';
CREATE INDEX rule_uid ON rule (uid, until);
CREATE TABLE exemption (id INTEGER PRIMARY KEY, uid TEXT NOT NULL, recommendation TEXT NOT NULL, scope TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, author TEXT NOT NULL,
  expires INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL);
-- What people attach to a recommendation.
CREATE TABLE assignment (recommendation TEXT NOT NULL, scope TEXT NOT NULL, owner TEXT NOT NULL, due INTEGER NOT NULL, note TEXT NOT NULL, actor TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (recommendation, scope)) WITHOUT ROWID;
CREATE TABLE suppression (id INTEGER PRIMARY KEY, rule TEXT NOT NULL, resource TEXT NOT NULL, reason TEXT NOT NULL, author TEXT NOT NULL, expires INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL);

-- Access. A token with grants of its own has no more than these and its principal's.
ALTER TABLE token ADD COLUMN hint TEXT NOT NULL DEFAULT '';
ALTER TABLE token ADD COLUMN grants TEXT NOT NULL DEFAULT '';
ALTER TABLE token ADD COLUMN last_use INTEGER NOT NULL DEFAULT 0;
CREATE TABLE session (hash TEXT PRIMARY KEY, principal INTEGER NOT NULL, since INTEGER NOT NULL, expires INTEGER NOT NULL, seen INTEGER NOT NULL, address TEXT NOT NULL, user_agent TEXT NOT NULL);
CREATE TABLE lock_out (name TEXT PRIMARY KEY, failures INTEGER NOT NULL, last INTEGER NOT NULL, until INTEGER NOT NULL);
-- Each row's hash covers the row and the hash before it.
ALTER TABLE audit ADD COLUMN scope TEXT NOT NULL DEFAULT '/';
ALTER TABLE audit ADD COLUMN before TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';
CREATE TABLE saved_view (id INTEGER PRIMARY KEY, principal INTEGER NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL, since INTEGER NOT NULL, UNIQUE (principal, name));
-- A write that was sent twice is done once.
CREATE TABLE idempotency (key TEXT PRIMARY KEY, principal INTEGER NOT NULL, at INTEGER NOT NULL, answer TEXT NOT NULL);
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- Imports: what is wanted, how far it came.
CREATE TABLE import (id INTEGER PRIMARY KEY, source TEXT NOT NULL, registry INTEGER NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL, options TEXT NOT NULL, credential BLOB NOT NULL, state INTEGER NOT NULL,
  done_bytes INTEGER NOT NULL, total_bytes INTEGER NOT NULL, digest TEXT NOT NULL, error TEXT NOT NULL, actor TEXT NOT NULL, since INTEGER NOT NULL, finished INTEGER NOT NULL);

-- Notices.
CREATE TABLE channel (id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, secret BLOB NOT NULL, kinds TEXT NOT NULL, scope TEXT NOT NULL, severity INTEGER NOT NULL, digest INTEGER NOT NULL,
  author TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL);
ALTER TABLE outbox ADD COLUMN channel INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN error TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_due ON outbox (state, due);
CREATE INDEX outbox_key ON outbox (channel, key, at);
