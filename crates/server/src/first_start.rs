//! What a first start makes: keys, names, the first admin token. Nothing has a default that others could know (HS-70).

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Map;
use vestibule_engine::{Readers, replace_file};
use vestibule_store::{
    Act, Connection, ConnectionName, NewSealed, NodeId, OperatorAct, SealedKind, Store, TenantId, Timestamp,
};

use crate::{
    admin::auth::{self, Admin, Scope},
    app::App,
    clock::Entropy,
    error::Fault,
    generations::purpose,
    keys::{Seal, SigningKey, SigningKeys},
};

/// The connection that is always there.
pub const CONNECTION: &str = "Username-Password-Authentication";
/// How long a key is published before it signs.
pub const PUBLISHED_BEFORE: Duration = Duration::from_secs(60 * 60);
/// The variable that holds the installation's key, for nodes without a folder of their own.
pub const KEY_VARIABLE: &str = "VESTIBULE_INSTALLATION_KEY";

const KEY_FILE: &str = "installation.key";
const NODE_FILE: &str = "node.id";
/// Where the command line on this machine finds the admin listener, and a token for it.
pub const ADMIN_FILE: &str = "admin.json";
/// Who made what the first start makes, as the journal names them.
const FIRST_START: &str = "first start";
/// A value that only the right key opens.
const PROOF: &str = "installation";

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file of the data folder.
    #[error("`{path}` cannot be {action}")]
    File {
        /// Which.
        path: String,
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file that holds something else than it must.
    #[error("`{0}` is damaged: restore it from your backup; without it, what is sealed in the database is lost")]
    Damaged(String),
    /// A folder that others can look into, with other things in it.
    #[error("`{0}` is open to others and holds other things: name a folder for this alone, or `chmod 700` this one")]
    Open(String),
    /// An address that cannot be listened on.
    #[error(
        "cannot listen on {address}; stop what listens there, or write another address into `listen.{listener}` of the \
         settings (VESTIBULE_LISTEN__{})", .listener.to_uppercase()
    )]
    Listen {
        /// The listener.
        listener: &'static str,
        /// Which.
        address: std::net::SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The variable is no key.
    #[error("{KEY_VARIABLE} is no key: it has 64 hexadecimal digits")]
    Variable,
    /// The database was sealed with another key.
    #[error(
        "the database belongs to another installation key: copy `{KEY_FILE}` of the node that made it into the data \
         folder, or set {KEY_VARIABLE}"
    )]
    OtherInstallation,
}

/// How the command line on this machine reaches the admin listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AdminFile {
    /// Where it listens.
    pub url: String,
    /// A token with all scopes; none on a node that did not make the first one.
    pub token: Option<String>,
}

/// A folder that nobody else can look into. One that is open is closed if it is ours or empty.
///
/// # Errors
/// [`StartError::Open`] for somebody else's folder, [`StartError::File`].
pub fn data_folder(data: &Path) -> Result<PathBuf, StartError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    let folder = made.and_then(|()| data.canonicalize()).map_err(|source| at(data, "made", source))?;
    let mode = fs::metadata(&folder).map_err(|source| at(data, "read", source))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(folder);
    }
    let is_ours = [KEY_FILE, NODE_FILE, ADMIN_FILE].iter().any(|file| folder.join(file).exists());
    let mut inside = fs::read_dir(&folder).map_err(|source| at(data, "read", source))?;
    if !is_ours && inside.next().is_some() {
        return Err(StartError::Open(data.display().to_string()));
    }
    let closed = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
    closed.map_err(|source| at(data, "closed to others", source))?;
    Ok(folder)
}

/// The installation's key, from the variable or from its file; none before the first start.
///
/// # Errors
/// [`StartError`].
pub fn installation_key(data: &Path) -> Result<Option<[u8; 32]>, StartError> {
    if let Ok(text) = std::env::var(KEY_VARIABLE) {
        return from_hex(text.trim()).ok_or(StartError::Variable).map(Some);
    }
    let path = data.join(KEY_FILE);
    match fs::read(&path) {
        Ok(bytes) => key_in(&path, bytes).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(at(&path, "read", source)),
    }
}

/// Makes the installation's key, for a database that nothing was sealed in yet. Where something was, a new key would open
/// none of it, and lie in the place of the right one.
///
/// # Errors
/// [`StartError::OtherInstallation`]; [`StartError`], or [`Fault`] of the store.
pub async fn make_installation_key(data: &Path, store: &dyn Store, entropy: &dyn Entropy) -> Result<[u8; 32], Fault> {
    if store.sealed(&TenantId::default(), SealedKind::Internal, PROOF).await?.is_some() {
        return Err(StartError::OtherInstallation.into());
    }
    Ok(made_key(data, entropy)?)
}

