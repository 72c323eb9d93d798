//! Our four kinds of values as SQLite's, there and back.

use sqlx::{
    Row as _, Sqlite as Driver, SqliteConnection, TypeInfo as _, ValueRef as _,
    sqlite::{SqliteArguments, SqliteRow},
};

use crate::{
    Result, StoreError,
    sql::{
        fault,
        value::{Row, Value},
    },
};

/// Runs a statement that reads.
pub(super) async fn read(connection: &mut SqliteConnection, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
    let rows = sqlx::query_with(sql, arguments(args)?).fetch_all(connection).await.map_err(fault::of)?;
    rows.iter().map(|row| cells(row).map(Row::new)).collect()
}

pub(super) fn arguments(values: Vec<Value>) -> Result<SqliteArguments> {
    use sqlx::Arguments as _;
    Value::check(&values)?;
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Value::Int(number) => arguments.add(number),
            Value::Bool(truth) => arguments.add(truth),
            Value::Text(text) => arguments.add(text),
            Value::Bytes(bytes) => arguments.add(bytes),
        };
        added.map_err(|error| StoreError::Database(sqlx::Error::Encode(error)))?;
    }
    Ok(arguments)
}

/// The cells of a row, by the kind of what is in them.
pub(super) fn cells(row: &SqliteRow) -> Result<Vec<Value>> {
    let cell = |position: usize| -> Result<Value, sqlx::Error> {
        let raw = row.try_get_raw(position)?;
        let kind = if raw.is_null() { "NULL".to_owned() } else { raw.type_info().name().to_owned() };
        let decoded = match kind.as_str() {
            "NULL" => Ok(Value::Text(None)),
            "INTEGER" => <i64 as sqlx::Decode<Driver>>::decode(raw).map(Value::from),
            "BLOB" => <Vec<u8> as sqlx::Decode<Driver>>::decode(raw).map(|bytes| Value::Bytes(Some(bytes))),
            _ => <String as sqlx::Decode<Driver>>::decode(raw).map(Value::from),
        };
        decoded.map_err(sqlx::Error::Decode)
    };
    (0..row.len()).map(|position| cell(position).map_err(fault::of)).collect()
}
