//! The admin listener of a service in a test: the real routes, asked as an operator asks.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, header};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use vestibule_engine::{Compiler, Engine, Profile, Settings};
use vestibule_server::{
    admin::{
        Ops, OpsParts,
        auth::{Admin, Scope, make_token},
        router,
    },
    clock::{Clock, SystemEntropy},
    generations::{StoredGenerations, Workshop},
    interpreter::Interpreter,
    keys::Seal,
};
use vestibule_testkit::peer;

use super::{Answer, KEY, Service, TestClock};

impl Service {
    /// What the admin listener answers to an operator who may do everything.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &Value) -> Answer {
        let admin = Admin { name: "root".to_owned(), scopes: Scope::ALL.into() };
        let (seal, now) = (&self.app.keys.seal, self.app.now());
        let made = make_token(&*self.store, seal, &SystemEntropy, &admin, "the test", now).await.unwrap();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", made.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        Answer::of(router(self.ops()).oneshot(request).await.unwrap()).await
    }

    fn ops(&self) -> Ops {
        let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(&self.clock);
        let workshop = Workshop {
            engine: Engine::new(Settings { concurrent_runs: 1, ..Settings::new(Profile::Hardened) }).unwrap(),
            compiler: Compiler::new(None).unwrap(),
            interpreter: Interpreter::in_folder("/nonexistent".into()),
            egress: peer::egress(Vec::new()),
        };
        let seal = Seal::new(&KEY).unwrap();
        let generations = StoredGenerations::new(self.store.share(), seal, clock, workshop, "node-1".into()).unwrap();
        Ops::new(OpsParts {
            app: self.app.clone(),
            generations: Arc::new(generations),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            stopping: CancellationToken::new(),
            data: self.outbox.path().to_owned(),
            backups: self.outbox.path().join("backups"),
        })
    }
}
