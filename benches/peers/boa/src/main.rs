//! Boa: a fresh context for each login.
//!
//! As its documentation has it: a `Context` holds realm, heap handles and job queue; a script is evaluated in it as bytes.
//! Its runtime limits bound loops, recursion and stack. There is no limit of time or memory.

use anyhow::{Context as _, anyhow};
use boa_engine::{Context, JsError, JsString, JsValue, Source};
use vestibule_contest::{
    host::{Decide, Library, MakeRule},
    rule::{Answer, Rule},
    serve::serve,
};

fn main() -> anyhow::Result<()> {
    let deploy = |rule: Rule, number: usize| -> anyhow::Result<MakeRule> {
        let source = script::source(rule, number);
        Ok(Box::new(move || Ok(Box::new(Prepared { source: source.clone() }))))
    };
    serve(&Library { described: format!("boa_engine {}", script::version("boa_engine")), deploy })
}

struct Prepared {
    source: String,
}

impl Decide for Prepared {
    fn decide(&mut self, event: &str) -> anyhow::Result<Answer> {
        let json = JsString::from(event);
        let mut context = Context::default();
        context.runtime_limits_mut().set_loop_iteration_limit(10_000_000);
        let failed = |error: JsError| anyhow!("the script failed: {error}");
        let rule = context.eval(Source::from_bytes(&self.source)).map_err(failed)?;
        let rule = rule.as_callable().context("the script is no function")?;
        let answer = rule.call(&JsValue::undefined(), &[json.into()], &mut context).map_err(failed)?;
        let answer = answer.as_string().context("the rule gave no text")?.to_std_string()?;
        Ok(serde_json::from_str(&answer)?)
    }
}
