//! The checksum of each row.
//!
//! SQLite believes its pages: a flipped bit in a text is another text. So every row that a transaction wrote gets its
//! checksum before the commit ([`seal`]), and [`check`] compares all of them. It covers the names and values of all
//! columns that are not absent, so that a column added later changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Column as _, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{cells, witness::hex};
use crate::{
    Damage, Result, Verification,
    sql::{fault, value::Value},
};

/// The rows that a transaction wrote, by table.
pub(super) type Touched = BTreeMap<&'static str, BTreeSet<i64>>;

/// How many rows are sealed at once.
const CHUNK: usize = 200;

/// How many damaged rows are told one by one.
const TOLD: usize = 100;

/// Writes the checksums of the rows that were written and still exist.
pub(super) async fn seal(connection: &mut SqliteConnection, touched: &Touched) -> Result<()> {
    for (table, rows) in touched {
        seal_rows(connection, table, rows).await?;
    }
    Ok(())
}

/// Writes the checksums of all rows.
pub(super) async fn seal_all(connection: &mut SqliteConnection) -> Result<()> {
    for table in tables(connection).await? {
        let select = AssertSqlSafe(format!("SELECT rowid FROM {table}"));
        let rows: Vec<(i64,)> = sqlx::query_as(select).fetch_all(&mut *connection).await.map_err(fault::of)?;
        for chunk in rows.chunks(CHUNK) {
            seal_rows(connection, &table, &chunk.iter().map(|(row,)| *row).collect()).await?;
        }
    }
    Ok(())
}

async fn seal_rows(connection: &mut SqliteConnection, table: &str, rows: &BTreeSet<i64>) -> Result<()> {
    let ids = serde_json::Value::from_iter(rows.iter().copied()).to_string();
    let select = format!("SELECT rowid, * FROM {table} WHERE rowid IN (SELECT value FROM json_each($1))");
    let found = sqlx::query(AssertSqlSafe(select)).bind(ids).fetch_all(&mut *connection).await.map_err(fault::of)?;
    let mut checks = Vec::with_capacity(found.len());
    for row in &found {
        checks.push((row.try_get::<i64, _>(0).map_err(fault::of)?, checksum(table, row)?));
    }
    let checks = serde_json::json!(checks).to_string();
    let update = format!(
        "UPDATE {table} SET row_check = j.value ->> 1 FROM json_each($1) AS j WHERE {table}.rowid = j.value ->> 0"
    );
    sqlx::query(AssertSqlSafe(update)).bind(checks).execute(&mut *connection).await.map_err(fault::of)?;
    Ok(())
}

/// Compares the checksums of all rows, and has SQLite check its structure.
pub(super) async fn check(connection: &mut SqliteConnection, report: &mut Verification) -> Result<()> {
    let complaints: Vec<(String,)> =
        sqlx::query_as("PRAGMA integrity_check(20)").fetch_all(&mut *connection).await.map_err(fault::of)?;
    let complaints = complaints.into_iter().map(|(text,)| text).filter(|text| text != "ok");
    report.damage.extend(complaints.map(Damage::Structure));
    for table in tables(connection).await? {
        let select = AssertSqlSafe(format!("SELECT rowid, * FROM {table}"));
        let mut rows = sqlx::query(select).fetch(&mut *connection);
        while let Some(row) = rows.try_next().await.map_err(fault::of)? {
            report.rows += 1;
            let stored: Option<String> = row.try_get("row_check").map_err(fault::of)?;
            if stored != Some(checksum(&table, &row)?) && report.damage.len() < TOLD {
                report.damage.push(Damage::Row { table: table.clone(), key: key(&row) });
            }
        }
    }
    Ok(())
}

/// The tables whose rows are sealed.
pub(super) async fn tables(connection: &mut SqliteConnection) -> Result<Vec<String>> {
    let select = "SELECT t.name FROM pragma_table_list AS t WHERE t.schema = 'main' AND t.type = 'table' \
                  AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) AS c WHERE c.name = 'row_check') ORDER BY t.name";
    let names: Vec<(String,)> = sqlx::query_as(select).fetch_all(connection).await.map_err(fault::of)?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

fn checksum(table: &str, row: &SqliteRow) -> Result<String> {
    let mut hash = Sha256::new();
    Value::from(table).feed(&mut hash);
    for (column, value) in row.columns().iter().zip(cells(row)?).skip(1) {
        if column.name() != "row_check" && !value.is_absent() {
            Value::from(column.name()).feed(&mut hash);
            value.feed(&mut hash);
        }
    }
    Ok(hex(hash.finalize().get(..16).unwrap_or_default()))
}

/// What tells a row from others, for people: its first columns, without what is secret.
fn key(row: &SqliteRow) -> String {
    let cells = cells(row).unwrap_or_default();
    let shown = cells.iter().zip(row.columns()).filter_map(|(value, column)| match value {
        Value::Text(Some(text)) if column.name() != "row_check" => Some(text.chars().take(64).collect::<String>()),
        Value::Int(Some(number)) => Some(number.to_string()),
        _ => None,
    });
    shown.take(4).collect::<Vec<_>>().join(" ")
}
