//! Sealed values.

use async_trait::async_trait;

use super::{
    Sql,
    value::{FromRow, Object, Row, args, json},
};
use crate::{Act, NewSealed, Result, Sealed, SealedKind, SealedNote, SealedValues, TenantId};

#[async_trait]
impl SealedValues for Sql {
    async fn put_sealed(&self, tenant: &TenantId, new: &NewSealed, act: &Act) -> Result<Option<i64>> {
        let mut tx = self.begin().await?;
        let NewSealed { kind, name, sealed, note, expected } = new;
        let upsert = "INSERT INTO sealed_values (tenant, kind, name, version, sealed, note, at) \
                      SELECT $1, $2, $3, 1, $4, $5, $6 WHERE $7 <= 0 \
                      OR EXISTS (SELECT 1 FROM sealed_values WHERE tenant = $1 AND kind = $2 AND name = $3) \
                      ON CONFLICT (tenant, kind, name) DO UPDATE SET version = sealed_values.version + 1, \
                      sealed = excluded.sealed, note = excluded.note, at = excluded.at \
                      WHERE $7 < 0 OR sealed_values.version = $7";
        let (name, sealed, expected) = (name.as_str(), sealed.as_slice(), expected.unwrap_or(-1));
        let args = args![tenant, kind.word(), name, sealed, json(note)?, act.at, expected];
        let Some((version,)) = tx.write_first::<(i64,)>(upsert, "version", args).await? else {
            return Ok(None);
        };
        tx.announce().await?;
        let mut event = act.event()?;
        event.summary.insert("version".to_owned(), version.into());
        self.append_event(&mut tx, tenant, &event).await?;
        tx.commit().await?;
        Ok(Some(version))
    }

    async fn sealed(&self, tenant: &TenantId, kind: SealedKind, name: &str) -> Result<Option<Sealed>> {
        let select = "SELECT name, version, note, at, sealed FROM sealed_values \
                      WHERE tenant = $1 AND kind = $2 AND name = $3";
        self.first(select, args![tenant, kind.word(), name]).await
    }

    async fn all_sealed(&self, tenant: &TenantId, kind: SealedKind) -> Result<Vec<Sealed>> {
        let select = "SELECT name, version, note, at, sealed FROM sealed_values \
                      WHERE tenant = $1 AND kind = $2 ORDER BY name";
        self.all(select, args![tenant, kind.word()]).await
    }

    async fn list_sealed(&self, tenant: &TenantId, kind: SealedKind) -> Result<Vec<SealedNote>> {
        let select = "SELECT name, version, note, at FROM sealed_values WHERE tenant = $1 AND kind = $2 ORDER BY name";
        self.all(select, args![tenant, kind.word()]).await
    }

    async fn remove_sealed(&self, tenant: &TenantId, kind: SealedKind, name: &str, act: &Act) -> Result<bool> {
        let mut tx = self.begin().await?;
        let delete = "DELETE FROM sealed_values WHERE tenant = $1 AND kind = $2 AND name = $3";
        let removed = tx.write(delete, args![tenant, kind.word(), name]).await?;
        if removed == 0 {
            return Ok(false);
        }
        tx.announce().await?;
        self.append_act(&mut tx, tenant, act).await?;
        tx.commit().await?;
        Ok(true)
    }
}

super::words! {
    SealedKind {
        Configuration = "configuration",
        Secret = "secret",
        SigningKey = "signing_key",
        Internal = "internal",
    }
}

impl FromRow for SealedNote {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { name: row.next()?, version: row.next()?, note: row.json::<Object>()?, at: row.next()? })
    }
}

impl FromRow for Sealed {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { note: SealedNote::from_row(row)?, sealed: row.next()? })
    }
}
