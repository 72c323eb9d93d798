//! The steps of the schema, in order, each forward only. They are embedded in the program.

use sqlx::migrate::MigrateError;

use super::fault;
use crate::{Damage, OpenError, StoreError};

/// One step.
pub(super) struct Step {
    pub(super) version: i64,
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

/// All of them. A step that was released is never changed.
pub(super) const ALL: &[Step] = &[
    Step { version: 1, name: "foundations", text: include_str!("../../migrations/0001_foundations.sql") },
    Step {
        version: 2,
        name: "prepared generations",
        text: include_str!("../../migrations/0002_prepared_generations.sql"),
    },
    Step { version: 3, name: "letters", text: include_str!("../../migrations/0003_letters.sql") },
    Step { version: 4, name: "one letter", text: include_str!("../../migrations/0004_one_letter.sql") },
];

/// Why a database could not be brought up to this version.
pub(super) fn refusal(error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(found) => {
            OpenError::NewerSchema { found, known: ALL.last().map_or(0, |step| step.version) }
        }
        MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => OpenError::MigrationAltered(version),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => fault::of(error).into(),
        other => StoreError::Damaged(Damage::Structure(other.to_string())).into(),
    }
}
