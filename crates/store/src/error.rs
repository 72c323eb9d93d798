//! What can go wrong in the store that is not an answer.

/// Why the store could not do what it was asked. Nothing of the transaction is kept, except after [`StoreError::Unknown`].
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection in time, or it broke before anything was committed. Answer 503 and ask again later
    /// (`store_unavailable`, HR-121).
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// The connection broke while the transaction was being committed: it is durable, or it is not. A login is looked
    /// up by its id before it is done again; everything else is read again (HR-121).
    #[error("the database did not say whether it committed")]
    Unknown(#[source] sqlx::Error),
    /// The disk is full. Reading goes on; writing does once there is space (`store_full`, HR-122).
    #[error("the database has no space left")]
    Full(#[source] sqlx::Error),
    /// Committed history was lost or altered. Nothing more is written until somebody decides (HR-125).
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A row holds what this version cannot have written.
    #[error("column {column} of a row is not what this version writes ({wanted})")]
    Undecodable {
        /// The column, counted from 1.
        column: usize,
        /// What it was to be read as.
        wanted: &'static str,
    },
    /// A text has a NUL in it. PostgreSQL stores none and looks nothing up by one, so neither does SQLite here. The
    /// caller's doing, answer 400: nothing that is made here has one.
    #[error("a text has a NUL in it")]
    Nul,
    /// A document is not one that can be stored: NUL is in no JSON text of the canonical profile.
    #[error("the document cannot be stored")]
    Document(#[source] serde_json::Error),
    /// A file of the store cannot be read or written.
    #[error("`{path}` cannot be {action}")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// `read`, `written`, `locked` …
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Anything else the database said. A bug of ours or of its operator's; answer 500.
    #[error("the database refused")]
    Database(#[source] sqlx::Error),
}

/// What was lost or altered, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The witness file tells of commits that the database does not have: it was rolled back, replaced or cut.
    #[error("rollback detected: the database ends at commit {database}, its witness file at commit {witness}")]
    RolledBack {
        /// The last commit in the database.
        database: i64,
        /// The last commit in the witness file.
        witness: i64,
    },
    /// The witness file is not there.
    #[error("the witness file is missing; the database ends at commit {database}")]
    WitnessMissing {
        /// The last commit in the database.
        database: i64,
    },
    /// The database has commits that its witness file does not know, more than a crash can explain.
    #[error("the witness file was cut or replaced: it ends at commit {witness}, the database at commit {database}")]
    WitnessLost {
        /// The last commit in the database.
        database: i64,
        /// The last commit in the witness file.
        witness: i64,
    },
    /// The database and its witness file tell different stories.
    #[error("the database and its witness file differ from commit {commit} on")]
    Diverged {
        /// The commit.
        commit: i64,
    },
    /// A line of the witness file does not follow from the one before.
    #[error("line {line} of the witness file was altered")]
    WitnessAltered {
        /// The line, counted from 1.
        line: u64,
    },
    /// A journal entry, or its place in the chain, was altered.
    #[error("entry {sequence} of journal chain `{chain}` was altered or is missing")]
    Journal {
        /// The chain: a node, and a lane of it.
        chain: String,
        /// The entry.
        sequence: i64,
    },
    /// A row is not what was written.
    #[error("a row of table `{table}` was altered: {key}")]
    Row {
        /// The table.
        table: String,
        /// Its row.
        key: String,
    },
    /// The database's own check of its structure found something.
    #[error("the database is malformed: {0}")]
    Structure(String),
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is neither a file, `sqlite:` nor `postgres://`.
    #[error("`{0}` is no database address: give a file or `postgres://…`")]
    Address(String),
    /// The SQLite that was linked is too old: its write-ahead log can be corrupted.
    #[error("SQLite {found} is linked; {required} or newer is needed, because older ones can corrupt their log")]
    Sqlite {
        /// What is linked.
        found: String,
        /// What is needed.
        required: &'static str,
    },
    /// Another process has the database open.
    #[error(
        "`{0}` is in use by another process: stop the server that has it, or let commands speak to it (`--data` finds one on \
         this machine, `--admin-url` another)"
    )]
    InUse(std::path::PathBuf),
    /// A backup is restored to a place where there is nothing yet.
    #[error("`{0}` exists already: move it away, a backup is restored to a new place")]
    Exists(std::path::PathBuf),
    /// A backup is restored to an empty database.
    #[error("the database is not empty: a backup is restored to an empty one")]
    NotEmpty,
    /// The schema is newer than this software. Nothing was changed.
    #[error("the database has schema {found}, this version knows {known}: run a newer vestibule")]
    NewerSchema {
        /// What the database has.
        found: i64,
        /// What this version knows.
        known: i64,
    },
    /// A migration that was applied is not the one this version knows. Nothing was changed.
    #[error("migration {0} was applied in another form than this version knows")]
    MigrationAltered(i64),
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What most methods of the store answer.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
