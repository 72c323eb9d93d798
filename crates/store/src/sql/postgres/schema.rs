//! The schema, in PostgreSQL's words: those it was written in.

use sqlx::{
    PgConnection, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::{OpenError, sql::migrations};

/// Whether the table of the steps taken is there.
pub(super) async fn exists(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(connection).await
}

/// Brings the schema up to this version: each step in a transaction of its own, under a lock that keeps other nodes out,
/// none if it is newer.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), OpenError> {
    let steps = migrations::ALL.iter().map(|step| {
        Migration::new(step.version, step.name.into(), MigrationType::Simple, step.text.into_sql_str(), false)
    });
    Migrator::with_migrations(steps.collect()).run_direct(None, connection, false).await.map_err(migrations::refusal)
}
