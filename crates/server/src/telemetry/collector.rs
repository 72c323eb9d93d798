//! The way to the collector of traces.

use std::{fmt, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::time::timeout;

use super::TelemetryError;
use crate::https::{self, HttpsClient};

/// How long a collector may take where no variable says so, as the specification of OTLP has it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read: it says no more than that spans arrived, or why not.
const ANSWER_BYTES: usize = 64 * 1024;

/// A collector that speaks OTLP over HTTP, or over HTTPS.
pub(super) struct Collector {
    client: HttpsClient,
    patience: Duration,
}

impl Collector {
    pub(super) fn new() -> Result<Self, TelemetryError> {
        let client = https::client().map_err(|error| TelemetryError::Traces(error.to_string()))?;
        Ok(Self { client, patience: patience() })
    }
}

/// What `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` says or, where it says nothing, `OTEL_EXPORTER_OTLP_TIMEOUT`; both in milliseconds.
fn patience() -> Duration {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let named = names.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
    named.map_or(PATIENCE, Duration::from_millis)
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        timeout(self.patience, async {
            let (head, body) = self.client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        })
        .await?
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("patience", &self.patience).finish_non_exhaustive()
    }
}
