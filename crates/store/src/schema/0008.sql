-- How many a line of the resource logs stands for.
ALTER TABLE resource_log ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
