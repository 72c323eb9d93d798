//! A site that people log in to: a small program of its own, built on a client library in that library's language.
//!
//! It says where it is, is told whose client it is, and then has a page for each thing that a site does.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use url::Url;

/// What a site is built on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Library {
    /// npm `openid-client`.
    OpenidClient,
    /// PyPI `Authlib`, with Flask.
    Authlib,
}

/// A site; it ends when it is dropped.
pub(super) struct RelyingParty {
    program: Child,
    home: Url,
}

impl Library {
    /// What runs the program, and where the program is.
    fn program(self) -> (PathBuf, PathBuf) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
        let (needed, runner, script) = match self {
            Self::OpenidClient => ("node_modules/openid-client", "node".into(), "openid_client.mjs"),
            Self::Authlib => (".venv/done", folder.join(".venv/bin/python"), "authlib_client.py"),
        };
        assert!(
            folder.join(needed).exists(),
            "{self:?} is not there: `cargo xtask test` installs it, and says why it cannot"
        );
        (runner, folder.join(script))
    }
}

impl RelyingParty {
    /// Starts a site on a free port.
    pub(super) fn start(library: Library) -> Self {
        let (runner, script) = library.program();
        let mut command = Command::new(&runner);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program =
            command.spawn().unwrap_or_else(|error| panic!("{} cannot be started: {error}", runner.display()));
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { program, home: Url::parse(said["home"].as_str().unwrap()).unwrap() }
    }

    /// Tells it whose client it is.
    pub(super) fn registered(mut self, issuer: &str, id: &str, secret: Option<&str>) -> Self {
        let mut settings = json!({"issuer": issuer, "client_id": id});
        if let Some(secret) = secret {
            settings["client_secret"] = json!(secret);
        }
        writeln!(self.program.stdin.as_mut().unwrap(), "{settings}").unwrap();
        self
    }

    /// A page of it.
    pub(super) fn url(&self, page: &str) -> String {
        self.home.join(page).unwrap().into()
    }
}

impl Drop for RelyingParty {
    fn drop(&mut self) {
        let _already_gone = self.program.kill();
        let _already_gone = self.program.wait();
    }
}
