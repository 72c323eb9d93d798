//! A backup of PostgreSQL is a SQLite file with the same tables, and can be restored to either.

use std::path::Path;

use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::{arguments, cells};
use crate::{
    OpenError, Result,
    sql::{
        fault,
        sqlite::{Backup, Restored},
        value::Value,
    },
};

/// How many rows are moved at once.
const PAGE: i64 = 200;

/// A table, and the names and types of its columns.
struct Table {
    name: String,
    columns: Vec<(String, String)>,
}

impl Table {
    fn column_list(&self) -> String {
        self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Copies one state of all tables.
pub(super) async fn to_file(mut from: sqlx::Transaction<'static, sqlx::Postgres>, to: &Path) -> Result<()> {
    let mut file = Backup::create(to).await?;
    for table in tables(&mut from).await? {
        let columns = table.column_list();
        let declare = format!("DECLARE page NO SCROLL CURSOR FOR SELECT {columns} FROM {}", table.name);
        sqlx::query(AssertSqlSafe(declare)).execute(&mut *from).await.map_err(fault::of)?;
        loop {
            let fetch = sqlx::query(AssertSqlSafe(format!("FETCH {PAGE} FROM page"))).persistent(false);
            let rows = fetch.fetch_all(&mut *from).await.map_err(fault::of)?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                file.insert(&table.name, &columns, cells(row)?).await?;
            }
        }
        sqlx::query("CLOSE page").execute(&mut *from).await.map_err(fault::of)?;
    }
    file.finish().await
}

/// Fills the tables, which must be empty.
pub(super) async fn from_file(mut file: Restored, pool: &PgPool) -> Result<(), OpenError> {
    let mut to = pool.begin().await.map_err(fault::of)?;
    for table in tables(&mut to).await? {
        let columns = table.column_list();
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {}", table.name));
        let (rows,): (i64,) = sqlx::query_as(count).fetch_one(&mut *to).await.map_err(fault::of)?;
        if rows > 0 {
            return Err(OpenError::NotEmpty);
        }
        let mut after = 0;
        while let Some((last, rows)) = file.page(&table.name, &columns, after, PAGE).await? {
            after = last;
            for row in rows {
                insert(&mut to, &table, &columns, row).await?;
            }
        }
    }
    to.commit().await.map_err(fault::of_commit)?;
    Ok(())
}

async fn insert(to: &mut PgConnection, table: &Table, columns: &str, row: Vec<Value>) -> Result<()> {
    let placeholders = (1..=row.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
    let insert = AssertSqlSafe(format!("INSERT INTO {} ({columns}) VALUES ({placeholders})", table.name));
    let row = row.into_iter().zip(&table.columns).map(|(value, (_, kind))| fit(value, kind)).collect();
    sqlx::query_with(insert, arguments(row)?).execute(to).await.map_err(fault::of)?;
    Ok(())
}

/// SQLite has numbers for truth values, and absent values without a type.
fn fit(value: Value, kind: &str) -> Value {
    match (value, kind) {
        (Value::Int(Some(number)), "boolean") => Value::Bool(number != 0),
        (value, "bigint") if value.is_absent() => Value::Int(None),
        (value, "bytea") if value.is_absent() => Value::Bytes(None),
        (value, _) => value,
    }
}

/// The tables of the schema, by name.
async fn tables(connection: &mut PgConnection) -> Result<Vec<Table>> {
    let select = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) \
                  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid \
                  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' \
                  AND a.attnum > 0 AND NOT a.attisdropped AND c.relname NOT LIKE '\\_sqlx%' \
                  ORDER BY c.relname, a.attnum";
    let columns: Vec<(String, String, String)> =
        sqlx::query_as(select).fetch_all(connection).await.map_err(fault::of)?;
    let mut tables: Vec<Table> = Vec::new();
    for (name, column, kind) in columns {
        match tables.last_mut() {
            Some(table) if table.name == name => table.columns.push((column, kind)),
            _ => tables.push(Table { name, columns: vec![(column, kind)] }),
        }
    }
    Ok(tables)
}
