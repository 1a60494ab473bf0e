-- The first schema. One text for both engines: `engine.rs` says what it turns into. Times are UTC microseconds; `until` is
-- 9223372036854775807 while a row holds. No column is null: 0 and '' mean none.

-- What the fleet index is built from.
CREATE TABLE subscription (id INTEGER PRIMARY KEY, guid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, plan INTEGER NOT NULL, since INTEGER NOT NULL);
CREATE TABLE registry (id INTEGER PRIMARY KEY, subscription INTEGER NOT NULL, resource_group TEXT NOT NULL, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, host TEXT NOT NULL, since INTEGER NOT NULL);
CREATE TABLE repository (id INTEGER PRIMARY KEY, registry INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (registry, name));
CREATE TABLE component (id INTEGER PRIMARY KEY, ecosystem TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (ecosystem, name));
CREATE TABLE package (id INTEGER PRIMARY KEY, component INTEGER NOT NULL, version TEXT NOT NULL, source TEXT NOT NULL, source_version TEXT NOT NULL,
  arch TEXT NOT NULL, module TEXT NOT NULL, channel TEXT NOT NULL, origin TEXT NOT NULL, matched_generation INTEGER NOT NULL,
  UNIQUE (component, version, source, source_version, arch, module, channel, origin));
CREATE INDEX package_generation ON package (matched_generation);
CREATE TABLE inventory (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, packages BLOB NOT NULL, places BLOB NOT NULL);
CREATE TABLE image (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, media_type INTEGER NOT NULL, platform TEXT NOT NULL, os TEXT NOT NULL, bytes INTEGER NOT NULL,
  verdict INTEGER NOT NULL, work INTEGER NOT NULL, coverage INTEGER NOT NULL, reason TEXT NOT NULL, since INTEGER NOT NULL);
CREATE TABLE image_child (parent INTEGER NOT NULL, child INTEGER NOT NULL, PRIMARY KEY (parent, child)) WITHOUT ROWID;
CREATE INDEX image_child_child ON image_child (child);
CREATE TABLE image_inventory (image INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, inventory INTEGER NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (image, since)) WITHOUT ROWID;
CREATE TABLE repository_image (id INTEGER PRIMARY KEY, repository INTEGER NOT NULL, image INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
  last_push INTEGER NOT NULL, last_pull INTEGER NOT NULL, UNIQUE (repository, image, since));
CREATE INDEX repository_image_image ON repository_image (image);
CREATE TABLE tag (repository INTEGER NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, image INTEGER NOT NULL, PRIMARY KEY (repository, name, since)) WITHOUT ROWID;
CREATE INDEX tag_image ON tag (image);
CREATE TABLE vulnerability (id INTEGER PRIMARY KEY, name TEXT NOT NULL, title TEXT NOT NULL, severity INTEGER NOT NULL, cvss INTEGER NOT NULL, kev INTEGER NOT NULL, epss INTEGER NOT NULL,
  published INTEGER NOT NULL, modified INTEGER NOT NULL);
