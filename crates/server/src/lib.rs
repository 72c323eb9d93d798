//! The login service: OpenID Connect, hosted pages, and the login transaction around the rules.
//!
//! [`router`] has every route on one page, [`app`] what all handlers share, [`login`] the transaction itself.

pub mod app;
pub mod router;

pub mod login;
pub mod oauth;

pub mod accounts;
pub mod change_password;
pub mod factor;
pub mod signup;
pub mod verification;

pub mod csrf;
pub mod identifier;
pub mod limits;
pub mod mail;
pub mod password;

pub mod keys;
mod session;
mod tokens;

pub mod clock;
pub mod error;
mod headers;
mod pages;
pub mod request;

pub mod settings;

pub mod bundle;
pub mod plan;

pub mod listener;
pub mod telemetry;
