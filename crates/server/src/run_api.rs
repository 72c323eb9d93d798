//! `POST /v1/pipeline/run`: the pipeline for another login service. An event in, the outcome out; nothing is stored.
//!
//! The caller is trusted as one that deploys is: it says who the user is. What comes back is what `vestibule run --json`
//! prints: `outcome`, who caused it, the metadata as they are to be stored, the claims, what each rule did. It is the
//! caller that carries it out, all of it or nothing.

use std::sync::Arc;

use axum::{Json, body::Bytes, extract::State};
use serde_json::Value;
use vestibule_engine::{Report, drive, http::Source};
use vestibule_pipeline::{Login, LoginInput, ScopePolicy, json};
use vestibule_store::TenantId;

use crate::{
    admin::Ops,
    app::Generations as _,
    error::{ApiError, Fault, Refused},
    telemetry,
};

/// `POST /v1/pipeline/run` with `{"user": {…}, "context": {…}, "shared"?: {…}}`. The configuration is the server's.
pub(crate) async fn run(State(ops): State<Ops>, body: Bytes) -> Result<Json<Report>, ApiError> {
    let event = json::parse_event(&body).map_err(|error| Refused::invalid_request(error.to_string()))?;
    Ok(Json(run_event(&ops, event).await?))
}

async fn run_event(ops: &Ops, mut event: Value) -> Result<Report, ApiError> {
    let (app, generation) = (&ops.app, ops.generations.active(&TenantId::default()));
    if let Some(event) = event.as_object_mut()
        && event.insert("configuration".to_owned(), generation.configuration.clone().into()).is_some()
    {
        let told = "the configuration is the server's: leave `configuration` out, and use `vestibule config set`";
        return Err(Refused::invalid_request(told).into());
    }
    let input = LoginInput {
        scopes: ScopePolicy::of_event(&event),
        event,
        seed: app.entropy.bytes(),
        now_ms: app.now().0,
        budget: app.settings.budget,
    };
    let mut login = Login::begin(Arc::clone(&generation.loaded.pipeline), input)
        .map_err(|error| Refused::invalid_request(error.to_string()))?;
    let began = std::time::Instant::now();
    let report = drive(&mut login, &generation.loaded.rules, |_| Source::Live(Arc::clone(&generation.egress))).await;
    let report = report.map_err(Fault::from)?;
    telemetry::ran(&report, began.elapsed());
    telemetry::outcome(report.outcome.as_str());
    Ok(report)
}