CREATE TABLE alias (name TEXT PRIMARY KEY, vulnerability INTEGER NOT NULL);
CREATE INDEX alias_vulnerability ON alias (vulnerability);
CREATE TABLE vulnerability_text (vulnerability INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE match (package INTEGER NOT NULL, vulnerability INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, first INTEGER NOT NULL, severity INTEGER NOT NULL,
  severity_source INTEGER NOT NULL, fixable INTEGER NOT NULL, state INTEGER NOT NULL, fixed_version TEXT NOT NULL, advisory TEXT NOT NULL, source INTEGER NOT NULL, category INTEGER NOT NULL,
  comparison TEXT NOT NULL, generation INTEGER NOT NULL, PRIMARY KEY (package, vulnerability, since)) WITHOUT ROWID;
CREATE TABLE rule (id INTEGER PRIMARY KEY, scope TEXT NOT NULL, criteria TEXT NOT NULL, reason TEXT NOT NULL, author TEXT NOT NULL, expires INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE TABLE triage (repository INTEGER NOT NULL, package TEXT NOT NULL, vulnerability INTEGER NOT NULL, owner TEXT NOT NULL, due INTEGER NOT NULL, note TEXT NOT NULL,
  PRIMARY KEY (repository, package, vulnerability)) WITHOUT ROWID;

-- What orders and announces the changes. `moment` is the time of the last one: times of facts only rise, whatever clocks do.
CREATE TABLE revision (one INTEGER PRIMARY KEY, n INTEGER NOT NULL, moment INTEGER NOT NULL);
CREATE TABLE change (revision INTEGER NOT NULL, what INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (revision, what, id)) WITHOUT ROWID;
CREATE TABLE knowledge (one INTEGER PRIMARY KEY, target INTEGER NOT NULL, swept INTEGER NOT NULL, content_hash TEXT NOT NULL, adopted INTEGER NOT NULL);

-- Content.
CREATE TABLE blob (digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL, since INTEGER NOT NULL);
CREATE TABLE blob_link (registry INTEGER NOT NULL, repository TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (registry, repository, digest)) WITHOUT ROWID;
CREATE INDEX blob_link_digest ON blob_link (digest);
CREATE TABLE upload (id TEXT PRIMARY KEY, registry INTEGER NOT NULL, repository TEXT NOT NULL, principal TEXT NOT NULL, place TEXT NOT NULL, expires INTEGER NOT NULL);
CREATE INDEX upload_principal ON upload (principal);
CREATE TABLE manifest (image INTEGER PRIMARY KEY, media_type TEXT NOT NULL, content BLOB NOT NULL, config TEXT NOT NULL, subject TEXT NOT NULL, artifact_type TEXT NOT NULL, annotations TEXT NOT NULL);
CREATE INDEX manifest_subject ON manifest (subject);
CREATE TABLE image_layer (image INTEGER NOT NULL, ordinal INTEGER NOT NULL, digest TEXT NOT NULL, bytes INTEGER NOT NULL, media_type TEXT NOT NULL, PRIMARY KEY (image, ordinal)) WITHOUT ROWID;
CREATE TABLE layer (digest TEXT NOT NULL, revision INTEGER NOT NULL, code TEXT NOT NULL, text TEXT NOT NULL, inventory BLOB NOT NULL, bytes INTEGER NOT NULL, micros INTEGER NOT NULL, PRIMARY KEY (digest, revision));

-- Work and what was done.
CREATE TABLE job (id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, image INTEGER NOT NULL, class INTEGER NOT NULL, priority INTEGER NOT NULL, turn INTEGER NOT NULL,
  registry INTEGER NOT NULL, repository INTEGER NOT NULL, due INTEGER NOT NULL, lease INTEGER NOT NULL, leased_until INTEGER NOT NULL, worker TEXT NOT NULL, attempt INTEGER NOT NULL, lost INTEGER NOT NULL,
  reason TEXT NOT NULL, since INTEGER NOT NULL, UNIQUE (kind, image, class));
CREATE INDEX job_order ON job (priority, turn, id);
CREATE INDEX job_turn ON job (priority, registry, turn);
CREATE INDEX job_image ON job (image);
CREATE TABLE scan (id INTEGER PRIMARY KEY, image INTEGER NOT NULL, started INTEGER NOT NULL, finished INTEGER NOT NULL, class INTEGER NOT NULL, verdict INTEGER NOT NULL, codes TEXT NOT NULL,
  notes TEXT NOT NULL, generation INTEGER NOT NULL, tier TEXT NOT NULL, bytes INTEGER NOT NULL);
CREATE INDEX scan_image ON scan (image, id);
CREATE TABLE event (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, action TEXT NOT NULL, registry INTEGER NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,
  bytes INTEGER NOT NULL, actor TEXT NOT NULL, address TEXT NOT NULL, user_agent TEXT NOT NULL);
CREATE TABLE resource_log (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL, operation TEXT NOT NULL, login_server TEXT NOT NULL, identity TEXT NOT NULL, jwt TEXT NOT NULL, address TEXT NOT NULL,
  user_agent TEXT NOT NULL, correlation TEXT NOT NULL, result INTEGER NOT NULL, micros INTEGER NOT NULL, registry INTEGER NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL,
  media_type TEXT NOT NULL, artifact_type TEXT NOT NULL, bytes INTEGER NOT NULL, scanner INTEGER NOT NULL);
CREATE INDEX resource_log_kind ON resource_log (kind, id);
CREATE TABLE audit (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE usage (subscription INTEGER NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL, repository INTEGER NOT NULL, PRIMARY KEY (subscription, digest)) WITHOUT ROWID;
CREATE TABLE outbox (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, due INTEGER NOT NULL, attempt INTEGER NOT NULL);

-- Access.
CREATE TABLE principal (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, password TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE TABLE role_assignment (id INTEGER PRIMARY KEY, principal INTEGER NOT NULL, role TEXT NOT NULL, scope TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE INDEX role_assignment_principal ON role_assignment (principal);
-- Keys that every process shares.
CREATE TABLE secret (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE token (id INTEGER PRIMARY KEY, principal INTEGER NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, since INTEGER NOT NULL, until INTEGER NOT NULL, expires INTEGER NOT NULL);
