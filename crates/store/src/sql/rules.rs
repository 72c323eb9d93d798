//! Rule revisions and pipeline generations.

use async_trait::async_trait;

use super::{
    Sql, Tx,
    value::{FromRow, Row, args, json},
};
use crate::{
    Act, Activated, Generation, GenerationNumber, NewGeneration, Proposed, Result, Revision, RevisionDigest, Rules,
    TenantId,
};

macro_rules! columns {
    () => {
        "number, digest, rules, document, author, at, activated_at, revoked_at"
    };
}

#[async_trait]
impl Rules for Sql {
    async fn put_revision(&self, tenant: &TenantId, revision: &Revision) -> Result<()> {
        let mut tx = self.begin().await?;
        let insert = "INSERT INTO revisions (tenant, digest, name, manifest, module, at) \
                      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let Revision { digest, name, manifest, module, files, at } = revision;
        let args = args![tenant, digest, name.as_str(), manifest.as_str(), module.as_slice(), *at];
        if tx.write(insert, args).await? > 0 {
            for (path, content) in files {
                let insert = "INSERT INTO revision_files (tenant, digest, path, content) VALUES ($1, $2, $3, $4)";
                tx.write(insert, args![tenant, digest, path.as_str(), content.as_slice()]).await?;
            }
        }
        tx.commit().await
    }

    async fn revision(&self, tenant: &TenantId, digest: &RevisionDigest) -> Result<Option<Revision>> {
        let mut snapshot = self.snapshot().await?;
        let select = "SELECT digest, name, manifest, module, at FROM revisions WHERE tenant = $1 AND digest = $2";
        let Some(mut revision) = snapshot.first::<Revision>(select, args![tenant, digest]).await? else {
            return Ok(None);
        };
        let select = "SELECT path, content FROM revision_files WHERE tenant = $1 AND digest = $2 ORDER BY path";
        revision.files = snapshot.all(select, args![tenant, digest]).await?;
        Ok(Some(revision))
    }

    async fn propose_generation(&self, tenant: &TenantId, new: &NewGeneration) -> Result<Proposed> {
        let mut tx = self.begin().await?;
        for (_, digest) in &new.rules {
            let select = "SELECT digest FROM revisions WHERE tenant = $1 AND digest = $2";
            if tx.first::<(String,)>(select, args![tenant, digest]).await?.is_none() {
                return Ok(Proposed::Missing(digest.clone()));
            }
        }
        lock_pointer(&mut tx, tenant).await?; // Numbers are given out one at a time.
        let select = "SELECT COALESCE(max(number), 0) FROM generations WHERE tenant = $1";
        let (last,) = tx.first::<(i64,)>(select, args![tenant]).await?.unwrap_or_default();
        let number = GenerationNumber(last + 1);
        let insert = "INSERT INTO generations (tenant, number, digest, rules, document, author, at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let NewGeneration { digest, rules, document, by, at } = new;
        tx.write(insert, args![tenant, number, digest, json(rules)?, json(document)?, by.as_str(), *at]).await?;
        tx.commit().await?;
        Ok(Proposed::Generation(number))
    }

    async fn prepare(&self, tenant: &TenantId, number: GenerationNumber) -> Result<bool> {
        let mut tx = self.begin().await?;
        lock_pointer(&mut tx, tenant).await?;
        let update = "UPDATE active_generations SET preparing = $2 WHERE tenant = $1 AND EXISTS \
                      (SELECT 1 FROM generations WHERE tenant = $1 AND number = $2 AND revoked_at IS NULL)";
        let asked = tx.write(update, args![tenant, number]).await?;
        tx.announce().await?;
        tx.commit().await?;
        Ok(asked > 0)
    }

    async fn preparing(&self, tenant: &TenantId) -> Result<Option<Generation>> {
        let select = concat!(
            "SELECT ",
            columns!(),
            " FROM generations WHERE tenant = $1 AND revoked_at IS NULL \
             AND number = (SELECT preparing FROM active_generations WHERE tenant = $1)"
        );
        self.first(select, args![tenant]).await
    }

