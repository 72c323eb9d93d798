//! Deploying rules: judge and propose a bundle, activate a generation, list and revoke them.
//!
//! What was shown is what is activated: activation names a number, never a bundle, and says which generation it believes
//! to be live (HS-53). Every generation is compiled and proven on this node before it is offered to others, and by every
//! live node before anything points to it: a bad one leaves the last good one serving, and no login waits for a compiler.

use std::time::Duration;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use tokio::time::{Instant, sleep};
use vestibule_engine::{CompileError, RevisionError};
use vestibule_pipeline::Rule;
use vestibule_store::{
    Activated, Generation, GenerationNumber, NewGeneration, Node, OperatorAct, Proposed, Revision, Store, TenantId,
    Timestamp,
};

use super::{Ops, auth::Admin};
use crate::{
    app::Generations as _,
    bundle::{BundleError, Rules},
    error::{ApiError, Fault, Refused},
    generations::{ALIVE, LoadError, digest_of},
    plan::Plan,
};

/// How long an activation waits for all nodes to have a generation ready before it becomes active all the same.
const PREPARATION: Duration = Duration::from_secs(30);
/// How long it waits for them to serve it then.
const ROLLOUT: Duration = Duration::from_secs(15);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);
/// Generations that are listed.
const LISTED: u32 = 50;

/// A bundle that could be deployed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// The number to activate.
    pub number: i64,
    /// The number of the generation that is live.
    pub live: Option<i64>,
    /// What would change.
    pub plan: Plan,
    /// What somebody should know before.
    pub warnings: Vec<String>,
}

/// An activation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The generation that is believed to be live.
    pub expected: Option<i64>,
    /// Whether it goes back to what was live before.
    #[serde(default)]
    pub rollback: bool,
}

/// Who serves a generation that was activated.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rollout {
    /// The generation.
    pub number: i64,
    /// The nodes that have it.
    pub ready: Vec<String>,
    /// The nodes that live and have not, when the wait was over.
    pub waiting: Vec<String>,
}

/// A generation, as it is listed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Version {
    /// Its number.
    pub number: i64,
    /// Its digest.
    pub digest: String,
    /// Its rules, in order.
    pub rules: Vec<String>,
    /// Who proposed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it was last made active.
    pub activated_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whether it is live.
    pub live: bool,
}

/// `GET /v1/generations`.
pub(super) async fn list(State(ops): State<Ops>) -> Result<Json<Vec<Version>>, ApiError> {
    let (store, tenant) = (&ops.app.store, TenantId::default());
    let live = store.active_generation(&tenant).await?.map(|live| live.number);
    let generations = store.generations(&tenant, LISTED).await?;
    Ok(Json(generations.into_iter().map(|generation| Version::of(generation, live)).collect()))
}

/// `POST /v1/generations`: a bundle in, what it would change out. Nothing is served by it yet.
pub(super) async fn propose(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    body: Bytes,
) -> Result<Json<Proposal>, ApiError> {
    Ok(Json(ops.propose(ops.generations.inspect(&body).map_err(refused)?, &admin).await?))
}

/// `POST /v1/generations/{number}/activate`, in two phases: all live nodes make it ready, then it becomes active. Answers
/// when every live node serves it, or names those that do not.
pub(super) async fn activate(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(number): Path<i64>,
    Json(activation): Json<Activation>,
) -> Result<Json<Rollout>, ApiError> {
    Ok(Json(ops.activate(GenerationNumber(number), &activation, &admin).await?))
}

