-- What was last written of a vulnerability, its names and its text, in one number: as long as it is the same, nothing is compared.
ALTER TABLE vulnerability ADD COLUMN fingerprint INTEGER NOT NULL DEFAULT 0;
