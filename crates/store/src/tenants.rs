//! Tenants, connections and clients: who may ask for a login, and where identities come from.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Act, ClientId, ConnectionName, Result, TenantId, Timestamp, TokenDigest};

/// One isolated set of users, clients, rules and keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// The host names it is found by, in lower case and without port. No two tenants share one.
    pub hosts: Vec<String>,
    /// What the server keeps about it.
    pub settings: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A source of identities.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Its name, unique in the tenant.
    pub name: ConnectionName,
    /// What it is: `auth0` is a database connection, as in `identities[].provider`.
    pub strategy: String,
    /// What the server keeps about it: whether signup is open, whether usernames are required, the second-factor policy …
    pub settings: Map<String, Value>,
    /// What rules see as `context.connectionMetadata`.
    pub metadata: Map<String, Value>,
}

/// An OAuth client. Everything but its name and secret is the server's to interpret.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Its `client_id`.
    pub id: ClientId,
    /// Its name, shown to people.
    pub name: String,
    /// The SHA-256 of its secret; a public client has none.
    pub secret: Option<TokenDigest>,
    /// The rest.
    pub settings: ClientSettings,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a client may do. Unknown members are an error, absent ones grant nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// Where codes may be sent: compared exactly.
    pub redirect_uris: Vec<String>,
    /// Where a browser may be sent after logout: compared exactly.
    pub logout_uris: Vec<String>,
    /// OAuth grant types, as in RFC 7591.
    pub grant_types: Vec<String>,
    /// `client_secret_basic`, `client_secret_post`, `none`.
    pub auth_methods: Vec<String>,
    /// Which scopes it may ask for, per audience.
    pub audiences: std::collections::BTreeMap<String, Vec<String>>,
    /// The audience when a request names none.
    pub default_audience: Option<String>,
    /// Connections it may use; empty means all of the tenant.
    pub connections: Vec<ConnectionName>,
    /// Origins that may call by script.
    pub origins: Vec<String>,
    /// What rules see as `context.clientMetadata`.
    pub metadata: Map<String, Value>,
    /// Lifetime of access tokens, in seconds; absent means the server's default, as for the next ones.
    pub access_token_seconds: Option<u32>,
    /// Lifetime of ID tokens, in seconds.
    pub id_token_seconds: Option<u32>,
    /// Longest life of a refresh-token family, in seconds.
    pub refresh_token_seconds: Option<u32>,
    /// How long a refresh token may lie unused, in seconds.
    pub refresh_idle_seconds: Option<u32>,
    /// Whether refresh tokens rotate; absent means they do.
    pub rotate_refresh_tokens: Option<bool>,
    /// A client of the tenant's own operator: no consent is asked.
    pub first_party: bool,
    /// An application on a person's own machine: the port of its loopback redirect URIs is free (RFC 8252, 7.3).
    pub native: bool,
}

impl Client {
    /// Whether it may use a grant type, named as in RFC 7591.
    #[must_use]
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.settings.grant_types.iter().any(|allowed| allowed == grant_type)
    }
}

/// Tenants, connections and clients. What changes one takes the [`Act`] that the journal is to tell of.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Makes the tenant, or replaces its hosts and settings. [`TenantId::DEFAULT`] always exists.
    async fn put_tenant(&self, tenant: &Tenant, act: &Act) -> Result<()>;
    /// The tenant of that name.
    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>>;
    /// The tenant that has this host name (lower case, no port).
    async fn tenant_by_host(&self, host: &str) -> Result<Option<Tenant>>;
    /// All of them, by name.
    async fn tenants(&self) -> Result<Vec<Tenant>>;

    /// Makes or replaces a connection.
    async fn put_connection(&self, tenant: &TenantId, connection: &Connection, act: &Act) -> Result<()>;
    /// The connection of that name.
    async fn connection(&self, tenant: &TenantId, name: &ConnectionName) -> Result<Option<Connection>>;
    /// All of the tenant's, by name.
    async fn connections(&self, tenant: &TenantId) -> Result<Vec<Connection>>;

    /// Makes or replaces a client. Nodes are told ([`crate::Changes`]).
    async fn put_client(&self, tenant: &TenantId, client: &Client, act: &Act) -> Result<()>;
    /// The client of that id.
    async fn client(&self, tenant: &TenantId, id: &ClientId) -> Result<Option<Client>>;
    /// All of the tenant's, by id.
    async fn clients(&self, tenant: &TenantId) -> Result<Vec<Client>>;
    /// Removes a client, its codes and its refresh tokens; whether there was one.
    async fn remove_client(&self, tenant: &TenantId, id: &ClientId, act: &Act) -> Result<bool>;
}
