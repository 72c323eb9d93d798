-- Mails until they are sent. They are sealed: their links let people in.
CREATE TABLE letters (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX letters_by_time ON letters (tenant, due_at);
