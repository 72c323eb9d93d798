//! Vestibule's sandbox. So far only its outbound HTTP.

pub mod http;
