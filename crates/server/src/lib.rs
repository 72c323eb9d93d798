//! The login service: OpenID Connect, hosted pages, and the login transaction around the rules.
//!
//! [`router`] has every route on one page, [`app`] what all handlers share, [`login`] the transaction itself. [`admin`]
//! is the page of the other listener, and [`serve`] puts a node together.

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
pub mod letters;
pub mod limits;
pub mod mail;
pub mod password;

pub mod keys;
mod session;
mod tokens;

pub mod clock;
pub mod error;
mod headers;
pub mod https;
mod pages;
pub mod request;

pub mod demo;
pub mod first_start;
pub mod serve;
pub mod settings;

pub mod admin;
mod run_api;

pub mod bundle;
pub mod generations;
pub mod interpreter;
pub mod plan;

mod guard;
pub mod listener;
mod shares;
pub mod telemetry;