    async fn activate(
        &self,
        tenant: &TenantId,
        number: GenerationNumber,
        expected: Option<GenerationNumber>,
        act: &Act,
    ) -> Result<Activated> {
        let mut tx = self.begin().await?;
        let active = lock_pointer(&mut tx, tenant).await?;
        if active != expected {
            return Ok(Activated::Conflict(active));
        }
        let update = "UPDATE generations SET activated_at = $3 \
                      WHERE tenant = $1 AND number = $2 AND revoked_at IS NULL";
        if tx.write(update, args![tenant, number, act.at]).await? == 0 {
            return Ok(Activated::Unavailable);
        }
        let update = "UPDATE active_generations SET number = $2, preparing = NULL WHERE tenant = $1";
        tx.write(update, args![tenant, number]).await?;
        let insert = "INSERT INTO activations (tenant, turn, number, author, at) SELECT $1, \
                      COALESCE(max(turn), 0) + 1, $2, $3, $4 FROM activations WHERE tenant = $1";
        tx.write(insert, args![tenant, number, act.by.as_str(), act.at]).await?;
        tx.announce().await?;
        self.append_act(&mut tx, tenant, act).await?;
        tx.commit().await?;
        Ok(Activated::Done)
    }

    async fn active_generation(&self, tenant: &TenantId) -> Result<Option<Generation>> {
        let select = concat!(
            "SELECT ",
            columns!(),
            " FROM generations WHERE tenant = $1 \
             AND number = (SELECT number FROM active_generations WHERE tenant = $1)"
        );
        self.first(select, args![tenant]).await
    }

    async fn generation(&self, tenant: &TenantId, number: GenerationNumber) -> Result<Option<Generation>> {
        let select = concat!("SELECT ", columns!(), " FROM generations WHERE tenant = $1 AND number = $2");
        self.first(select, args![tenant, number]).await
    }

    async fn generations(&self, tenant: &TenantId, limit: u32) -> Result<Vec<Generation>> {
        let select =
            concat!("SELECT ", columns!(), " FROM generations WHERE tenant = $1 ORDER BY number DESC LIMIT $2");
        self.all(select, args![tenant, limit]).await
    }

    async fn revoke_generation(&self, tenant: &TenantId, number: GenerationNumber, act: &Act) -> Result<bool> {
        let mut tx = self.begin().await?;
        if lock_pointer(&mut tx, tenant).await? == Some(number) {
            return Ok(false);
        }
        let update = "UPDATE generations SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant = $1 AND number = $2";
        let revoked = tx.write(update, args![tenant, number, act.at]).await?;
        if revoked == 0 {
            return Ok(false);
        }
        tx.announce().await?;
        self.append_act(&mut tx, tenant, act).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// The active generation, which nobody else can change until the transaction ends.
async fn lock_pointer(tx: &mut Tx, tenant: &TenantId) -> Result<Option<GenerationNumber>> {
    let insert = "INSERT INTO active_generations (tenant) VALUES ($1) ON CONFLICT DO NOTHING";
    tx.write(insert, args![tenant]).await?;
    let select = "SELECT number FROM active_generations WHERE tenant = $1";
    Ok(tx.lock::<(Option<GenerationNumber>,)>(select, args![tenant]).await?.and_then(|(number,)| number))
}

impl FromRow for Revision {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            digest: row.next()?,
            name: row.next()?,
            manifest: row.next()?,
            module: row.next()?,
            at: row.next()?,
            files: Vec::new(),
        })
    }
}

impl FromRow for Generation {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            number: row.next()?,
            digest: row.next()?,
            rules: row.json()?,
            document: row.json()?,
            by: row.next()?,
            at: row.next()?,
            activated_at: row.next()?,
            revoked_at: row.next()?,
        })
    }
}
