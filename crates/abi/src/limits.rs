//! What a rule and a login may spend. Every run has all of these limits; there is no unlimited value.
//!
//! The figures are the defaults of spec `hostile-rules` §4. A manifest may lower a rule's [`Budget`], or raise it up to
//! the operator's ceiling.

use core::time::Duration;

/// One wasm page.
pub const WASM_PAGE: u64 = 64 * 1024;
/// The wasm stack of one run, in bytes; the fiber it runs on has [`FIBER_STACK_BYTES`].
pub const WASM_STACK_BYTES: usize = 256 * 1024;
/// The native stack of one run: the wasm stack and room for the host functions above it.
pub const FIBER_STACK_BYTES: usize = 2 * 1024 * 1024;

/// The largest event a rule receives, in bytes of either form.
pub const EVENT_BYTES: usize = 128 * 1024;
/// The deepest JSON accepted at any boundary.
pub const JSON_DEPTH: usize = 32;
/// The most object members one JSON document may have in all.
pub const JSON_KEYS: usize = 1_000;
/// The largest integer accepted, and minus the smallest: 2^53 − 1.
pub const JSON_INTEGER: i64 = (1 << 53) - 1;
/// The longest object key a rule may set, in bytes.
pub const KEY_BYTES: usize = 1_024;

/// Changes one answer may ask for.
pub const MUTATIONS_PER_RULE: usize = 64;
/// Changes all answers of one login may ask for.
pub const MUTATIONS_PER_LOGIN: usize = 256;
/// Each of `user_metadata` and `app_metadata` after the merge, in bytes of canonical JSON.
pub const METADATA_BYTES: usize = 32 * 1024;
/// The custom claims of one token, in bytes of names and values.
pub const CLAIMS_BYTES: usize = 100 * 1024;
/// The reason of a refusal and the message of `fail`, in characters.
pub const REASON_CHARS: usize = 256;
/// The code of a refusal, in bytes.
pub const DENY_CODE_BYTES: usize = 64;
/// The URL of a redirect, in bytes.
pub const REDIRECT_URL_BYTES: usize = 8 * 1024;

/// Rules in one pipeline.
pub const RULES_PER_PIPELINE: usize = 128;

/// The head of an HTTP request, in bytes of JSON.
pub const HTTP_HEAD_BYTES: u32 = 16 * 1024;
/// The body of an HTTP request, in bytes.
pub const HTTP_BODY_BYTES: u32 = 256 * 1024;
/// The body of an HTTP response, in bytes after decoding.
pub const HTTP_RESPONSE_BYTES: usize = 1024 * 1024;
/// The time to connect for an HTTP request, TLS included.
pub const HTTP_CONNECT: Duration = Duration::from_secs(1);
/// The time for one HTTP request in all, unless it asks for less.
pub const HTTP_TOTAL: Duration = Duration::from_secs(5);
/// The redirects one HTTP request may follow, when it asks for that at all.
pub const HTTP_REDIRECTS: u32 = 2;

/// Secrets one rule may be given.
pub const SECRETS_PER_RULE: usize = 16;
/// The value of a secret, in bytes.
pub const SECRET_BYTES: usize = 512;
/// Origins one rule may be granted.
pub const ORIGINS_PER_RULE: usize = 16;

/// A path below a rule's `data/` folder, in bytes.
pub const FILE_PATH_BYTES: u32 = 1_024;
/// Files one run may have open.
pub const OPEN_FILES: usize = 16;

/// What one call hashes, in bytes: each of its arguments.
pub const HASH_BYTES: u32 = 1024 * 1024;
/// The key that one call derives, in bytes.
pub const DERIVED_KEY_BYTES: u32 = 1_024;
/// The salt of bcrypt, in bytes.
pub const BCRYPT_SALT_BYTES: u32 = 16;
/// The digest of bcrypt, in bytes.
pub const BCRYPT_DIGEST_BYTES: u32 = 23;
/// The least and the most that bcrypt may cost, as the power of two that it is. At the most it takes about a second,
/// and cannot be stopped; what a rule has fuel for is less.
pub const BCRYPT_COST: core::ops::RangeInclusive<u32> = 4..=14;

