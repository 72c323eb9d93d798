//! The JavaScript toolchain: what is needed around the sandbox so that a file `rule.js` becomes a rule.
//!
//! [`interpreter()`] builds the module that JavaScript rules run on, from C sources, once for an installation.
//! [`upload()`] turns an author's source into what is deployed. Neither runs any of it: that is the engine's work, in the
//! compile worker. Node is never needed here.

mod interpreter;
mod modules;
pub mod tools;
mod upload;

pub use interpreter::{BuildError, built_interpreter, interpreter};
pub use modules::table;
pub use upload::upload;
pub use vestibule_javascript_analysis::Diagnostic;
