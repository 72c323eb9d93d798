//! A login service of your own: one rule from its WebAssembly to the outcome of a login.
//!
//! `cargo run --profile ci --example embed`

use std::{error::Error, sync::Arc};

use serde_json::json;
use vestibule_abi::limits::{Budget, LoginBudget};
use vestibule_engine::{Compiler, Engine, Grants, Profile, Settings, drive, http::Source, inspect, worker};
use vestibule_pipeline::{Digest, Login, LoginInput, Manifest, Outcome, Pipeline, Rule, ScopePolicy};

/// Refuses everybody; yours comes out of `vestibule build`.
const RULE: &str = r#"(module
    (import "vestibule_v1" "answer" (func $answer (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "{\"deny\":{\"code\":\"closed\",\"reason\":\"Come back on Monday.\"}}")
    (func (export "run") (call $answer (i32.const 0) (i32.const 58))))"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    worker::serve_if_asked(); // This program is its own compile worker.

    // Once, when a rule is deployed.
    let engine = Engine::new(Settings::new(Profile::Fast))?;
    let inspected = inspect(&wat::parse_str(RULE)?)?;
    let compiled = Compiler::new(None)?.compile(&engine, &inspected).await?;
    let sandboxed = [engine.load(&compiled, Grants::default())?];
    let manifest = Manifest::parse("name = 'closed'\nlanguage = 'rust'\nmodule = 'closed.wasm'\norder = 1")?;
    let rule = Rule::new(manifest, Digest::of(&inspected.bytes), &Budget::CEILING)?;
    let pipeline = Arc::new(Pipeline::new(vec![rule])?);

    // For each login, after authentication and before anything is written or issued.
    let event = json!({"user": {"user_id": "auth0|1", "email": "ada@example.com"}, "context": {"clientID": "shop"}});
    let scopes = ScopePolicy::of_event(&event);
    let input = LoginInput { event, seed: [7; 32], now_ms: 1_790_000_000_000, scopes, budget: LoginBudget::STANDARD };
    let mut login = Login::begin(pipeline, input)?;
    let report = drive(&mut login, &sandboxed, |_| Source::Denied).await?;
    match &report.outcome {
        Outcome::Allow(allow) => println!("store {:?}", allow.profile.app_metadata()), // In one transaction with the code.
        Outcome::Deny { refusal, .. } => println!("refused: {} ({})", refusal.reason, refusal.code),
        other => println!("{}", other.as_str()),
    }
    Ok(())
}
