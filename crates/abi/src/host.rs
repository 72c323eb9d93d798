//! The host functions a rule may import, and the capability each namespace asks for.
//!
//! The import namespace *is* the ABI version, and the set of namespaces is the capability request: both can be read
//! from a module without running it. Every parameter and result is an `i32` (offsets and lengths are unsigned).

use core::fmt;

/// The namespace every rule may import.
pub const CORE: &str = "vestibule_v1";
/// The namespace of outbound HTTP; granted by `http = ["https://…"]`.
pub const HTTP: &str = "vestibule_http_v1";
/// The namespace of the rule's own `data/` folder; granted by `files = true`.
pub const FILE: &str = "vestibule_file_v1";
/// The namespace of hashing, which tells and changes nothing: every rule may import it.
pub const HASH: &str = "vestibule_hash_v1";

/// The export that holds the guest's linear memory.
pub const MEMORY_EXPORT: &str = "memory";
/// The export the host calls once for each login: `() -> ()`.
pub const RUN_EXPORT: &str = "run";
/// An optional export that runs once, at deploy, before the heap is snapshot: `() -> ()`.
pub const INITIALIZE_EXPORT: &str = "_initialize";

/// Event form 0: canonical JSON text.
pub const FORM_JSON: i32 = 0;
/// Event form 1: the binary [document](crate::document).
pub const FORM_DOCUMENT: i32 = 1;

/// What `open` of [`FILE`] returns for a path that is not there.
pub const FILE_ABSENT: i32 = -1;

/// A host function: its namespace, its name and its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostFunction {
    /// The import namespace.
    pub namespace: &'static str,
    /// The import name.
    pub name: &'static str,
    /// What each `i32` parameter means, in order.
    pub params: &'static [&'static str],
    /// Whether it returns one `i32`.
    pub returns: bool,
}

impl fmt::Display for HostFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}(", self.namespace, self.name)?;
        for (position, param) in self.params.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{param}: i32")?;
        }
        f.write_str(if self.returns { ") -> i32" } else { ")" })
    }
}

const fn function(
    namespace: &'static str,
    name: &'static str,
    params: &'static [&'static str],
    returns: bool,
) -> HostFunction {
    HostFunction { namespace, name, params, returns }
}

/// Every host function there is, in the order of the reference documentation.
pub const FUNCTIONS: &[HostFunction] = &[
    function(CORE, "event_len", &["form"], true),
    function(CORE, "event_read", &["form", "ptr"], false),
    function(CORE, "answer", &["ptr", "len"], false),
    function(CORE, "fail", &["ptr", "len"], false),
    function(CORE, "log", &["level", "ptr", "len"], false),
    function(HTTP, "start", &["head_ptr", "head_len", "body_ptr", "body_len"], true),
    function(HTTP, "wait", &["handles_ptr", "n"], true),
    function(HTTP, "result_len", &["handle"], true),
    function(HTTP, "result_read", &["handle", "ptr"], false),
    function(HTTP, "body_read", &["handle", "offset", "ptr", "len"], true),
    function(FILE, "open", &["path_ptr", "path_len"], true),
    function(FILE, "size", &["handle"], true),
    function(FILE, "read", &["handle", "offset", "ptr", "len"], true),
    function(HASH, "digest", &["algorithm", "ptr", "len", "to_ptr"], true),
    function(HASH, "hmac", &["algorithm", "key_ptr", "key_len", "ptr", "len", "to_ptr"], true),
    function(
        HASH,
        "pbkdf2",
        &["algorithm", "password_ptr", "password_len", "salt_ptr", "salt_len", "rounds", "to_ptr", "to_len"],
        false,
    ),
    function(HASH, "bcrypt", &["password_ptr", "password_len", "salt_ptr", "cost", "to_ptr"], false),
];

/// Finds a host function by its import.
#[must_use]
pub fn lookup(namespace: &str, name: &str) -> Option<&'static HostFunction> {
    FUNCTIONS.iter().find(|function| function.namespace == namespace && function.name == name)
}

/// The host functions of a namespace.
pub fn functions_of(namespace: &str) -> impl Iterator<Item = &'static HostFunction> {
    FUNCTIONS.iter().filter(move |function| function.namespace == namespace)
}

/// A set of host functions that is granted to a rule as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Reading the event, answering, logging: always granted.
    Core,
    /// Requests to the origins named in the rule's manifest.
    Http,
    /// Reading the rule's own `data/` folder.
    Files,
    /// Hashing: always granted.
    Hash,
}

impl Capability {
    /// What every rule is granted.
    pub const ALWAYS: [Self; 2] = [Self::Core, Self::Hash];

    /// The capability a namespace asks for, or `None` for a namespace that is not ours.
    #[must_use]
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        match namespace {
            CORE => Some(Self::Core),
            HTTP => Some(Self::Http),
            FILE => Some(Self::Files),
            HASH => Some(Self::Hash),
            _ => None,
        }
    }

    /// The import namespace of this capability.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Core => CORE,
            Self::Http => HTTP,
            Self::Files => FILE,
            Self::Hash => HASH,
        }
    }

    /// The line of `rule.toml` that grants it, the rule's own hosts to be filled in; empty for what is always granted.
    #[must_use]
    pub const fn grant_line(self) -> &'static str {
        match self {
            Self::Core | Self::Hash => "",
            Self::Http => r#"http = ["https://the.host.it.calls"]"#,
            Self::Files => "files = true",
        }
    }
}

/// How loud a line of a rule's log is; the numbers are the wire values of `log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 0: for the author at work.
    Debug,
    /// 1: worth keeping.
    Info,
    /// 2: something is off, the rule went on.
    Warn,
    /// 3: something failed.
    Error,
}

impl Level {
    /// Reads the wire value.
    #[must_use]
    pub const fn from_wire(value: i32) -> Option<Self> {
        match value {
            0 => Some(Self::Debug),
            1 => Some(Self::Info),
            2 => Some(Self::Warn),
            3 => Some(Self::Error),
            _ => None,
        }
    }

    /// The lower-case word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What `digest`, `hmac` and `pbkdf2` hash with; the numbers are the wire values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// 0: broken as a signature; what older systems still ask for.
    Md5,
    /// 1: the same.
    Sha1,
    /// 2
    Sha224,
    /// 3
    Sha256,
    /// 4
    Sha384,
    /// 5
    Sha512,
    /// 6
    Ripemd160,
}

impl HashAlgorithm {
    /// Reads the wire value.
    #[must_use]
    pub const fn from_wire(value: i32) -> Option<Self> {
        match value {
            0 => Some(Self::Md5),
            1 => Some(Self::Sha1),
            2 => Some(Self::Sha224),
            3 => Some(Self::Sha256),
            4 => Some(Self::Sha384),
            5 => Some(Self::Sha512),
            6 => Some(Self::Ripemd160),
            _ => None,
        }
    }

    /// The bytes of a digest.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Md5 => 16,
            Self::Sha1 | Self::Ripemd160 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}
