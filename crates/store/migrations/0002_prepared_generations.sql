-- The generation that nodes are to make ready before it becomes active.
ALTER TABLE active_generations ADD COLUMN preparing BIGINT;
-- Per tenant, the generations that a node has ready and does not serve yet.
ALTER TABLE nodes ADD COLUMN prepared TEXT;
