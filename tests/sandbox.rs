//! Each promise of the sandbox has a hostile guest here.
