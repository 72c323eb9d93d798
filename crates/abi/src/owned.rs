//! Names in the event and in tokens that belong to the host, or that a rule may set only where its manifest names them to
//! the letter.

/// Root properties of the user that no rule changes (DESIGN §2, HR-83), beside all that begin with `last_`.
pub const USER: &[&str] = &[
    "app_metadata",
    "blocked",
    "connection",
    "created_at",
    "identities",
    "logins_count",
    "multifactor",
    "password",
    "password_hash",
    "provider",
    "tenant",
    "updated_at",
    "user_id",
    "user_metadata",
];

/// Who the user can be reached as: only where `writes` names them to the letter, since later rules and profile claims
/// follow them.
pub const USER_LITERAL_ONLY: &[&str] = &["email", "email_verified", "phone_number", "phone_verified"];

/// What the host tells rules about the login (spec `auth0-behaviour` §2), and outputs that have members of their own.
pub const CONTEXT: &[&str] = &[
    "accessToken",
    "authentication",
    "authorization",
    "clientID",
    "clientMetadata",
    "clientName",
    "connection",
    "connectionID",
    "connectionMetadata",
    "connectionOptions",
    "connectionStrategy",
    "idToken",
    "multifactor",
    "now",
    "organization",
    "original_protocol",
    "protocol",
    "redirect",
    "request",
    "riskAssessment",
    "seed",
    "sessionID",
    "sso",
    "stats",
    "tenant",
];

/// Claims a rule may set only where its manifest names them to the letter: they say who the user is (R-51, HR-83).
pub const CLAIMS_LITERAL_ONLY: &[&str] = &["email", "email_verified", "phone_number", "phone_number_verified"];
