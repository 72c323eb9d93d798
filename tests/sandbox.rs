//! Each promise of the sandbox has a hostile guest here.
//!
//! [`corpus`] runs the catalogue of spec `hostile-rules` §5 case by case, through the whole way of a module: inspect,
//! compile in a child process, link, run, and a login through the pipeline. The other files hold what is more than one
//! module and one outcome. What must hold after every case stands in [`harness`].

mod harness;

mod corpus;

mod cache;
mod compiling;
mod determinism;
mod fairness;
mod http;
mod javascript;
mod javascript_hostile;
mod logins;
mod ready;
mod residue;
mod stack;
