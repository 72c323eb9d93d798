//! The promises of spec `hostile-rules` §5.8, in both directions: what must pass, and what must not leave the host.
//!
//! Names resolve to what a test says, and every connection goes to a peer on loopback, whatever address was checked:
//! nothing here can send anything elsewhere, and each test can tell which addresses were dialled.

mod addresses;
mod bounds;
mod policy;
mod recordings;
mod redirects;
mod replays;
mod secrets;
mod tls;
mod waits;
mod world;
