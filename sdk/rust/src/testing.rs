//! Natively a rule is an ordinary function; this is what a unit test needs around it.
//!
//! ```
//! use vestibule::{Answer, Event, Result, http, log, testing};
//!
//! fn greet(event: Event<'_>) -> Result<Answer> {
//!     let name = event.user().get("name")?.as_str()?;
//!     log::info!("asking for {name}");
//!     let response = http::get("https://api.example.com/greeting").send()?;
//!     Ok(Answer::allow().set_shared("greeting", response.json::<String>()?).into())
//! }
//!
//! let host = testing::Host::new()
//!     .reply("GET", "https://api.example.com/greeting", testing::Reply::json(200, r#""hello""#));
//! let login = testing::Login::from_json(r#"{"user": {"name": "Ada"}}"#)?;
//! assert_eq!(
//!     testing::answer(greet(login.event()?)).to_string(),
//!     r#"{"continue":{"shared":{"greeting":"hello"}}}"#,
//! );
//! assert_eq!(host.logs(), ["info: asking for Ada"]);
//! # Ok::<(), vestibule::Error>(())
//! ```

use serde_json::{Value, json};
use vestibule_abi::document::{self, Document};

use crate::{Event, FromEvent, IntoAnswer, Result};

pub(crate) mod host;

pub use host::{Host, Reply, Request};

/// The event of a login, for as many runs as a test likes.
#[derive(Debug, Clone)]
pub struct Login {
    document: Vec<u8>,
}

impl Login {
    /// A login with the event `{"user", "context", "configuration", "shared"}`, all of them optional here.
    ///
    /// # Errors
    /// When a rule could never receive it: a number out of range, nested too deep.
    pub fn new(event: &Value) -> Result<Self> {
        Ok(Self { document: document::encode(event)? })
    }

    /// As [`Login::new`], from text.
    ///
    /// # Errors
    /// Also when it is not JSON.
    pub fn from_json(event: &str) -> Result<Self> {
        Self::new(&serde_json::from_str(event).map_err(|error| crate::Error::new(error.to_string()))?)
    }

    /// The event as the rule takes it.
    ///
    /// # Errors
    /// When the rule's type asks for another shape, as it would fail on the host.
    pub fn event<'a, T: FromEvent<'a>>(&'a self) -> Result<T> {
        T::from_event(Event::new(Document::parse(&self.document)?))
    }
}

/// What the host would get from a rule: `{"continue": {…}}`, `{"deny": {…}}`, or `{"fail": "message"}` for an error.
pub fn answer(answer: impl IntoAnswer) -> Value {
    let json = answer.into_answer().and_then(crate::Answer::into_json);
    let value = json.and_then(|json| serde_json::from_slice(&json).map_err(|e| crate::Error::new(e.to_string())));
    value.unwrap_or_else(|error| json!({"fail": error.message()}))
}
