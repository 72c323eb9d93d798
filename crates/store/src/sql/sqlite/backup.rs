//! Backups: a SQLite file, whatever database it was made from, that nobody writes any more.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    beside,
    cells::{arguments, cells},
    options, private, rows, schema, witness,
};
use crate::{
    Damage, OpenError, Result, StoreError, Verification,
    sql::{
        fault,
        value::{Row, Value},
    },
};

/// Copies a database that is in use.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut connection = options(from).connect().await.map_err(fault::of)?;
    // SQLite writes into an empty file as into none.
    private::create_new(to).map_err(|source| StoreError::File { path: to.to_owned(), action: "made", source })?;
    let target = to.to_string_lossy().into_owned();
    if let Err(error) = sqlx::query("VACUUM INTO $1").bind(target).execute(&mut connection).await {
        let _half = fs::remove_file(to);
        return Err(fault::of(error));
    }
    connection.close().await.map_err(fault::of)?;
    sync(to)
}

/// Makes a backup the database at a place where there is none. It begins a witness of its own.
pub(in crate::sql) async fn restore(backup: &Path, to: &Path) -> Result<(), OpenError> {
    let unwritten = |source| StoreError::File { path: to.to_owned(), action: "written", source };
    for file in [to.to_owned(), beside(to, "-wal"), beside(to, "-witness")] {
        if file.exists() {
            return Err(OpenError::Exists(file));
        }
    }
    Restored::open(backup).await?;
    let next = beside(to, "-restoring");
    fs::copy(backup, &next).and_then(|_| private::close(&next)).map_err(unwritten)?;
    let mut connection = plain(&next).connect().await.map_err(fault::of)?;
    sqlx::query("DELETE FROM witnessed").execute(&mut connection).await.map_err(fault::of)?;
    connection.close().await.map_err(fault::of)?;
    sync(&next)?;
    fs::rename(&next, to).and_then(|()| witness::sync_folder(to)).map_err(unwritten)?;
    Ok(())
}

/// Without a log beside it: one file is all there is.
fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).disable_statement_logging()
}

fn sync(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|file| file.sync_all()).and_then(|()| witness::sync_folder(path));
    synced.map_err(|source| StoreError::File { path: path.to_owned(), action: "written", source })
}

/// A backup that is being written, row by row, in one transaction.
pub(in crate::sql) struct Backup {
    path: PathBuf,
    tx: sqlx::Transaction<'static, sqlx::Sqlite>,
    pool: sqlx::SqlitePool,
}

impl Backup {
    /// Begins a file where there is none.
    pub(in crate::sql) async fn create(path: &Path) -> Result<Self> {
        let created = private::create_new(path);
        created.map_err(|source| StoreError::File { path: path.to_owned(), action: "made", source })?;
        let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(plain(path)).await.map_err(fault::of)?;
        let mut connection = pool.acquire().await.map_err(fault::of)?;
        schema::migrate(&mut connection).await.map_err(|error| match error {
            OpenError::Store(error) => error,
            other => Damage::Structure(other.to_string()).into(),
        })?;
        drop(connection);
        let tx = pool.begin().await.map_err(fault::of)?;
        Ok(Self { path: path.to_owned(), tx, pool })
    }

    /// Writes one row.
    pub(in crate::sql) async fn insert(&mut self, table: &str, columns: &str, row: Vec<Value>) -> Result<()> {
        let placeholders = (1..=row.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        let insert = AssertSqlSafe(format!("INSERT INTO {table} ({columns}) VALUES ({placeholders})"));
        sqlx::query_with(insert, arguments(row)?).execute(&mut *self.tx).await.map_err(fault::of)?;
        Ok(())
    }

    /// Seals all rows and makes the file durable.
    pub(in crate::sql) async fn finish(mut self) -> Result<()> {
        rows::seal_all(&mut self.tx).await?;
        self.tx.commit().await.map_err(fault::of_commit)?;
        self.pool.close().await;
        sync(&self.path)
    }
}

/// A backup that is whole: every row is what was written.
pub(in crate::sql) struct Restored {
    connection: SqliteConnection,
}

impl Restored {
    /// Opens a backup and checks it.
    pub(in crate::sql) async fn open(path: &Path) -> Result<Self> {
        let options = plain(path).read_only(true).immutable(true);
        let mut connection = options.connect().await.map_err(fault::of)?;
        let mut report = Verification::default();
        rows::check(&mut connection, &mut report).await?;
        match report.damage.into_iter().next() {
            Some(damage) => Err(damage.into()),
            None if report.rows == 0 => Err(Damage::Structure("it is no backup".to_owned()).into()),
            None => Ok(Self { connection }),
        }
    }

    /// Rows of a table after a place in the file, and the place of the last of them.
    pub(in crate::sql) async fn page(
        &mut self,
        table: &str,
        columns: &str,
        after: i64,
        limit: i64,
    ) -> Result<Option<(i64, Vec<Vec<Value>>)>> {
        let select = format!("SELECT rowid, {columns} FROM {table} WHERE rowid > $1 ORDER BY rowid LIMIT $2");
        let query = sqlx::query(AssertSqlSafe(select)).bind(after).bind(limit);
        let found = query.fetch_all(&mut self.connection).await.map_err(fault::of)?;
        let (mut last, mut rows) = (None, Vec::with_capacity(found.len()));
        for row in &found {
            let mut row = Row::new(cells(row)?);
            last = Some(row.next()?);
            rows.push(row.rest());
        }
        Ok(last.map(|last| (last, rows)))
    }
}
