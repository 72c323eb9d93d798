//! Side by side with what a team would use instead: `cargo xtask bench --peers`.
//!
//! [`rows`] names who is compared, [`process`] speaks to each in its own process, [`contest`] gives them their turns,
//! [`results`] is what came out (and is kept as JSON, so that a picture can be drawn again without measuring), [`bars`]
//! judges it, [`page`] and [`picture`] show it. [`ours`] is the process that measures Vestibule, its floors and native code.

pub mod bars;
pub mod contest;
pub mod ours;
pub mod page;
pub mod picture;
pub mod process;
pub mod results;
pub mod rows;
