//! Puts what the person has paid for, and may do, into the tokens, under names that cannot clash with anybody else's.

use serde::Deserialize;
use vestibule::{Answer, Result, log};

const PLAN: &str = "https://example.com/plan";
const ROLES: &str = "https://example.com/roles";

/// Plans that the application knows; the first is for everybody.
const PLANS: [&str; 4] = ["free", "silver", "gold", "enterprise"];

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    user: User<'a>,
    #[serde(borrow, default)]
    context: Context<'a>,
}

#[derive(Default, Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    app_metadata: Option<AppMetadata<'a>>,
}

#[derive(Default, Deserialize)]
struct AppMetadata<'a> {
    plan: Option<&'a str>,
}

#[derive(Default, Deserialize)]
struct Context<'a> {
    #[serde(borrow)]
    authorization: Option<Authorization<'a>>,
}

#[derive(Default, Deserialize)]
struct Authorization<'a> {
    #[serde(borrow, default)]
    roles: Vec<&'a str>,
}

#[vestibule::rule]
fn plan_and_roles_claims(event: Event<'_>) -> Result<Answer> {
    let plan = event.user.app_metadata.and_then(|metadata| metadata.plan).unwrap_or("free");
    let roles = event.context.authorization.unwrap_or_default().roles;
    let known = PLANS.iter().copied().find(|&known| known == plan);
    if known.is_none() {
        log::warn!("plan `{plan}` is not one the application knows; `free` is used");
    }
    let plan = known.unwrap_or("free");
    let answer = Answer::allow().id_token(PLAN, plan).access_token(PLAN, plan);
    Ok(answer.id_token(ROLES, &roles).access_token(ROLES, &roles).into())
}

#[cfg(test)]
mod tests {
    use vestibule::testing::{Host, Login, answer};

    use super::*;

    /// Checks the claims of the ID token; the access token always has the same.
    #[track_caller]
    fn check(event: &str, plan: &str, roles: &str) {
        let login = Login::from_json(event).unwrap();
        let claims = format!(r#"{{"{PLAN}":"{plan}","{ROLES}":{roles}}}"#);
        assert_eq!(
            answer(plan_and_roles_claims(login.event().unwrap())).to_string(),
            format!(r#"{{"continue":{{"id_token":{claims},"access_token":{claims}}}}}"#),
        );
    }

    #[test]
    fn plan_and_roles_become_claims() {
        check(
            r#"{"user": {"app_metadata": {"plan": "gold"}}, "context": {"authorization": {"roles": ["admin", "it"]}}}"#,
            "gold",
            r#"["admin","it"]"#,
        );
    }

    #[test]
    fn nothing_known_means_the_free_plan_and_no_roles() {
        check("{}", "free", "[]");
        check(r#"{"user": {"app_metadata": null}, "context": {"authorization": {}}}"#, "free", "[]");
    }

    #[test]
    fn an_unknown_plan_is_not_passed_on() {
        let host = Host::new();
        check(r#"{"user": {"app_metadata": {"plan": "platinum"}}}"#, "free", "[]");
        assert_eq!(host.logs(), ["warn: plan `platinum` is not one the application knows; `free` is used"]);
    }

    #[test]
    fn a_role_that_is_no_string_fails() {
        let login = Login::from_json(r#"{"context": {"authorization": {"roles": ["it", {"admin": true}]}}}"#).unwrap();
        let error = login.event::<Event<'_>>().err().unwrap();
        assert_eq!(error.message(), "context.authorization.roles[1]: expected a string, found an object");
    }
}
