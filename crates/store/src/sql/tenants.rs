//! Tenants, connections and clients.

use async_trait::async_trait;

use super::{
    Sql, Tx,
    value::{FromRow, Row, args, json},
};
use crate::{Act, Client, ClientId, Connection, ConnectionName, Result, Tenant, TenantId, Tenants};

#[async_trait]
impl Tenants for Sql {
    async fn put_tenant(&self, tenant: &Tenant, act: &Act) -> Result<()> {
        let mut tx = self.begin().await?;
        let upsert = "INSERT INTO tenants (tenant, settings, created_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (tenant) DO UPDATE SET settings = excluded.settings";
        tx.write(upsert, args![&tenant.id, json(&tenant.settings)?, tenant.created_at]).await?;
        tx.write("DELETE FROM tenant_hosts WHERE tenant = $1", args![&tenant.id]).await?;
        for host in &tenant.hosts {
            let insert = "INSERT INTO tenant_hosts (host, tenant) VALUES ($1, $2)";
            tx.write(insert, args![host.as_str(), &tenant.id]).await?;
        }
        tx.announce().await?;
        self.append_act(&mut tx, &tenant.id, act).await?;
        tx.commit().await
    }

    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>> {
        let select = "SELECT tenant, settings, created_at FROM tenants WHERE tenant = $1";
        let mut snapshot = self.snapshot().await?;
        match snapshot.first(select, args![id]).await? {
            Some(tenant) => with_hosts(&mut snapshot, tenant).await.map(Some),
            None => Ok(None),
        }
    }

    async fn tenant_by_host(&self, host: &str) -> Result<Option<Tenant>> {
        let select = "SELECT t.tenant, t.settings, t.created_at FROM tenants AS t \
                      JOIN tenant_hosts AS h ON h.tenant = t.tenant WHERE h.host = $1";
        let mut snapshot = self.snapshot().await?;
        match snapshot.first(select, args![host]).await? {
            Some(tenant) => with_hosts(&mut snapshot, tenant).await.map(Some),
            None => Ok(None),
        }
    }

    async fn tenants(&self) -> Result<Vec<Tenant>> {
        let mut snapshot = self.snapshot().await?;
        let select = "SELECT tenant, settings, created_at FROM tenants ORDER BY tenant";
        let mut tenants = Vec::new();
        for tenant in snapshot.all(select, args![]).await? {
            tenants.push(with_hosts(&mut snapshot, tenant).await?);
        }
        Ok(tenants)
    }

    async fn put_connection(&self, tenant: &TenantId, connection: &Connection, act: &Act) -> Result<()> {
        let mut tx = self.begin().await?;
        let upsert = "INSERT INTO connections (tenant, name, strategy, settings, metadata) VALUES ($1, $2, $3, $4, $5) \
                      ON CONFLICT (tenant, name) DO UPDATE SET strategy = excluded.strategy, \
                      settings = excluded.settings, metadata = excluded.metadata";
        let Connection { name, strategy, settings, metadata } = connection;
        tx.write(upsert, args![tenant, name, strategy.as_str(), json(settings)?, json(metadata)?]).await?;
        tx.announce().await?;
        self.append_act(&mut tx, tenant, act).await?;
        tx.commit().await
    }

    async fn connection(&self, tenant: &TenantId, name: &ConnectionName) -> Result<Option<Connection>> {
        let select = "SELECT name, strategy, settings, metadata FROM connections WHERE tenant = $1 AND name = $2";
        self.first(select, args![tenant, name]).await
    }

    async fn connections(&self, tenant: &TenantId) -> Result<Vec<Connection>> {
        let select = "SELECT name, strategy, settings, metadata FROM connections WHERE tenant = $1 ORDER BY name";
        self.all(select, args![tenant]).await
    }

    async fn put_client(&self, tenant: &TenantId, client: &Client, act: &Act) -> Result<()> {
        let mut tx = self.begin().await?;
        let upsert = "INSERT INTO clients (tenant, id, name, secret, settings, created_at) \
                      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, id) DO UPDATE SET \
                      name = excluded.name, secret = excluded.secret, settings = excluded.settings";
        let Client { id, name, secret, settings, created_at } = client;
        tx.write(upsert, args![tenant, id, name.as_str(), secret.as_ref(), json(settings)?, *created_at]).await?;
        tx.announce().await?;
        self.append_act(&mut tx, tenant, act).await?;
        tx.commit().await
    }

    async fn client(&self, tenant: &TenantId, id: &ClientId) -> Result<Option<Client>> {
        let select = "SELECT id, name, secret, settings, created_at FROM clients WHERE tenant = $1 AND id = $2";
        self.first(select, args![tenant, id]).await
    }

    async fn clients(&self, tenant: &TenantId) -> Result<Vec<Client>> {
        let select = "SELECT id, name, secret, settings, created_at FROM clients WHERE tenant = $1 ORDER BY id";
        self.all(select, args![tenant]).await
    }

    async fn remove_client(&self, tenant: &TenantId, id: &ClientId, act: &Act) -> Result<bool> {
        let mut tx = self.begin().await?;
        let removed = tx.write("DELETE FROM clients WHERE tenant = $1 AND id = $2", args![tenant, id]).await?;
        if removed == 0 {
            return Ok(false);
        }
        for delete in [
            "DELETE FROM codes WHERE tenant = $1 AND client = $2",
            "DELETE FROM parked WHERE tenant = $1 AND client = $2",
            "DELETE FROM one_time_tokens WHERE tenant = $1 AND client = $2",
            "DELETE FROM refresh_tokens WHERE tenant = $1 AND family IN \
             (SELECT id FROM families WHERE tenant = $1 AND client = $2)",
            "DELETE FROM families WHERE tenant = $1 AND client = $2",
        ] {
            tx.write(delete, args![tenant, id]).await?;
        }
        tx.announce().await?;
        self.append_act(&mut tx, tenant, act).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn with_hosts(snapshot: &mut Tx, mut tenant: Tenant) -> Result<Tenant> {
    let select = "SELECT host FROM tenant_hosts WHERE tenant = $1 ORDER BY host";
    let hosts = snapshot.all::<(String,)>(select, args![&tenant.id]).await?;
    tenant.hosts = hosts.into_iter().map(|(host,)| host).collect();
    Ok(tenant)
}

impl FromRow for Tenant {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { id: row.next()?, settings: row.json()?, created_at: row.next()?, hosts: Vec::new() })
    }
}

impl FromRow for Connection {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { name: row.next()?, strategy: row.next()?, settings: row.json()?, metadata: row.json()? })
    }
}

impl FromRow for Client {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.next()?,
            name: row.next()?,
            secret: row.next()?,
            settings: row.json()?,
            created_at: row.next()?,
        })
    }
}
