//! Vestibule's sandbox: everything that knows wasmtime, and nothing that knows users.
//!
//! The way of a module: [`inspect`] reads its structure and refuses what may not be uploaded, without running or
//! compiling it; [`Compiler`] turns it into machine code in a killable child process ([`worker`]) and keeps the result
//! under a MAC ([`cache`]); [`Engine::load`] links what was granted; [`SandboxedRule::run`] runs it once, metered, in a
//! store and an instance of its own; [`drive`] does that for each rule of a login. All of it runs on a tokio runtime with its
//! timer, of one thread or many; an engine belongs to one runtime, which resets in between what runs have used.
//!
//! What must never happen here: a guest's bytes parsed on the guest's stack, a run without a budget, an artifact loaded
//! that this installation did not write, a store used twice.

pub mod cache;
mod case;
mod compiler;
mod desk;
mod drive;
mod engine;
mod evaluate;
mod failure;
mod files;
mod hash;
mod heap;
pub mod http;
#[cfg(feature = "in-process-compile")]
mod in_process;
mod inspect;
mod javascript;
mod link;
mod logs;
mod meter;
mod preinit;
mod ready;
mod refusal;
mod replace;
mod revision;
mod rule;
mod settings;
mod slot;
mod ticker;
mod watch;
pub mod worker;

pub use case::{Case, CaseError};
pub use compiler::{CompileError, CompiledRule, Compiler, Tier};
pub use drive::{HttpReport, LoadedPipeline, Report, RuleReport, drive};
pub use engine::{Engine, EngineError};
pub use files::{DataFiles, DataFilesError};
#[cfg(feature = "in-process-compile")]
pub use in_process::InProcessCompiler;
pub use inspect::{Inspected, StructureLimits, inspect, inspect_within};
pub use javascript::{
    JavaScriptUpload, ModuleBundle, ScriptCapability, ScriptKind, inspect_interpreter, inspect_javascript,
};
pub use logs::LogLine;
pub use refusal::Refusal;
pub use replace::{Readers, replace_file};
pub use revision::{GrantError, Revision, RevisionError};
pub use rule::{Grants, Run, SandboxedRule};
pub use settings::{CompileLimits, Profile, Settings};