/// What one run of a rule may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Fuel: about one unit per executed instruction.
    pub fuel: u64,
    /// Linear memory, in bytes; a whole number of wasm pages.
    pub memory_bytes: u64,
    /// Time the guest itself may run; waiting for HTTP does not count.
    pub wall: Duration,
    /// Time from the call to the answer, waiting for a slot, for HTTP and for a turn included.
    pub elapsed: Duration,
    /// The answer, in bytes.
    pub answer_bytes: u32,
    /// What is kept of its log, in bytes.
    pub log_bytes: u32,
    /// What is kept of its log, in lines.
    pub log_lines: u32,
    /// Calls of host functions.
    pub host_calls: u32,
    /// HTTP requests.
    pub http_requests: u32,
}

impl Budget {
    /// What a rule gets whose manifest asks for nothing else.
    pub const STANDARD: Self = Self {
        fuel: 10_000_000,
        memory_bytes: 16 * 1024 * 1024,
        wall: Duration::from_millis(50),
        elapsed: LoginBudget::STANDARD.wall,
        answer_bytes: 64 * 1024,
        log_bytes: 8 * 1024,
        log_lines: 100,
        host_calls: 1_000,
        http_requests: 10,
    };

    /// What a rule in JavaScript gets whose manifest asks for nothing else: it is interpreted, at some seventy
    /// instructions for each of its own, and so are the modules it requires, cryptography included.
    pub const JAVASCRIPT: Self = Self { fuel: 50_000_000, wall: Duration::from_millis(250), ..Self::STANDARD };

    /// The most a manifest may ask for, unless the operator says otherwise.
    pub const CEILING: Self = Self { fuel: 50_000_000, wall: Duration::from_secs(1), ..Self::STANDARD };

    /// What is left of a login for its next rule: this budget, but no more of the shared parts than `login` has.
    #[must_use]
    pub fn within(self, login: &LoginBudget) -> Self {
        Self {
            fuel: self.fuel.min(login.fuel),
            wall: self.wall.min(login.wall),
            elapsed: self.elapsed.min(login.wall),
            log_bytes: self.log_bytes.min(login.log_bytes),
            log_lines: self.log_lines.min(login.log_lines),
            http_requests: self.http_requests.min(login.http_requests),
            ..self
        }
    }
}

/// What all rules of one login may spend together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginBudget {
    /// Fuel of all runs.
    pub fuel: u64,
    /// Time from the first rule to the last, waiting for HTTP included.
    pub wall: Duration,
    /// What is kept of all logs, in bytes.
    pub log_bytes: u32,
    /// What is kept of all logs, in lines.
    pub log_lines: u32,
    /// HTTP requests of all rules.
    pub http_requests: u32,
}

impl LoginBudget {
    /// What a login gets unless the operator says otherwise.
    pub const STANDARD: Self = Self {
        fuel: 200_000_000, // Of four rules that use all they can have; as bcrypt, some 300 ms of work.
        wall: Duration::from_secs(10),
        log_bytes: 8 * 1024,
        log_lines: 100,
        http_requests: 10,
    };

    /// Takes off what a run used.
    pub fn spend(&mut self, spent: &Spent) {
        self.fuel = self.fuel.saturating_sub(spent.fuel);
        self.wall = self.wall.saturating_sub(spent.wall);
        self.log_bytes = self.log_bytes.saturating_sub(spent.log_bytes);
        self.log_lines = self.log_lines.saturating_sub(spent.log_lines);
        self.http_requests = self.http_requests.saturating_sub(spent.http_requests);
    }
}

/// What one run used. After an abnormal end the whole budget of fuel is charged, because its counter cannot be trusted
/// (HR-49); where the host itself ended the run, the counter is right, and what was used is told beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Fuel charged.
    pub fuel: u64,
    /// Fuel used, as far as anybody knows: all that is charged, unless the host ended the run.
    pub fuel_used: u64,
    /// The most linear memory it had, in bytes.
    pub peak_memory_bytes: u64,
    /// Time from the call to the answer, waiting for a slot, for HTTP and for a turn included.
    pub wall: Duration,
    /// Calls of host functions.
    pub host_calls: u32,
    /// Log bytes kept.
    pub log_bytes: u32,
    /// Log lines kept.
    pub log_lines: u32,
    /// HTTP requests started.
    pub http_requests: u32,
}
