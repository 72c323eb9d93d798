//! The login service: OpenID Connect, hosted pages, and the login transaction around the rules.

pub mod bundle;
pub mod listener;
pub mod plan;
pub mod settings;
pub mod telemetry;
