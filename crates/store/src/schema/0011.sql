-- When a repository came to its registry from another one (0 = it did not), and as of which moment its images were seen when it came.
ALTER TABLE repository ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;
ALTER TABLE repository ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
