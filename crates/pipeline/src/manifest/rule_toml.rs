//! `rule.toml`: the text, and every check on the way to a [`Manifest`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use vestibule_abi::limits::{self, Budget, WASM_PAGE};

use super::{
    Capabilities, Code, FailurePolicy, Language, Limits, Manifest, ManifestError, Protocol, ReadPath, ReadTree,
    Redirects, ReservedClaims, When, WriteGrant, Writes, protocol::Written, units,
};

pub(super) fn parse(text: &str) -> Result<Manifest, ManifestError> {
    let file: RuleFile = toml::from_str(text).map_err(|error| ManifestError::Toml(error.to_string()))?;
    file.check()
}

/// The published schema of `rule.toml`.
#[must_use]
pub fn rule_schema() -> serde_json::Value {
    schemars::schema_for!(RuleFile).into()
}

/// A rule: what it is, when it runs, what it may do.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    /// Letters, digits, `-`, `_` and `.`; unique in its pipeline.
    #[schemars(with = "String")]
    name: Option<String>,
    /// The language it is written in.
    #[schemars(with = "Language")]
    language: Option<Language>,
    /// The compiled module, relative to this file.
    module: Option<String>,
    /// The source of a JavaScript rule, relative to this file.
    source: Option<String>,
    /// Its place among the rules: ascending.
    #[schemars(with = "i64")]
    order: Option<i64>,
    /// What its failure does to the login.
    #[serde(default)]
    on_failure: FailurePolicy,
    /// The subtrees of the event it receives; absent: all.
    reads: Option<Vec<String>>,
    /// What it may change or ask for; absent: it may only refuse.
    writes: Option<Vec<String>>,
    /// What a reserved claim in its answer does.
    #[serde(default)]
    reserved_claims: ReservedClaims,
    /// The logins it runs on.
    #[serde(default)]
    when: WhenTable,
    /// What the host does for it.
    #[serde(default)]
    capabilities: CapabilitiesTable,
    /// What it asks for instead of the standard budget.
    #[serde(default)]
    limits: LimitsTable,
}

/// The logins a rule runs on; an absent list means all.
#[derive(Deserialize, schemars::JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
struct WhenTable {
    /// Ids of clients.
    clients: Option<BTreeSet<String>>,
    /// Names of connections.
    connections: Option<BTreeSet<String>>,
    /// Protocols that the login began with.
    protocols: Option<BTreeSet<Written>>,
}

/// What the host does for a rule.
#[derive(Deserialize, schemars::JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
struct CapabilitiesTable {
    /// Origins it may send requests to.
    http: Vec<String>,
    /// Secrets by name, each with the origin it may be sent to.
    secrets: BTreeMap<String, String>,
    /// Configuration keys it receives.
    configuration: BTreeSet<String>,
    /// Origins, or URLs below which everything is allowed, that it may send the browser to.
    redirect: Vec<String>,
    /// Whether it may read its `data/` folder.
    files: bool,
}

/// What a rule asks for instead of the standard budget.
#[derive(Deserialize, schemars::JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    /// Fuel of one run.
    fuel: Option<u64>,
    /// Memory, such as `"16MiB"`.
    memory: Option<String>,
    /// Time it may run, such as `"250ms"`.
    wall: Option<String>,
}

impl RuleFile {
    fn check(self) -> Result<Manifest, ManifestError> {
        let name = present("name", self.name, "name = \"plan-claim\"")?;
        let name = name.parse().map_err(|problem| {
            ManifestError::value("name", format!("`{}` is {problem}", name.escape_debug()), "choose another name")
        })?;
        let language = present("language", self.language, "language = \"rust\"")?;
        let order = present("order", self.order, "order = 10")?;
        let code = code(language, self.module, self.source)?;
        let reads = self.reads.map(|paths| parse_each("reads", &paths, read_path)).transpose()?;
        let writes = writes(self.on_failure, self.writes)?;
        let capabilities = self.capabilities.check(&writes)?;
        Ok(Manifest {
            name,
            language,
            code,
            order,
            on_failure: self.on_failure,
            read_tree: reads.as_deref().map(ReadTree::of),
            reads,
            writes,
            when: self.when.check()?,
            capabilities,
            limits: self.limits.check()?,
            reserved_claims: self.reserved_claims,
        })
    }
}

