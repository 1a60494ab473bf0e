-- A repository can be renamed and moved. `key` is what finding ids are made of: the key of the registry and the name that the
-- repository began with, wherever it is now and whatever it is called.
ALTER TABLE repository ADD COLUMN key TEXT NOT NULL DEFAULT '';
UPDATE repository SET key = (SELECT g.key FROM registry g WHERE g.id = repository.registry) || '/' || name;
CREATE UNIQUE INDEX repository_key ON repository (key);
