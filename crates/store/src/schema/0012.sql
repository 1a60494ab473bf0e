-- When the job of a scan was queued; 0 = not known.
ALTER TABLE scan ADD COLUMN queued INTEGER NOT NULL DEFAULT 0;
