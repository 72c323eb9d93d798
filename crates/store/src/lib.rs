//! Where users, logins and pipelines are kept: SQLite or PostgreSQL behind one trait.
