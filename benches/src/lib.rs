//! What a rule costs a login: the pieces that `bars.rs` and `rule.rs` measure with.
//!
//! Figures of a busy machine mean little, ratios within one run mean much: whatever is compared is measured in turns,
//! a few runs of each, for many rounds ([`rounds`]), and the median is taken. [`guests`] holds what is measured,
//! [`native`] what it is compared with, [`mod@bench`] the engine it runs on, [`report`] what is printed. One file for
//! each group of bars stands in [`measure`].
//!
//! Nothing here is a test: a missed bar is printed, and fails the command only when it is asked to.

pub mod bare;
pub mod bench;
pub mod event;
pub mod guests;
pub mod native;

pub mod connection;
pub mod logins;
pub mod node;

pub mod machine;
pub mod measure;
pub mod peers;
pub mod report;
pub mod rounds;
