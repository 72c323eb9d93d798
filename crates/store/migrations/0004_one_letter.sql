-- Of what a user has only one letter, and when each was written. Absent: by an older version.
ALTER TABLE letters ADD COLUMN only_one TEXT;
ALTER TABLE letters ADD COLUMN at BIGINT;
