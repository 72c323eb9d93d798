//! How a command ends: the exit codes scripts may rely on, and the one error type that carries them.
//!
//! Codes never change their meaning. A verb returns [`Exit`] when it did its work, [`Fault`] when it could not; nothing
//! else in this crate decides an exit code. With `--json` a fault is printed as `{"error": {"code", "message"}}`.

use std::{fmt, process::ExitCode};

use serde::Serialize;
use vestibule_abi::codes::RefusalCode;

/// What the process reports to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The command did its work; for `run`, the rules reached an outcome, whichever it was.
    Reached = 0,
    /// A case failed, or a rule could not be tried.
    CasesFailed = 1,
    /// The command line is not understood.
    Usage = 2,
    /// A file is missing, or its contents are not what they must be.
    BadInput = 3,
    /// The module was refused, or asks for what its manifest does not grant; for `check`, a rule is not what it must be.
    Refused = 4,
    /// A fault of ours or of this machine.
    Host = 5,
    /// A toolchain is missing.
    Toolchain = 6,
}

impl Exit {
    /// Every code with its meaning, as `vestibule help` prints them.
    pub(crate) const TABLE: &[(Self, &str)] = &[
        (Self::Reached, "done; for `run`: the rules reached an outcome, whichever it was"),
        (Self::CasesFailed, "`test`: at least one case failed, or a rule could not be tried"),
        (Self::Usage, "the command line is not understood"),
        (
            Self::BadInput,
            "a file is missing, or its contents are not what they must be; a server did not accept a request",
        ),
        (
            Self::Refused,
            "a module was refused, or asks for what its manifest does not grant; `check`: a deploy would refuse at least one rule",
        ),
        (
            Self::Host,
            "a fault of Vestibule or of this machine; a server that cannot be reached, or a node that is behind",
        ),
        (Self::Toolchain, "a toolchain that the rule's language needs is missing"),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do its work, with the next step in its message.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The command line makes no sense in a way that clap cannot see.
    Usage(String),
    /// A file the author wrote, or did not write.
    BadInput {
        /// Which kind of file or value is wrong.
        code: BadInput,
        /// One sentence: what is wrong, where, and what to do.
        message: String,
    },
    /// A module or manifest that would be refused at deploy.
    Refused {
        /// The same code a deploy would answer.
        code: RefusalCode,
        /// One sentence: what is wrong, and what to do.
        message: String,
    },
    /// A server said no.
    Server {
        /// The HTTP status.
        status: u16,
        /// The stable word it gave.
        code: String,
        /// What it said.
        message: String,
    },
    /// Neither the author's nor the caller's fault.
    Host(anyhow::Error),
    /// What is missing, and how to get it.
    Toolchain(String),
}

/// What kind of input is wrong; the `code` of the JSON error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadInput {
    /// A file or folder that is not there or cannot be read.
    FileMissing,
    /// An event file of another shape.
    EventInvalid,
    /// A `rule.toml` or `pipeline.toml` of another shape, an unknown key included.
    ManifestInvalid,
    /// A case file of another shape.
    CaseInvalid,
    /// A recording of another shape.
    RecordingInvalid,
    /// A value on the command line of another shape.
    OptionInvalid,
    /// A settings file, or a variable that is a setting, of another shape.
    SettingsInvalid,
    /// A folder that holds something already.
    AlreadyThere,
    /// The rule's source does not compile.
    BuildFailed,
    /// An export of another product of another shape.
    ExportInvalid,
}

impl BadInput {
    const fn as_str(self) -> &'static str {
        match self {
            Self::FileMissing => "file_missing",
            Self::EventInvalid => "event_invalid",
            Self::ManifestInvalid => "manifest_invalid",
            Self::CaseInvalid => "case_invalid",
            Self::RecordingInvalid => "recording_invalid",
            Self::OptionInvalid => "option_invalid",
            Self::SettingsInvalid => "settings_invalid",
            Self::AlreadyThere => "already_there",
            Self::BuildFailed => "build_failed",
            Self::ExportInvalid => "export_invalid",
        }
    }
}

impl Fault {
    /// Something is wrong with a file or value of the author's.
    pub(crate) fn bad_input(code: BadInput, message: impl Into<String>) -> Self {
        Self::BadInput { code, message: message.into() }
    }

    /// The same with the name of the file it is about.
    pub(crate) fn about(self, file: impl fmt::Display) -> Self {
        match self {
            Self::BadInput { code, message } => Self::BadInput { code, message: format!("{file}: {message}") },
            other => other,
        }
    }

    /// Whether the author of one rule can mend it, and other rules may be what they must be.
    pub(crate) const fn is_of_a_rule(&self) -> bool {
        matches!(self, Self::BadInput { .. } | Self::Refused { .. })
    }

    /// The exit code of this fault.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::BadInput { .. } => Exit::BadInput,
            Self::Refused { .. } | Self::Server { status: 422, .. } => Exit::Refused,
            Self::Server { status: 400..=499, .. } => Exit::BadInput,
            Self::Server { .. } | Self::Host(_) => Exit::Host,
            Self::Toolchain(_) => Exit::Toolchain,
        }
    }

    /// The stable word for this fault.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Usage(_) => "usage",
            Self::BadInput { code, .. } => code.as_str(),
            Self::Refused { code, .. } => code.as_str(),
            Self::Server { code, .. } => code,
            Self::Host(_) => "host_internal",
            Self::Toolchain(_) => "toolchain_missing",
        }
    }

    /// What `--json` prints in place of an answer.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": self.told() })
    }

    /// Its word and its message.
    pub(crate) fn told(&self) -> Told {
        Told { code: self.code().to_owned(), message: self.to_string() }
    }
}

/// A fault as machines are told of it.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    /// The stable word.
    pub(crate) code: String,
    /// For people: what is wrong, and what to do.
    pub(crate) message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Toolchain(message) => f.write_str(message),
            Self::BadInput { message, .. } | Self::Refused { message, .. } => f.write_str(message),
            Self::Server { message, code, .. } => write!(f, "{message} ({code})"),
            Self::Host(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Self {
        Self::Host(error)
    }
}

/// What every verb returns.
pub(crate) type Done = Result<Exit, Fault>;
