//! The schema, in SQLite's words.

use sqlx::{
    AssertSqlSafe, SqlSafeStr as _, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::{
    OpenError,
    sql::{fault, migrations},
};

/// What SQLite alone has: the last lines of its witness.
const OWN: &str = "CREATE TABLE IF NOT EXISTS witnessed (
    slot INTEGER NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    line TEXT NOT NULL
) STRICT";

/// Brings the schema up to this version: each step in a transaction of its own, none if it is newer.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let steps = migrations::ALL.iter().map(|step| {
        let text = AssertSqlSafe(translate(step.text)).into_sql_str(); // Our own text.
        Migration::new(step.version, step.name.into(), MigrationType::Simple, text, false)
    });
    Migrator::with_migrations(steps.collect())
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(migrations::refusal)?;
    sqlx::query(OWN).execute(connection).await.map_err(fault::of)?;
    Ok(())
}

/// The text of a migration as SQLite reads it: strict tables, each with the checksum of its rows.
fn translate(migration: &str) -> String {
    migration
        .replace("BIGINT", "INTEGER")
        .replace("BOOLEAN", "INTEGER")
        .replace("BYTEA", "BLOB")
        .split_inclusive(";\n")
        .map(|statement| match statement.rsplit_once("\n);") {
            Some((table, rest)) => format!("{};{rest}", strict(table)),
            None => statement.to_owned(),
        })
        .collect()
}

/// A column must stand before the table's constraints: it goes first of all columns.
fn strict(table: &str) -> String {
    format!("{}\n) STRICT", table.replacen("(\n", "(\n    row_check TEXT,\n", 1))
}
