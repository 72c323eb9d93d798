//! What an error of the database means to whoever asked.

use sqlx::{Error, postgres::PgDatabaseError, sqlite::SqliteError};

use crate::{Damage, StoreError};

/// Before anything was committed.
pub(super) fn of(error: Error) -> StoreError {
    match kind(&error) {
        Kind::Lost => StoreError::Unavailable(error),
        Kind::Full => StoreError::Full(error),
        Kind::Malformed => Damage::Structure(error.to_string()).into(),
        Kind::Refused => StoreError::Database(error),
    }
}

/// While it was being committed: who lost the connection does not know.
pub(super) fn of_commit(error: Error) -> StoreError {
    match kind(&error) {
        Kind::Lost => StoreError::Unknown(error),
        Kind::Full | Kind::Malformed | Kind::Refused => of(error),
    }
}

enum Kind {
    /// The connection, or there was none in time, or others were in the way for too long.
    Lost,
    /// The disk.
    Full,
    /// The file.
    Malformed,
    /// The statement.
    Refused,
}

fn kind(error: &Error) -> Kind {
    match error {
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed => Kind::Lost,
        Error::Database(error) => {
            let code = error.code();
            let code = code.as_deref().unwrap_or_default();
            if error.try_downcast_ref::<SqliteError>().is_some() {
                of_sqlite(code)
            } else if error.try_downcast_ref::<PgDatabaseError>().is_some() {
                of_postgres(code)
            } else {
                Kind::Refused
            }
        }
        _ => Kind::Refused,
    }
}

/// The primary code is the low byte (<https://www.sqlite.org/rescode.html>).
fn of_sqlite(code: &str) -> Kind {
    match code.parse::<i32>().map(|code| code & 0xff) {
        Ok(5 | 6 | 10 | 14) => Kind::Lost, // BUSY, LOCKED, IOERR, CANTOPEN
        Ok(13) => Kind::Full,
        Ok(11 | 26) => Kind::Malformed, // CORRUPT, NOTADB
        _ => Kind::Refused,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(code: &str) -> Kind {
    match code {
        "53100" => Kind::Full,
        "XX001" | "XX002" => Kind::Malformed,
        // Too many connections; deadlock, serialization, locks and statements that took too long; shutting down.
        "40001" | "40P01" | "53300" | "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05" => Kind::Lost,
        "25P03" | "25P04" => Kind::Lost, // Idle in transaction, or in it, for too long.
        _ if code.starts_with("08") || code.starts_with("58") => Kind::Lost,
        _ => Kind::Refused,
    }
}