fn made_key(data: &Path, entropy: &dyn Entropy) -> Result<[u8; 32], StartError> {
    let path = data.join(KEY_FILE);
    key_in(&path, kept(&path, || entropy.bytes::<32>().to_vec())?)
}

fn key_in(path: &Path, bytes: Vec<u8>) -> Result<[u8; 32], StartError> {
    bytes.try_into().map_err(|_| StartError::Damaged(path.display().to_string()))
}

/// The name of this node, the same at every start.
///
/// # Errors
/// [`StartError`].
pub fn node_id(data: &Path, entropy: &dyn Entropy) -> Result<NodeId, StartError> {
    let path = data.join(NODE_FILE);
    let text =
        String::from_utf8(kept(&path, || entropy.id::<6>().into_bytes())?).ok().filter(|text| !text.trim().is_empty());
    text.map(|text| NodeId::new(text.trim())).ok_or_else(|| StartError::Damaged(path.display().to_string()))
}

/// Proves that this key is the one that the database was sealed with.
///
/// # Errors
/// [`StartError::OtherInstallation`], or [`Fault`] of the store.
pub async fn prove_installation(store: &dyn Store, seal: &Seal, now: Timestamp) -> Result<(), Fault> {
    let tenant = TenantId::default();
    let name = purpose(SealedKind::Internal, &tenant, PROOF);
    if store.sealed(&tenant, SealedKind::Internal, PROOF).await?.is_none() {
        let sealed = seal.seal(&name, PROOF.as_bytes())?;
        // Another node may be first; then its proof is the one to open.
        let act = first_act(OperatorAct::InstallationBegun, now);
        store.put_sealed(&tenant, &new_sealed(SealedKind::Internal, PROOF, sealed), &act).await?;
    }
    let kept = store.sealed(&tenant, SealedKind::Internal, PROOF).await?;
    let opens = kept.is_some_and(|kept| seal.open(&name, &kept.sealed).is_ok());
    if opens { Ok(()) } else { Err(StartError::OtherInstallation.into()) }
}

/// Makes the database connection that is always there.
///
/// # Errors
/// [`Fault`] of the store.
pub async fn ensure_connection(store: &dyn Store, now: Timestamp) -> Result<(), Fault> {
    let (tenant, name) = (TenantId::default(), ConnectionName::from(CONNECTION));
    if store.connection(&tenant, &name).await?.is_none() {
        let act = first_act(OperatorAct::ConnectionPut { connection: name.clone() }, now);
        let connection = Connection { name, strategy: "auth0".to_owned(), settings: Map::new(), metadata: Map::new() };
        store.put_connection(&tenant, &connection, &act).await?;
    }
    Ok(())
}

/// The keys that sign tokens; one is made where there is none.
///
/// # Errors
/// [`Fault`] of the store, or of a key that does not open.
pub async fn signing_keys(store: &dyn Store, seal: &Seal, now: Timestamp) -> Result<SigningKeys, Fault> {
    let mut keys = stored_keys(store, seal).await?;
    if keys.is_empty() {
        make_signing_key(store, seal, now, FIRST_START, now).await?;
        keys = stored_keys(store, seal).await?;
    }
    Ok(SigningKeys::new(keys))
}

/// Takes up the keys as they are stored now.
///
/// # Errors
/// As [`signing_keys`].
pub async fn read_signing_keys(app: &App) -> Result<(), Fault> {
    let keys = stored_keys(app.store.as_ref(), &app.keys.seal).await?;
    if !keys.is_empty() {
        app.keys.signing.replace(keys);
    }
    Ok(())
}

/// Makes a key that signs from then on, and stores it sealed; the journal tells of it as of an act of `by`.
///
/// # Errors
/// [`Fault`] of the store.
pub async fn make_signing_key(
    store: &dyn Store,
    seal: &Seal,
    from: Timestamp,
    by: &str,
    now: Timestamp,
) -> Result<(), Fault> {
    let key = tokio::task::spawn_blocking(move || SigningKey::generate(from)).await??;
    let tenant = TenantId::default();
    let sealed = seal.seal(&purpose(SealedKind::SigningKey, &tenant, &key.kid), &key.to_bytes()?)?;
    let act = Act { what: OperatorAct::KeyMade { kid: key.kid.clone(), from }, by: by.to_owned(), at: now };
    store.put_sealed(&tenant, &new_sealed(SealedKind::SigningKey, &key.kid, sealed), &act).await?;
    Ok(())
}

