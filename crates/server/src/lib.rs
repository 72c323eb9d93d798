//! The login service: OpenID Connect, hosted pages, and the login transaction around the rules.
