-- Lines of the resource logs are trimmed by their age.
CREATE INDEX resource_log_at ON resource_log (at);
