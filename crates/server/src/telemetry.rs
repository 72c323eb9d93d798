//! Logs, metrics and traces.
//!
//! No personal data and no secret is in any of them (HS-68): what is logged are routes, codes, rules and counts, never a
//! path as it came, a query, a header, a body, a user or an address. Libraries may quote such things, so nothing below
//! an error of theirs is written, whatever the level. Labels of metrics come from fixed sets (HS-69).

mod collector;

use std::{io::IsTerminal as _, time::Duration};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithHttpConfig as _;
use opentelemetry_sdk::{
    Resource,
    runtime::Tokio,
    trace::{SdkTracerProvider, span_processor_with_async_runtime::BatchSpanProcessor},
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use vestibule_engine::Report;

use self::collector::Collector;
use crate::settings::{Level, Log, LogFormat};

/// What every target of ours begins with.
const OURS: &str = "vestibule";
/// Buckets of durations, in seconds: from one rule to a login that hashes a password on a busy machine.
const SECONDS: &[f64] = &[0.000_05, 0.000_2, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// How often samples are folded, so that they take no more memory than their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// What has to be kept as long as the process serves.
#[derive(Debug)]
pub struct Telemetry {
    /// What `/metrics` answers from.
    pub metrics: PrometheusHandle,
    traces: Option<SdkTracerProvider>,
}

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Another part of the process was first.
    #[error("logs or metrics are set up already")]
    Twice,
    /// The variables of OpenTelemetry name nothing that can be used.
    #[error("OpenTelemetry cannot be set up as the OTEL_ variables say: {0}")]
    Traces(String),
}

impl Telemetry {
    /// Starts logging to stderr, counting, and, where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector, tracing. Once for
    /// each process, inside a tokio runtime.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn start(log: Log) -> Result<Self, TelemetryError> {
        let metrics = metrics_recorder()?;
        let traces = collector_is_named().then(tracer_provider).transpose()?;
        let spans = traces.as_ref().map(|traces| {
            let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer(OURS));
            layer.with_location(false).with_threads(false).with_filter(targets(Level::Info))
        });
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = match log.format {
            LogFormat::Json => lines.json().flatten_event(true).with_filter(targets(log.level)).boxed(),
            LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_filter(targets(log.level)).boxed(),
        };
        tracing_subscriber::registry().with(lines).with(spans).try_init().map_err(|_| TelemetryError::Twice)?;
        Ok(Self { metrics, traces })
    }

    /// Sends what is left to the collector.
    pub async fn stop(self) {
        let Some(traces) = self.traces else { return };
        // The exporter needs the runtime that a blocking call would hold.
        let _ = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(Duration::from_secs(2))).await;
    }
}

/// A request that was answered. The route is the pattern, never the path as it came.
pub fn request(listener: &'static str, route: &str, method: &'static str, status: u16, took: Duration) {
    let route = route.to_owned();
    counter!("vestibule_http_requests_total", "listener" => listener, "route" => route.clone(), "method" => method,
        "status" => status.to_string())
    .increment(1);
    histogram!("vestibule_http_request_seconds", "listener" => listener, "route" => route).record(took);
}

/// A request or connection that was turned away before it was worked on.
pub fn shed(what: &'static str) {
    counter!("vestibule_shed_total", "what" => what).increment(1);
}

/// Connections to a listener.
pub fn connections(listener: &'static str, open: usize) {
    gauge!("vestibule_connections", "listener" => listener).set(open as f64);
}

/// A login that came to an outcome, or that no rule saw: `wrong_credentials`, `blocked`, `superseded`. One whose rules ran again after a conflict is one login.
pub fn outcome(outcome: &'static str) {
    counter!("vestibule_logins_total", "outcome" => outcome).increment(1);
}

/// The transaction of a login was tried, once.
pub fn committed(took: Duration) {
    histogram!("vestibule_login_commit_seconds").record(took);
}

/// A password was hashed, or verified.
pub fn hashed(took: Duration) {
    histogram!("vestibule_password_hash_seconds").record(took);
}

/// Passwords that are being hashed, or wait for it.
pub fn hashing(in_hand: usize) {
    gauge!("vestibule_password_hashes_in_hand").set(in_hand as f64);
}

/// Something was tried too often.
pub fn limited(what: &'static str) {
    counter!("vestibule_rate_limited_total", "what" => what).increment(1);
}

/// The rules of a login ran to an end, once. Names of rules come from the operator.
pub fn ran(report: &Report, took: Duration) {
    histogram!("vestibule_login_rules_seconds").record(took);
    for rule in &report.rules {
        counter!("vestibule_rule_runs_total", "rule" => rule.name.clone(), "outcome" => rule.outcome).increment(1);
        counter!("vestibule_rule_fuel_total", "rule" => rule.name.clone()).increment(rule.fuel);
    }
}

/// A generation that this node took up, or could not.
pub fn generation(loaded: bool, rules: usize) {
    counter!("vestibule_generation_loads_total", "loaded" => if loaded { "yes" } else { "no" }).increment(1);
    if loaded {
        gauge!("vestibule_rules").set(rules as f64);
    }
}

fn metrics_recorder() -> Result<PrometheusHandle, TelemetryError> {
    let buckets = |builder: PrometheusBuilder| {
        builder
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
            .map_err(|_| TelemetryError::Twice)
    };
    let recorder = buckets(PrometheusBuilder::new())?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Twice)?;
    describe();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

fn describe() {
    describe_counter!("vestibule_http_requests_total", "Requests that were answered.");
    describe_histogram!("vestibule_http_request_seconds", "Time from a request's head to its answer.");
    describe_counter!("vestibule_shed_total", "Requests and connections turned away because there were too many.");
    describe_gauge!("vestibule_connections", "Open connections.");
    describe_counter!("vestibule_logins_total", "Logins by what their rules came to, or by why none ran.");
    describe_histogram!("vestibule_login_rules_seconds", "Time the rules of a login took.");
    describe_histogram!("vestibule_login_commit_seconds", "Time the transaction of a login took.");
    describe_histogram!("vestibule_password_hash_seconds", "Time one password took to hash, waiting apart.");
    describe_gauge!("vestibule_password_hashes_in_hand", "Passwords that are being hashed, or wait for it.");
    describe_counter!("vestibule_rate_limited_total", "Tries that were too many, by what was tried.");
    describe_counter!("vestibule_rule_runs_total", "Runs of a rule by their outcome.");
    describe_counter!("vestibule_rule_fuel_total", "Fuel that runs of a rule used.");
    describe_counter!("vestibule_generation_loads_total", "Generations this node took up, or could not.");
    describe_gauge!("vestibule_rules", "Rules of the generation that is live.");
}

/// Ours at the level that was asked for; of libraries only errors.
fn targets(level: Level) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(LevelFilter::ERROR).with_target(OURS, level)
}

fn collector_is_named() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set.eq_ignore_ascii_case(value));
    let names = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    let named = names.iter().any(|name| std::env::var(name).is_ok_and(|endpoint| !endpoint.is_empty()));
    named && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

fn tracer_provider() -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Collector::new()?)
        .build()
        .map_err(|error| TelemetryError::Traces(error.to_string()))?;
    let resource = Resource::builder();
    let named =
        std::env::var_os("OTEL_SERVICE_NAME").is_some() || std::env::var_os("OTEL_RESOURCE_ATTRIBUTES").is_some();
    let resource = if named { resource } else { resource.with_service_name(OURS) };
    let processor = BatchSpanProcessor::builder(exporter, Tokio).build();
    Ok(SdkTracerProvider::builder().with_resource(resource.build()).with_span_processor(processor).build())
}
