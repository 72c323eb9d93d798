//! End to end, in one binary: real modules, real processes, real HTTP.

mod sandbox;
