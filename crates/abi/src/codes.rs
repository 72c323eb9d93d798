//! The stable codes: why a module was refused at deploy, and why a run failed.
//!
//! Tests, dashboards and runbooks match on these words; they never change their meaning, and guest text never enters
//! one. The vocabulary is spec `hostile-rules` §3 with the additions of `DESIGN.md` §3.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The error of parsing a word that is not one of the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCode;

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a known code")
    }
}

impl core::error::Error for UnknownCode {}

macro_rules! codes {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every code, in the order of the vocabulary.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownCode;

            fn from_str(word: &str) -> Result<Self, UnknownCode> {
                Self::ALL.iter().copied().find(|code| code.as_str() == word).ok_or(UnknownCode)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = alloc::string::String::deserialize(deserializer)?;
                word.parse().map_err(de::Error::custom)
            }
        }
    };
}

codes! {
    /// Why a module or its manifest was refused at deploy. Nothing is activated; what ran before keeps running.
    RefusalCode {
        /// Larger than the accepted module size.
        ModuleTooLarge = "module_too_large",
        /// Not a valid WebAssembly binary.
        ModuleMalformed = "module_malformed",
        /// Uses a proposal that is switched off, or is a component.
        FeatureNotAllowed = "feature_not_allowed",
        /// Imports something the host does not offer.
        ImportUnknown = "import_unknown",
        /// Imports a host function with another type.
        ImportTypeMismatch = "import_type_mismatch",
        /// Declares more imports than there are host functions to justify.
        TooManyImports = "too_many_imports",
        /// Lacks `memory` or `run`.
        ExportMissing = "export_missing",
        /// Exports `memory` or `run` with another kind or type.
        ExportTypeMismatch = "export_type_mismatch",
        /// Declares more linear memory than it may have.
        MemoryLimitDeclared = "memory_limit_declared",
        /// Declares more or larger tables than it may have.
        TableLimitDeclared = "table_limit_declared",
        /// Exceeds a bound on functions, types, globals, segments, locals or nesting.
        StructureLimit = "structure_limit",
        /// Did not compile within the time allowed, at any optimisation level.
        CompileTimeout = "compile_timeout",
        /// Did not compile within the memory allowed.
        CompileMemory = "compile_memory",
        /// Crashed the compiler, or the worker answered nonsense.
        CompileCrashed = "compile_crashed",
        /// As many uploads wait to be compiled as may: try again later (HTTP 429).
        CompileQueueFull = "compile_queue_full",
        /// Asks for a version of the ABI this host does not speak.
        AbiVersionUnsupported = "abi_version_unsupported",
        /// A stored artifact is not what this installation wrote.
        ArtifactIntegrity = "artifact_integrity",
        /// Its start function or initialiser did not finish within its confinement.
        InitFailed = "init_failed",
        /// Could not be instantiated, or failed its sample event.
        SmokeFailed = "smoke_failed",
        /// Asks for a capability that its manifest does not grant.
        CapabilityDenied = "capability_denied",
        /// `rule.toml`, `pipeline.toml` or a file they name is not acceptable.
        ManifestInvalid = "manifest_invalid",
    }
}

codes! {
    /// Why a run of a rule failed. The login is denied unless the rule's failure policy says `skip`.
    FailureCode {
        /// The runtime stopped the guest (out of bounds, unreachable, division by zero, …).
        Trap = "trap",
        /// The guest recursed beyond its stack.
        StackExhausted = "stack_exhausted",
        /// The guest used up its fuel.
        FuelExhausted = "fuel_exhausted",
        /// The guest used up its wall-clock time, or the chain did.
        DeadlineExceeded = "deadline_exceeded",
        /// The guest asked for more memory than it may have.
        MemoryLimit = "memory_limit",
        /// An answer whose pointer and length lie outside the guest's memory.
        AbiBadPointer = "abi_bad_pointer",
        /// Reserved: there is no guest allocator in this ABI.
        AbiBadAlloc = "abi_bad_alloc",
        /// No answer, or more than one.
        AbiProtocol = "abi_protocol",
        /// The guest called `fail` with a message of its own.
        GuestError = "guest_error",
        /// The event is larger than a rule may receive.
        EventTooLarge = "event_too_large",
        /// The answer is longer than allowed.
        OutputTooLarge = "output_too_large",
        /// The answer is not UTF-8.
        OutputNotUtf8 = "output_not_utf8",
        /// The answer is not JSON of the canonical profile.
        OutputBadJson = "output_bad_json",
        /// The answer is JSON of another shape.
        OutputSchema = "output_schema",
        /// The answer changes what belongs to the host.
        MutationForbidden = "mutation_forbidden",
        /// Too many changes in one answer or one login.
        MutationLimit = "mutation_limit",
        /// A metadata bag would exceed its size.
        MetadataTooLarge = "metadata_too_large",
        /// The claim is reserved.
        ClaimReserved = "claim_reserved",
        /// Reserved: namespaces are advised, not required.
        ClaimNamespace = "claim_namespace",
        /// The custom claims of a token would exceed their size.
        ClaimsTooLarge = "claims_too_large",
        /// The scope is not one this client may be granted.
        ScopeNotAllowed = "scope_not_allowed",
        /// The redirect leads where the manifest does not allow.
        RedirectNotAllowed = "redirect_not_allowed",
        /// Too many host calls, requests or files.
        HostcallLimit = "hostcall_limit",
        /// A host call with a range, handle or value that is not acceptable.
        HostcallBadArgs = "hostcall_bad_args",
        /// The answer or a host call uses what the manifest does not grant.
        CapabilityDenied = "capability_denied",
        /// The request leads to an address or origin that is not allowed.
        HttpBlocked = "http_blocked",
        /// As a value: the request took too long.
        HttpTimeout = "http_timeout",
        /// As a value: the response is larger than allowed.
        HttpTooLarge = "http_too_large",
        /// As a value: the TLS peer could not be verified.
        HttpTls = "http_tls",
        /// As a value: the request failed for another reason.
        HttpFailed = "http_failed",
        /// The recording that is replayed holds no such request.
        HttpNotRecorded = "http_not_recorded",
        /// A JavaScript rule ended without calling back.
        NoCallback = "no_callback",
        /// A stored artifact is not what this installation wrote.
        ArtifactIntegrity = "artifact_integrity",
        /// Somebody else kept changing the user.
        ConflictExhausted = "conflict_exhausted",
        /// The store did not answer.
        StoreUnavailable = "store_unavailable",
        /// The store has no room.
        StoreFull = "store_full",
        /// The client went away.
        Cancelled = "cancelled",
        /// The host is shutting down.
        Draining = "draining",
        /// The engine had no room for the run in the time the login has.
        Overloaded = "overloaded",
        /// A fault of ours, not of the rule.
        HostInternal = "host_internal",
    }
}
