//! A folder of a test's own, and the command run in it.

use std::{
    fs,
    io::{PipeWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// An event that every rule accepts.
pub(crate) const EVENT: &str = r#"{
  "user": { "user_id": "auth0|ada", "email": "ada@example.com", "user_metadata": { "language": "en" } },
  "context": { "clientID": "shop", "now": 1767225600000 }
}"#;

/// A manifest whose rule may write `app_metadata.seen`, and `extra` lines after it.
pub(crate) fn manifest(name: &str, order: i64, extra: &str) -> String {
    format!(
        "name = \"{name}\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = {order}\n\
         writes = [\"app_metadata.seen\", \"id_token.https://example.com/plan\", \"deny\"]\n{extra}"
    )
}

/// A module that answers always the same.
pub(crate) fn answering(answer: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
          (import "vestibule_v1" "answer" (func $answer (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 16) "{}")
          (func (export "run") (call $answer (i32.const 16) (i32.const {}))))"#,
        answer.replace('"', "\\\""),
        answer.len()
    ))
    .unwrap()
}

/// A folder that is gone when the test is over.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("event.json", EVENT);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// A rule's folder with a manifest and a module.
    pub(crate) fn rule(&self, name: &str, order: i64, extra: &str, module: &[u8]) {
        self.write(&format!("{name}/rule.toml"), manifest(name, order, extra));
        self.write(&format!("{name}/rule.wasm"), module);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[])
    }

    /// The same with these variables.
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        Ended::of(self.command(arguments, variables).output().unwrap())
    }

    /// The same where nobody reads what it prints.
    pub(crate) fn run_unread(&self, arguments: &[&str]) -> Ended {
        self.run_into(arguments, nobody())
    }

    /// The same where what it prints goes to a file.
    pub(crate) fn run_into(&self, arguments: &[&str], stdout: impl Into<Stdio>) -> Ended {
        Ended::of(self.command(arguments, &[]).stdout(stdout).stderr(Stdio::piped()).output().unwrap())
    }

    /// The same with this on its stdin.
    pub(crate) fn run_on(&self, arguments: &[&str], stdin: &str) -> Ended {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let child = self.command(arguments, &[]).stdin(reader).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        writer.write_all(stdin.as_bytes()).unwrap();
        drop(writer);
        Ended::of(child.unwrap().wait_with_output().unwrap())
    }

    pub(crate) fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command
            .args(arguments)
            .current_dir(self.path())
            // Compiled rules are shared between tests, and never with the person who runs them.
            .env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"))
            .env("XDG_STATE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"))
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        command
    }
}

/// Where nobody reads.
pub(crate) fn nobody() -> PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer
}

/// How the command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}
