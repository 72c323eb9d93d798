//! The login service: OpenID Connect, hosted pages, and the login transaction around the rules.
//!
//! [`router`] has every route on one page, [`app`] what all handlers share, [`login`] the transaction itself.

pub mod app;
pub mod router;

pub mod login;
pub mod oauth;

pub mod keys;
mod session;
mod tokens;

pub mod clock;
pub mod error;
mod pages;
pub mod request;

pub mod settings;

pub mod bundle;
pub mod plan;

pub mod listener;
pub mod telemetry;
