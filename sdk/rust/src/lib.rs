//! Rules for the Vestibule login pipeline: one function, from the event of a login to an answer.
//!
//! ```
//! use vestibule::{Answer, Event, Result};
//!
//! #[vestibule::rule]
//! fn plan_claim(event: Event<'_>) -> Result<Answer> {
//!     let user = event.user();
//!     if !user.get("email_verified")?.as_bool()? {
//!         return Ok(Answer::deny("email_not_verified", "Please verify your e-mail address first."));
//!     }
//!     let plan = user.find("app_metadata.plan").map_or(Ok("free"), |plan| plan.as_str())?;
//!     Ok(Answer::allow().id_token("https://example.com/plan", plan).into())
//! }
//!
//! // Natively a rule is an ordinary function:
//! let login = vestibule::testing::Login::from_json(r#"{"user": {"email_verified": true}}"#)?;
//! let answer = vestibule::testing::answer(plan_claim(login.event()?));
//! assert_eq!(answer.to_string(), r#"{"continue":{"id_token":{"https://example.com/plan":"free"}}}"#);
//! # Ok::<(), vestibule::Error>(())
//! ```
//!
//! A rule asks, the host decides: nothing in an answer happens unless the whole login commits. A rule has no clock, no
//! entropy and no environment; time is in [`Event::now`]. What it imports is what it asks to be allowed: using
//! [`http`] or [`files`] makes the module ask for that capability, and `rule.toml` has to grant it.
//!
//! An instance lives for one login and is dropped. `unsafe` stands in the module `wasm` and in the output of the macro,
//! nowhere else.

extern crate alloc;

mod answer;
mod error;
mod event;
pub mod files;
mod host;
pub mod http;
mod json;
pub mod log;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use answer::{Allow, Answer, Deny, IntoAnswer};
pub use error::{Error, Result};
pub use event::{Event, Field, FromEvent, Kind};
pub use vestibule_abi::document::Key;
pub use vestibule_macros::rule;

/// What the macro's output calls. Not for use by hand; it may change at any time.
#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub mod __private {
    pub use crate::wasm::run;
}
