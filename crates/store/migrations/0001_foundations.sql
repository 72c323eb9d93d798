-- Written once for both databases, in the words that both understand; SQLite reads BIGINT and BOOLEAN as INTEGER and BYTEA
-- as BLOB, and adds to each table a checksum of its row (src/sql/sqlite/schema.rs). Every row belongs to a tenant, except
-- what belongs to the installation: its epoch, its nodes and its journal chains. Times are milliseconds since 1970, digests
-- are SHA-256, documents are JSON text.

CREATE TABLE installation (
    one BIGINT NOT NULL PRIMARY KEY,
    not_before BIGINT NOT NULL,
    changes BIGINT NOT NULL
);

CREATE TABLE nodes (
    id TEXT NOT NULL PRIMARY KEY,
    ready TEXT NOT NULL,
    software TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- Who may ask, and where identities come from.

CREATE TABLE tenants (
    tenant TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE tenant_hosts (
    host TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL
);

CREATE TABLE connections (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    strategy TEXT NOT NULL,
    settings TEXT NOT NULL,
    metadata TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE clients (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    secret BYTEA,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- People, and what they prove themselves with.

CREATE TABLE users (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    connection TEXT NOT NULL,
    email TEXT,
    email_verified BOOLEAN NOT NULL,
    username TEXT,
    profile TEXT NOT NULL,
    user_metadata TEXT,
    app_metadata TEXT,
    identities TEXT NOT NULL,
    blocked BOOLEAN NOT NULL,
    logins_count BIGINT NOT NULL,
    last_login BIGINT,
    last_ip TEXT,
    last_password_reset BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- One row for each e-mail address and username: its key is what makes them unique.
CREATE TABLE identifiers (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (tenant, connection, kind, value)
);
CREATE INDEX identifiers_of_user ON identifiers (tenant, user_id);

CREATE TABLE provenance (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    bag TEXT NOT NULL,
    key TEXT NOT NULL,
    author TEXT NOT NULL,
    at BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    PRIMARY KEY (tenant, user_id, bag, key)
);

-- The lease of a login that must not meet another conflict.
CREATE TABLE turns (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    login TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id)
);

CREATE TABLE passwords (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    phc TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id)
);

CREATE TABLE factors (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    last_step BIGINT,
    PRIMARY KEY (tenant, user_id, id)
);

CREATE TABLE recovery_codes (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (tenant, user_id, digest)
);

-- What can be used once. The kind is part of the key: nothing of one kind can be used as another.

CREATE TABLE parked (
    tenant TEXT NOT NULL,
    wait TEXT NOT NULL,
    handle BYTEA NOT NULL,
    browser BYTEA NOT NULL,
    client TEXT NOT NULL,
    login TEXT NOT NULL,
    user_id TEXT,
    document TEXT NOT NULL,
    at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (tenant, handle, wait)
);
CREATE INDEX parked_by_expiry ON parked (expires_at);
CREATE INDEX parked_of_user ON parked (tenant, user_id);

CREATE TABLE one_time_tokens (
    tenant TEXT NOT NULL,
    purpose TEXT NOT NULL,
    digest BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    client TEXT,
    document TEXT NOT NULL,
    at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (tenant, purpose, digest)
);
CREATE INDEX one_time_tokens_by_expiry ON one_time_tokens (expires_at);
CREATE INDEX one_time_tokens_of_user ON one_time_tokens (tenant, user_id, purpose);

-- What logins leave in clients' hands.

CREATE TABLE sessions (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    cookie BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    login TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    methods TEXT NOT NULL,
    document TEXT NOT NULL,
    clients TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    idle_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, cookie)
);
CREATE INDEX sessions_of_user ON sessions (tenant, user_id);

CREATE TABLE codes (
    tenant TEXT NOT NULL,
    digest BYTEA NOT NULL,
    client TEXT NOT NULL,
    user_id TEXT NOT NULL,
    login TEXT NOT NULL,
    session TEXT,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    offline BOOLEAN NOT NULL,
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    redeemed_at BIGINT,
    PRIMARY KEY (tenant, digest)
);
CREATE INDEX codes_by_expiry ON codes (expires_at);
CREATE INDEX codes_of_user ON codes (tenant, user_id);
CREATE INDEX codes_of_session ON codes (tenant, session);

CREATE TABLE families (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    client TEXT NOT NULL,
    user_id TEXT NOT NULL,
    login TEXT NOT NULL,
    session TEXT,
    code BYTEA,
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX families_of_user ON families (tenant, user_id);
CREATE INDEX families_of_code ON families (tenant, code);

CREATE TABLE refresh_tokens (
    tenant TEXT NOT NULL,
    digest BYTEA NOT NULL,
    family TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    idle_until BIGINT NOT NULL,
    rotated_at BIGINT,
    PRIMARY KEY (tenant, digest)
);
CREATE INDEX refresh_tokens_of_family ON refresh_tokens (tenant, family);

-- Rules, and which of them serve.

CREATE TABLE revisions (
    tenant TEXT NOT NULL,
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    manifest TEXT NOT NULL,
    module BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, digest)
);

CREATE TABLE revision_files (
    tenant TEXT NOT NULL,
    digest TEXT NOT NULL,
    path TEXT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (tenant, digest, path)
);

CREATE TABLE generations (
    tenant TEXT NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    rules TEXT NOT NULL,
    document TEXT NOT NULL,
    author TEXT NOT NULL,
    at BIGINT NOT NULL,
    activated_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (tenant, number)
);

-- The pointer, and its history.
CREATE TABLE active_generations (
    tenant TEXT NOT NULL PRIMARY KEY,
    number BIGINT
);

CREATE TABLE activations (
    tenant TEXT NOT NULL,
    turn BIGINT NOT NULL,
    number BIGINT NOT NULL,
    author TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, turn)
);

CREATE TABLE sealed_values (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    note TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, name)
);

-- What happened. A chain goes from its base (entries before were dropped) to its head.

CREATE TABLE chains (
    chain TEXT NOT NULL PRIMARY KEY,
    base_sequence BIGINT NOT NULL,
    base_link BYTEA NOT NULL,
    checked_sequence BIGINT NOT NULL,
    checked_link BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    link BYTEA NOT NULL
);

CREATE TABLE journal (
    chain TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    link BYTEA NOT NULL,
    tenant TEXT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    login TEXT,
    leg BIGINT,
    counted BOOLEAN NOT NULL,
    redacted BOOLEAN NOT NULL,
    user_id TEXT,
    client TEXT,
    author TEXT,
    generation BIGINT,
    outcome TEXT,
    summary TEXT,
    replay BYTEA,
    session BYTEA,
    code BYTEA,
    refresh BYTEA,
    parked BYTEA,
    PRIMARY KEY (chain, sequence),
    UNIQUE (tenant, login, leg)
);
CREATE INDEX journal_by_time ON journal (tenant, at);
CREATE INDEX journal_of_user ON journal (tenant, user_id, at);
