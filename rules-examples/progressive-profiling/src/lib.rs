//! Asks for a little more about the person from the third login on, on a page of yours, and stores what comes back.

use vestibule::{Allow, Answer, Event, Field, Result, log};

/// What is asked for, one thing a login.
const WANTED: [&str; 2] = ["company", "title"];
/// The login at which asking starts: nobody likes a form at the door.
const FROM_LOGIN: i64 = 3;
const MAX_CHARS: usize = 100;

#[vestibule::rule]
fn progressive_profiling(event: Event<'_>) -> Result<Answer> {
    if event.context().get("protocol")?.as_str()? == "redirect-callback" {
        return Ok(keep(event.context().find("request.body")).into());
    }
    let is_silent =
        event.context().find("request.query.prompt").is_some_and(|it| it.as_str().is_ok_and(|it| it == "none"));
    let logins = event.user().find("logins_count").map_or(Ok(0), |count| count.as_i64())?;
    let metadata = event.user().find("user_metadata");
    let missing = WANTED.into_iter().find(|name| metadata.is_none_or(|metadata| metadata.find(name).is_none()));
    match missing {
        Some(name) if logins >= FROM_LOGIN && !is_silent => {
            let form = event.configuration().get("PROFILE_FORM")?.as_str()?;
            Ok(Answer::allow().redirect(&format!("{form}?ask={name}")).into())
        }
        _ => Ok(Answer::allow().into()),
    }
}

/// Stores what the form sent. Everything in it is a stranger's word: only what was asked for, as text of a bounded length.
fn keep(form: Option<Field<'_>>) -> Allow {
    let mut answer = Answer::allow();
    for name in WANTED {
        let Some(field) = form.and_then(|form| form.find(name)) else { continue };
        match field.as_str().map(str::trim) {
            Ok(text) if !text.is_empty() && text.chars().count() <= MAX_CHARS && !text.contains(char::is_control) => {
                answer = answer.set_user_metadata(name, text);
            }
            _ => log::warn!("the form sent no usable {name}"),
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use vestibule::testing::{Host, Login, answer};

    use super::*;

    #[track_caller]
    fn check(user: &str, context: &str, expected: &str) {
        let event = format!(
            r#"{{"user": {user}, "context": {context}, "configuration": {{"PROFILE_FORM": "https://forms.example.com/profile"}}}}"#
        );
        let login = Login::from_json(&event).unwrap();
        assert_eq!(answer(progressive_profiling(login.event().unwrap())).to_string(), expected);
    }

    const WEB: &str = r#"{"protocol": "oidc-basic-profile"}"#;
    const GO_ON: &str = r#"{"continue":{}}"#;

    #[test]
    fn one_thing_is_asked_for_at_a_time() {
        let ask =
            |name| format!(r#"{{"continue":{{"redirect":{{"url":"https://forms.example.com/profile?ask={name}"}}}}}}"#);
        check(r#"{"logins_count": 3}"#, WEB, &ask("company"));
        check(r#"{"logins_count": 4, "user_metadata": {"company": "Engines Ltd"}}"#, WEB, &ask("title"));
        check(r#"{"logins_count": 5, "user_metadata": {"company": "Engines Ltd", "title": "Countess"}}"#, WEB, GO_ON);
    }

    #[test]
    fn nobody_is_asked_early_or_where_no_page_can_be_shown() {
        check(r#"{"logins_count": 2}"#, WEB, GO_ON);
        check("{}", WEB, GO_ON);
        let silent = r#"{"protocol": "oidc-basic-profile", "request": {"query": {"prompt": "none"}}}"#;
        check(r#"{"logins_count": 9}"#, silent, GO_ON);
    }

    #[test]
    fn what_comes_back_is_stored() {
        let back =
            r#"{"protocol": "redirect-callback", "request": {"body": {"company": " Engines Ltd ", "admin": true}}}"#;
        check(r#"{"logins_count": 3}"#, back, r#"{"continue":{"user_metadata":{"company":"Engines Ltd"}}}"#);
    }

    #[test]
    fn what_cannot_be_used_is_left_out() {
        let host = Host::new();
        for company in ["7", "\"\"", "\"   \"", r#""a\u0000b""#, &format!("{:?}", "x".repeat(101)), "{}"] {
            let back =
                format!(r#"{{"protocol": "redirect-callback", "request": {{"body": {{"company": {company}}}}}}}"#);
            check(r#"{"logins_count": 3}"#, &back, GO_ON);
        }
        assert_eq!(host.logs().len(), 6);
        check("{}", r#"{"protocol": "redirect-callback"}"#, GO_ON);
    }
}