/// A value that there must be none of yet.
fn new_sealed(kind: SealedKind, name: &str, sealed: Vec<u8>) -> NewSealed {
    NewSealed { kind, name: name.to_owned(), sealed, note: Map::new(), expected: Some(0) }
}

fn first_act(what: OperatorAct, at: Timestamp) -> Act {
    Act { what, by: FIRST_START.to_owned(), at }
}

async fn stored_keys(store: &dyn Store, seal: &Seal) -> Result<Vec<SigningKey>, Fault> {
    let tenant = TenantId::default();
    let mut keys = Vec::new();
    for sealed in store.all_sealed(&tenant, SealedKind::SigningKey).await? {
        let bytes = seal.open(&purpose(SealedKind::SigningKey, &tenant, &sealed.note.name), &sealed.sealed)?;
        keys.push(SigningKey::from_bytes(&bytes)?);
    }
    Ok(keys)
}

/// Makes the first admin token, if nobody has one, and writes down for the command line where this node listens. The
/// token is given back only when it was made just now.
///
/// # Errors
/// [`StartError`], or [`Fault`] of the store.
pub async fn admin_file(
    data: &Path,
    url: String,
    store: &dyn Store,
    seal: &Seal,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Option<String>, Fault> {
    let path = data.join(ADMIN_FILE);
    let known = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<AdminFile>(&bytes).ok());
    let mut token = known.and_then(|known| known.token);
    let mut made = None;
    if auth::tokens(store).await?.is_empty() {
        let admin = Admin { name: "first".to_owned(), scopes: Scope::ALL.into() };
        let new = auth::make_token(store, seal, entropy, &admin, FIRST_START, now).await?;
        made = Some(new.token.clone());
        token = Some(new.token);
    }
    let text = serde_json::to_vec_pretty(&AdminFile { url, token })?;
    replace(&path, &text).map_err(|source| at(&path, "written", source))?;
    Ok(made)
}

/// What a file holds; made first, where there is none.
fn kept(path: &Path, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, StartError> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = make();
            let mut options = fs::OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(path);
            let written = file.and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
            written.map_err(|source| at(path, "written", source))?;
            Ok(bytes)
        }
        Err(source) => Err(at(path, "read", source)),
    }
}

/// Replaces a file, whole or not at all, that nobody else can read.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file(path, &[bytes], Readers::Owner)
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, position) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(position..position + 2)?, 16).ok()?;
    }
    Some(key)
}

fn at(path: &Path, action: &'static str, source: io::Error) -> StartError {
    StartError::File { path: path.display().to_string(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    #[test]
    fn a_key_is_made_once_kept_and_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let data = data_folder(&folder.path().join("data")).unwrap();
        assert_eq!(installation_key(&data).unwrap(), None, "looking makes none");
        let made = made_key(&data, &SystemEntropy).unwrap();
        assert_eq!(made_key(&data, &SystemEntropy).unwrap(), made);
        assert_eq!(installation_key(&data).unwrap(), Some(made));
        for (path, mode) in [(data.clone(), 0o700), (data.join(KEY_FILE), 0o600)] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
    }

    #[test]
    fn an_open_folder_is_closed_if_it_is_ours_and_refused_if_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        for (name, file, is_closed) in
            [("empty", None, true), ("ours", Some(KEY_FILE), true), ("another", Some("notes.txt"), false)]
        {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            if let Some(file) = file {
                fs::write(path.join(file), "x").unwrap();
            }
            open(&path);
            assert_eq!(data_folder(&path).is_ok(), is_closed, "{name}");
            assert_eq!(mode(&path), if is_closed { 0o700 } else { 0o755 }, "{name}");
        }
    }

    #[test]
    fn a_damaged_key_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(KEY_FILE), "short").unwrap();
        let error = installation_key(folder.path()).unwrap_err().to_string();
        assert!(error.contains("restore it from your backup"), "{error}");
        assert_eq!(fs::read(folder.path().join(KEY_FILE)).unwrap(), b"short");
    }

    #[test]
    fn a_key_is_written_as_hexadecimal_digits() {
        assert_eq!(from_hex(&"0f".repeat(32)), Some([15; 32]));
        for wrong in ["", "0f", &"0g".repeat(32), &"é".repeat(32)] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
