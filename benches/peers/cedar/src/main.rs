//! Cedar: whether the login is let in, which is all a policy can say; claims and metadata it cannot set.
//!
//! As its documentation has it: policies are parsed once into a `PolicySet` and shared; each request brings principal,
//! action, resource and a context, and entities with attributes. The profile is the principal's attributes, made from the
//! same JSON by the crate's own functions.

use std::{str::FromStr as _, sync::Arc};

use anyhow::bail;
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use vestibule_contest::{
    host::{Decide, Library, MakeRule},
    rule::{Answer, Changes, REFUSAL, Rule},
    serve::serve,
};

const POLICY: &str = r#"permit (principal, action == Action::"login", resource)
when { context.user.email_verified && context.user.email like "*@*" && context.user.app_metadata.plan == "gold" };"#;

fn main() -> anyhow::Result<()> {
    let deploy = |rule: Rule, number: usize| -> anyhow::Result<MakeRule> {
        if rule != Rule::Fields {
            bail!("a Cedar policy cannot loop or compute");
        }
        let policies = Arc::new(PolicySet::from_str(&format!("// {number}\n{POLICY}"))?);
        Ok(Box::new(move || {
            let entity = |name: &str| EntityUid::from_str(name);
            Ok(Box::new(Prepared {
                authorizer: Authorizer::new(),
                policies: Arc::clone(&policies),
                who: entity(r#"User::"ada""#)?,
                what: entity(r#"Action::"login""#)?,
                whereto: entity(r#"Client::"shop""#)?,
            }))
        }))
    };
    serve(&Library { described: format!("cedar-policy {}", script::version("cedar-policy")), deploy })
}

struct Prepared {
    authorizer: Authorizer,
    policies: Arc<PolicySet>,
    who: EntityUid,
    what: EntityUid,
    whereto: EntityUid,
}

impl Decide for Prepared {
    fn decide(&mut self, event: &str) -> anyhow::Result<Answer> {
        let context = Context::from_json_str(event, None)?;
        let request = Request::new(self.who.clone(), self.what.clone(), self.whereto.clone(), context, None)?;
        let answer = self.authorizer.is_authorized(&request, &self.policies, &Entities::empty());
        if let Some(error) = answer.diagnostics().errors().next() {
            bail!("{error}");
        }
        Ok(match answer.decision() {
            Decision::Allow => Answer::Continue(Changes::default()),
            Decision::Deny => Answer::Deny(REFUSAL.to_owned()),
        })
    }
}
