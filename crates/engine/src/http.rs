//! Outbound HTTP for rules: what a request may be, where it may go, and what comes back.
//!
//! [`Requests`] is the one door: it holds all requests of one run of one rule. It reads what the rule asks for against
//! its [`HttpGrants`], then answers from a [`Source`]: the network through [`Egress`], a [`Recording`], or what was
//! recorded when the login ran before.
//!
//! Two independent checks stand between a rule and the network. The *origin* of each request and each redirect is one
//! the manifest names; the *address* of each connection is public, or opened by the operator. The second check is made
//! where the socket is opened and nowhere else, because an HTTP client skips its resolver for literal addresses,
//! knows no port in it, and resolves again when it likes.
//!
//! This module knows no wasm: it never sees guest memory, and its callers link it to the guest.

mod address;
mod breaker;
mod connect;
mod egress;
mod exchange;
mod fetch;
mod grants;
mod outgoing;
mod recording;
mod requests;
mod resolve;
mod secret;

pub use self::{
    connect::{Dial, SystemDial},
    egress::{Egress, EgressError, EgressSettings},
    exchange::{Asked, Exchange, Received, Record, Response},
    grants::{HttpGrants, InvalidSecret},
    outgoing::HOP_HEADER,
    recording::{Playback, Recording, RecordingError},
    requests::{Requests, Source, Unrecorded},
    resolve::{Resolve, SystemResolver},
};

#[cfg(test)]
mod tests;