fn code(language: Language, module: Option<String>, source: Option<String>) -> Result<Code, ManifestError> {
    let code = match (module, source) {
        (Some(_), None) if language == Language::JavaScript => {
            return Err(ManifestError::value("module", "a JavaScript rule is deployed as source", "write `source`"));
        }
        (Some(module), None) => Code::Module(module),
        (None, Some(source)) if language == Language::JavaScript => Code::Source(source),
        (None, Some(_)) => {
            return Err(ManifestError::value(
                "source",
                "only a JavaScript rule is deployed as source",
                "write `module`",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(ManifestError::value("module", "stands beside `source`", "remove one of them"));
        }
        (None, None) => {
            let next = "add `module = \"target/rule.wasm\"`, or `source` for JavaScript";
            return Err(ManifestError::value("module", "is missing", next));
        }
    };
    match &code {
        Code::Module(path) | Code::Source(path) if path.is_empty() => {
            Err(ManifestError::value("module", "is an empty path", "name the file of the rule"))
        }
        Code::Module(_) | Code::Source(_) => Ok(code),
    }
}

/// `skip` and a write on which security rests exclude each other: whoever can make the rule fail would switch it off
/// (HR §1.4). An absent `writes` may refuse, and a refusal is one of them.
fn writes(on_failure: FailurePolicy, writes: Option<Vec<String>>) -> Result<Writes, ManifestError> {
    let Some(grants) = writes else {
        return match on_failure {
            FailurePolicy::Deny => Ok(Writes::refusal_only()),
            FailurePolicy::Skip => Err(ManifestError::value(
                "on_failure",
                "`skip` is not for a rule that may refuse a login, and without `writes` it may",
                "say `on_failure = \"deny\"`, or list `writes` without `deny`",
            )),
        };
    };
    let parsed = parse_each("writes", &grants, |text| text.parse::<WriteGrant>())?;
    let relevant = grants.iter().zip(&parsed).find(|(_, grant)| grant.is_security_relevant());
    match (relevant, on_failure) {
        (Some((text, _)), FailurePolicy::Skip) => Err(ManifestError::value(
            "on_failure",
            format!(
                "`skip` is not for a rule that writes `{}`: whoever makes it fail would switch it off",
                text.escape_debug()
            ),
            "say `on_failure = \"deny\"`, or remove that from `writes`",
        )),
        (Some(_), FailurePolicy::Deny) | (None, FailurePolicy::Deny | FailurePolicy::Skip) => Ok(Writes::new(parsed)),
    }
}

fn read_path(text: &str) -> Result<ReadPath, (String, &'static str)> {
    text.parse().map_err(|problem| (problem, "write paths such as `user.app_metadata`"))
}

impl WhenTable {
    fn check(self) -> Result<When, ManifestError> {
        let lists = [
            ("clients", self.clients.as_ref().map(BTreeSet::len)),
            ("connections", self.connections.as_ref().map(BTreeSet::len)),
            ("protocols", self.protocols.as_ref().map(BTreeSet::len)),
        ];
        for (key, names) in lists {
            if names == Some(0) {
                let next = "remove it to run on all, or remove the rule from the pipeline";
                return Err(ManifestError::value(format!("when.{key}"), "is empty: the rule would never run", next));
            }
        }
        let protocol = |Written(name)| {
            Protocol::parse(&name).map_err(|(problem, next)| ManifestError::value("when.protocols", problem, next))
        };
        let protocols = self.protocols.map(|names| names.into_iter().map(protocol).collect()).transpose()?;
        Ok(When { clients: self.clients, connections: self.connections, protocols })
    }
}

impl CapabilitiesTable {
    fn check(self, writes: &Writes) -> Result<Capabilities, ManifestError> {
        let origin = |text: &str| {
            text.parse().map_err(|problem| {
                (format!("`{}` is {problem}", text.escape_debug()), "write an origin such as `https://api.example.com`")
            })
        };
        let http = parse_each("capabilities.http", &self.http, origin)?;
        at_most("capabilities.http", http.len(), limits::ORIGINS_PER_RULE)?;
        at_most("capabilities.secrets", self.secrets.len(), limits::SECRETS_PER_RULE)?;
        let mut secrets = BTreeMap::new();
        for (name, text) in self.secrets {
            let key = format!("capabilities.secrets.{name}");
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(ManifestError::value(key, "is no name of a secret", "use letters, digits and `_`"));
            }
            let origin = origin(&text).map_err(|(problem, next)| ManifestError::value(&key, problem, next))?;
            if !http.contains(&origin) {
                let next = format!("add `\"{origin}\"` to `capabilities.http`");
                return Err(ManifestError::value(key, format!("`{origin}` is not among `capabilities.http`"), next));
            }
            secrets.insert(name, origin);
        }
        let redirect = parse_each("capabilities.redirect", &self.redirect, |text| {
            text.parse().map_err(|problem| {
                (format!("`{}` is {problem}", text.escape_debug()), "write a place such as `https://forms.example.com`")
            })
        })?;
        if writes.allows(&WriteGrant::Redirect) && redirect.is_empty() {
            let next = "add `redirect = [\"https://forms.example.com\"]` with your own origin";
            return Err(ManifestError::value("capabilities.redirect", "is empty, but `writes` holds `redirect`", next));
        }
        let configuration = self.configuration;
        Ok(Capabilities { http, secrets, configuration, redirect: Redirects::To(redirect), files: self.files })
    }
}

impl LimitsTable {
    fn check(self) -> Result<Limits, ManifestError> {
        let lift = |key: &'static str, next: &'static str| {
            move |problem: &'static str| ManifestError::value(key, problem, next)
        };
        let size = lift("limits.memory", "write a size such as `\"16MiB\"` or `\"512KiB\"`");
        let time = lift("limits.wall", "write a time such as `\"250ms\"` or `\"1s\"`");
        let memory_bytes = self.memory.as_deref().map(units::size).transpose().map_err(size)?;
        let wall = self.wall.as_deref().map(units::duration).transpose().map_err(time)?;
        if memory_bytes.is_some_and(|bytes| bytes % WASM_PAGE != 0) {
            return Err(ManifestError::value("limits.memory", "is not a whole number of 64 KiB pages", "round it up"));
        }
        let nothing = [
            ("limits.fuel", self.fuel == Some(0)),
            ("limits.memory", memory_bytes == Some(0)),
            ("limits.wall", wall.is_some_and(|wall| wall.is_zero())),
        ];
        match nothing.iter().find(|(_, is_zero)| *is_zero) {
            Some((key, _)) => Err(ManifestError::value(*key, "is nothing", "give it some, or remove the key")),
            None => Ok(Limits { fuel: self.fuel, memory_bytes, wall }),
        }
    }
}

impl Limits {
    /// These limits over a budget, none of them above the ceiling.
    pub(super) fn over(&self, standard: Budget, ceiling: &Budget) -> Result<Budget, ManifestError> {
        let budget = Budget {
            fuel: self.fuel.unwrap_or(standard.fuel.min(ceiling.fuel)),
            memory_bytes: self.memory_bytes.unwrap_or(standard.memory_bytes.min(ceiling.memory_bytes)),
            wall: self.wall.unwrap_or(standard.wall.min(ceiling.wall)),
            ..standard
        };
        let above = [
            ("limits.fuel", budget.fuel > ceiling.fuel, ceiling.fuel.to_string()),
            ("limits.memory", budget.memory_bytes > ceiling.memory_bytes, format!("{} bytes", ceiling.memory_bytes)),
            ("limits.wall", budget.wall > ceiling.wall, format!("{} ms", ceiling.wall.as_millis())),
        ];
        match above.iter().find(|(_, is_above, _)| *is_above) {
            Some((key, _, most)) => {
                let problem = format!("is above the operator's ceiling of {most}");
                Err(ManifestError::value(*key, problem, "lower it, or ask the operator to raise the ceiling"))
            }
            None => Ok(budget),
        }
    }
}

/// A key that every manifest has; TOML's own message would point to the first line, where nothing is wrong.
fn present<T>(key: &str, value: Option<T>, example: &str) -> Result<T, ManifestError> {
    value.ok_or_else(|| {
        let next = format!("add a line such as `{example}`; `vestibule schema rule` prints what else there is");
        ManifestError::value(key, "is missing", next)
    })
}

fn at_most(key: &str, count: usize, most: usize) -> Result<(), ManifestError> {
    if count <= most {
        return Ok(());
    }
    let next = "divide the rule, or let it ask one service of yours";
    Err(ManifestError::value(key, format!("has {count} entries, at most {most} are allowed"), next))
}

fn parse_each<T>(
    key: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, (String, &'static str)>,
) -> Result<Vec<T>, ManifestError> {
    let parse = |text: &String| parse(text).map_err(|(problem, next)| ManifestError::value(key, problem, next));
    texts.iter().map(parse).collect()
}
