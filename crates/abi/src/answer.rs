//! The names in a rule's answer: one JSON object, `{"continue": {…}}` or `{"deny": {"code", "reason"}}`.
//!
//! The host refuses unknown members (`output_schema`); `pipeline` parses an answer, the SDKs build one.

/// Go on, with the changes in the object (which may be empty).
pub const CONTINUE: &str = "continue";
/// Refuse the login; excludes [`CONTINUE`].
pub const DENY: &str = "deny";

/// Stored for the user; first-level keys set or, with `null`, delete.
pub const USER_METADATA: &str = "user_metadata";
/// Stored for the application; first-level keys set or, with `null`, delete.
pub const APP_METADATA: &str = "app_metadata";
/// Root properties of `user` for later rules and profile claims; never stored.
pub const USER: &str = "user";
/// Properties of `context` for later rules; host-owned ones cannot be changed.
pub const CONTEXT: &str = "context";
/// What rules of one login share; a fresh object per login.
pub const SHARED: &str = "shared";
/// Claims of the ID token.
pub const ID_TOKEN: &str = "id_token";
/// Claims of the access token.
pub const ACCESS_TOKEN: &str = "access_token";
/// The scope that replaces what was granted: an array of strings.
pub const SCOPE: &str = "scope";
/// Demand a second factor: `{"allow_remember_browser": bool}`.
pub const SECOND_FACTOR: &str = "second_factor";
/// Send the browser elsewhere first: `{"url": string}`.
pub const REDIRECT: &str = "redirect";

/// Every member that `continue` may have.
pub const CONTINUE_MEMBERS: &[&str] =
    &[USER_METADATA, APP_METADATA, USER, CONTEXT, SHARED, ID_TOKEN, ACCESS_TOKEN, SCOPE, SECOND_FACTOR, REDIRECT];

/// Member of [`DENY`]: `[a-z][a-z0-9_]*`, at most 64 bytes.
pub const DENY_CODE: &str = "code";
/// Member of [`DENY`]: free text, at most 256 characters.
pub const DENY_REASON: &str = "reason";
/// Member of [`SECOND_FACTOR`].
pub const ALLOW_REMEMBER_BROWSER: &str = "allow_remember_browser";
/// Member of [`REDIRECT`].
pub const REDIRECT_URL: &str = "url";
