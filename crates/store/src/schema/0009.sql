-- The generations of the advisory database that came into force lately: what each says (its hash), and the digest of its file in the
-- blob store, from where every worker can take it; '' = it is only where it was built.
CREATE TABLE generation (number INTEGER PRIMARY KEY, content_hash TEXT NOT NULL, built INTEGER NOT NULL, file TEXT NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO generation (number, content_hash, built, file, bytes) SELECT target, content_hash, 0, '', 0 FROM knowledge WHERE target > 0;
-- The feeds of the generation in force, as they were asked last, whichever process asked.
CREATE TABLE feed (name TEXT PRIMARY KEY, records INTEGER NOT NULL, date INTEGER NOT NULL, fetched INTEGER NOT NULL);
-- Whose images the re-match under way will have judged again, and how far that has come: up to an image, for a generation.
CREATE TABLE recheck (what INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (what, name));
ALTER TABLE knowledge ADD COLUMN recheck_generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE knowledge ADD COLUMN recheck_after INTEGER NOT NULL DEFAULT 0;
