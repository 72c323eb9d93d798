//! The login service from outside: OpenID Connect, the login transaction, and what attackers try.

mod basic_op;
mod break_glass;
mod grants;
mod hostile;
mod logout;
mod races;
mod rotation;
pub(crate) mod rules;
mod stale;
mod tokens;
mod transaction;
