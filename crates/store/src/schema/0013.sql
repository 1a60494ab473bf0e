-- The sandbox that the reader of a layer had; empty = not known.
ALTER TABLE layer ADD COLUMN tier TEXT NOT NULL DEFAULT '';