/// `POST /v1/generations/{number}/revoke`: no login goes on with it, not even one that began with it.
pub(super) async fn revoke(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(number): Path<i64>,
) -> Result<StatusCode, ApiError> {
    let (tenant, generation) = (TenantId::default(), GenerationNumber(number));
    let act = ops.act(&admin, OperatorAct::GenerationRevoked { generation });
    if !ops.app.store.revoke_generation(&tenant, generation, &act).await? {
        let told = format!("generation {number} is live, or there is none of that number");
        return Err(ApiError::refused(StatusCode::CONFLICT, "not_revocable", told));
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Ops {
    async fn propose(&self, rules: Rules, admin: &Admin) -> Result<Proposal, ApiError> {
        let tenant = TenantId::default();
        self.known_names(&tenant, rules.pipeline.rules()).await?;
        let values = self.generations.values(&tenant).await.map_err(unloadable)?;
        self.generations.load(None, &rules, values).await.map_err(unloadable)?;
        let number = self.keep(&tenant, &rules, admin).await?;
        let live = self.generations.active(&tenant);
        let live_rules = live.number.map(|_| (live.digest(), live.loaded.pipeline.rules()));
        Ok(Proposal {
            number: number.0,
            live: self.app.store.active_generation(&tenant).await?.map(|live| live.number.0),
            plan: Plan::compare(rules.pipeline.generation(), rules.pipeline.rules(), live_rules),
            warnings: self.warnings(&tenant, rules.pipeline.rules()).await?,
        })
    }

    async fn keep(&self, tenant: &TenantId, rules: &Rules, admin: &Admin) -> Result<GenerationNumber, ApiError> {
        let (store, now) = (&self.app.store, self.app.now());
        let mut names = Vec::new();
        for (upload, revision) in &rules.revisions {
            let files = revision.files.iter().flat_map(|files| files.iter());
            let stored = Revision {
                digest: digest_of(revision.rule.digest),
                name: revision.name().to_owned(),
                manifest: upload.manifest.clone(),
                module: upload.module.clone(),
                files: files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect(),
                at: now,
            };
            store.put_revision(tenant, &stored).await?;
            names.push((stored.name, stored.digest));
        }
        let new = NewGeneration {
            digest: digest_of(rules.pipeline.generation()),
            rules: names,
            document: Map::new(),
            by: admin.name.clone(),
            at: now,
        };
        match store.propose_generation(tenant, &new).await? {
            Proposed::Generation(number) => Ok(number),
            Proposed::Missing(_) => Err(Fault::broken("a revision that was just kept is missing").into()),
        }
    }

    async fn activate(
        &self,
        number: GenerationNumber,
        activation: &Activation,
        admin: &Admin,
    ) -> Result<Rollout, ApiError> {
        let (store, tenant) = (&self.app.store, TenantId::default());
        let Some(generation) = store.generation(&tenant, number).await? else {
            let told = format!("there is no generation {}", number.0);
            return Err(ApiError::refused(StatusCode::NOT_FOUND, "not_found", told));
        };
        // What was proven when it was proposed may have lost a secret since.
        let rules = self.generations.stored_rules(&tenant, &generation).await.map_err(unloadable)?;
        let values = self.generations.values(&tenant).await.map_err(unloadable)?;
        self.generations.load(Some(number), &rules, values).await.map_err(unloadable)?;
        let expected = activation.expected.map(GenerationNumber);
        let live = store.active_generation(&tenant).await?.map(|live| live.number);
        if live != expected {
            return Err(overtaken(live));
        }
        self.make_ready(&tenant, number).await?;
        let (digest, before) = (generation.digest, expected);
        let what = match activation.rollback {
            true => OperatorAct::Rollback { generation: number, digest, before },
            false => OperatorAct::Deploy { generation: number, digest, before },
        };
        match store.activate(&tenant, number, expected, &self.act(admin, what)).await? {
            Activated::Done => {}
            Activated::Conflict(live) => return Err(overtaken(live)),
            Activated::Unavailable => {
                let told = format!("generation {} was revoked", number.0);
                return Err(ApiError::refused(StatusCode::CONFLICT, "revoked", told));
            }
        }
        self.take_up().await;
        let of = (tenant, number);
        let (ready, waiting) = self.wait_for_nodes(ROLLOUT, |node| node.ready.contains(&of)).await?;
        Ok(Rollout { number: number.0, ready, waiting })
    }

    /// The first phase: every live node compiles a generation and holds it ready. One that cannot, or does not in time, is
    /// behind afterwards, and the answer names it; it keeps nobody else from getting new rules.
    async fn make_ready(&self, tenant: &TenantId, number: GenerationNumber) -> Result<(), Fault> {
        if !self.app.store.prepare(tenant, number).await? {
            return Ok(()); // It was revoked: activating it will say so.
        }
        self.take_up().await;
        let of = (tenant.clone(), number);
        let has_it = |node: &Node| node.prepared.contains(&of) || node.ready.contains(&of);
        let (_, late) = self.wait_for_nodes(PREPARATION, has_it).await?;
        if !late.is_empty() {
            tracing::warn!(
                generation = number.0,
                nodes = late.join(" "),
                "a generation is activated that some nodes have not"
            );
        }
        Ok(())
    }

    /// Waits until this holds for every live node, or so long; those for which it does, and those for which it does not.
    async fn wait_for_nodes(
        &self,
        longest: Duration,
        holds: impl Fn(&Node) -> bool,
    ) -> Result<(Vec<String>, Vec<String>), Fault> {
        let deadline = Instant::now() + longest;
        loop {
            let nodes = self.app.store.nodes(self.app.now().minus(ALIVE)).await?;
            let (ready, waiting): (Vec<_>, Vec<_>) = nodes.into_iter().partition(&holds);
            if waiting.is_empty() || Instant::now() >= deadline {
                let names = |nodes: Vec<Node>| nodes.into_iter().map(|node| node.id.to_string()).collect();
                return Ok((names(ready), names(waiting)));
            }
            sleep(LOOK).await;
        }
    }

    /// Lets this node take up a change at once instead of when it is told.
    pub(super) async fn take_up(&self) {
        if let Err(error) = self.generations.refresh().await {
            tracing::error!(%error, "a change cannot be served here; the last good generation goes on");
        }
        if let Err(error) = self.generations.beat().await {
            tracing::warn!(%error, "this node could not say what it is ready for");
        }
    }

    /// A rule that names a client or a connection nobody has would never run, and nobody would know.
    async fn known_names(&self, tenant: &TenantId, rules: &[Rule]) -> Result<(), ApiError> {
        let store: &dyn Store = self.app.store.as_ref();
        let clients: Vec<String> = store.clients(tenant).await?.iter().map(|client| client.id.to_string()).collect();
        let connections = store.connections(tenant).await?;
        let connections: Vec<String> = connections.iter().map(|connection| connection.name.to_string()).collect();
        for rule in rules {
            let when = &rule.manifest.when;
            for (key, named, known) in
                [("clients", &when.clients, &clients), ("connections", &when.connections, &connections)]
            {
                if let Some(unknown) = named.iter().flatten().find(|name| !known.contains(name)) {
                    let told = format!(
                        "rule `{}`: `when.{key}` names `{unknown}`, which is not there; there are {}",
                        rule.name(),
                        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                    );
                    return Err(refusal("manifest_invalid", told));
                }
            }
        }
        Ok(())
    }

    async fn warnings(&self, tenant: &TenantId, rules: &[Rule]) -> Result<Vec<String>, Fault> {
        let set = self.app.store.list_sealed(tenant, vestibule_store::SealedKind::Configuration).await?;
        let keys =
            rules.iter().flat_map(|rule| rule.manifest.capabilities.configuration.iter().map(move |key| (rule, key)));
        let unset = keys.filter(|(_, key)| !set.iter().any(|note| note.name == **key));
        let told = |(rule, key): (&Rule, &String)| {
            format!(
                "rule `{}` reads configuration `{key}`, which has no value: `vestibule config set {key}`",
                rule.name()
            )
        };
        Ok(unset.map(told).collect())
    }
}

impl Version {
    fn of(generation: Generation, live: Option<GenerationNumber>) -> Self {
        Self {
            number: generation.number.0,
            digest: generation.digest.to_string(),
            rules: generation.rules.into_iter().map(|(name, _)| name).collect(),
            by: generation.by,
            at: generation.at,
            activated_at: generation.activated_at,
            revoked_at: generation.revoked_at,
            live: live == Some(generation.number),
        }
    }
}

/// A bundle that is not accepted, with the stable word of what is wrong with it.
pub(super) fn refused(error: BundleError) -> ApiError {
    let code = match &error {
        BundleError::Rule { source: RevisionError::Refused(refusal), .. } => refusal.code.as_str(),
        BundleError::Rule { .. } | BundleError::Manifest { .. } | BundleError::Pipeline(_) => "manifest_invalid",
        BundleError::Source { .. } => "source_invalid",
        BundleError::Files { .. } => "files_invalid",
        BundleError::Interpreter(_) => "interpreter_missing",
        BundleError::NotTar(_)
        | BundleError::TooMuch
        | BundleError::NotAFile(_)
        | BundleError::Path(_)
        | BundleError::Missing(_) => "bundle_invalid",
    };
    refusal(code, error.to_string())
}

/// Rules that cannot be served: the author's fault, or the operator's, or ours.
pub(super) fn unloadable(error: LoadError) -> ApiError {
    match error {
        LoadError::Bundle(error) => refused(error),
        LoadError::Compile { ref source, .. } => match source {
            CompileError::Refused(cause) => refusal(cause.code.as_str(), error.to_string()),
            CompileError::Engine(_) => Fault::from(error).into(),
        },
        LoadError::Manifest { .. } => refusal("manifest_invalid", error.to_string()),
        LoadError::Grant { .. } => refusal("secret_missing", format!("{error}; `vestibule secret set` gives it one")),
        LoadError::Store(error) => error.into(),
        LoadError::Revision(_) | LoadError::Sealed(_) => Fault::from(error).into(),
    }
}

fn refusal(code: &'static str, told: String) -> ApiError {
    Refused::new(StatusCode::UNPROCESSABLE_ENTITY, code, told).into()
}

fn overtaken(live: Option<GenerationNumber>) -> ApiError {
    let live = live.map_or_else(|| "none".to_owned(), |live| live.0.to_string());
    let told =
        format!("another deploy was faster: generation {live} is live now; look at what changed, and deploy again");
    ApiError::refused(StatusCode::CONFLICT, "overtaken", told)
}
