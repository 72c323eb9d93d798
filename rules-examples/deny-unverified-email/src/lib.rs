//! Refuses a login until the person has shown that the e-mail address is theirs.

use vestibule::{Answer, Event, Result};

#[vestibule::rule]
fn deny_unverified_email(event: Event<'_>) -> Result<Answer> {
    let user = event.user();
    // Who came by text message has a phone number in place of an address.
    let verified = if user.find("email").is_some() { "email_verified" } else { "phone_verified" };
    match user.find(verified) {
        Some(verified) if verified.as_bool()? => Ok(Answer::allow().into()),
        _ => Ok(Answer::deny("email_not_verified", "Please verify your e-mail address first.")),
    }
}

#[cfg(test)]
mod tests {
    use vestibule::testing::{Login, answer};

    #[track_caller]
    fn check(user: &str, expected: &str) {
        let login = Login::from_json(&format!(r#"{{"user": {user}}}"#)).unwrap();
        assert_eq!(answer(super::deny_unverified_email(login.event().unwrap())).to_string(), expected, "{user}");
    }

    const ALLOW: &str = r#"{"continue":{}}"#;
    const DENY: &str = r#"{"deny":{"code":"email_not_verified","reason":"Please verify your e-mail address first."}}"#;

    #[test]
    fn a_verified_address_passes() {
        check(r#"{"email": "ada@example.com", "email_verified": true}"#, ALLOW);
    }

    #[test]
    fn an_unverified_address_is_refused() {
        check(r#"{"email": "ada@example.com", "email_verified": false}"#, DENY);
        check(r#"{"email": "ada@example.com", "email_verified": null}"#, DENY);
        check(r#"{"email": "ada@example.com"}"#, DENY);
        check("{}", DENY);
    }

    #[test]
    fn a_verified_phone_counts_only_without_an_address() {
        check(r#"{"phone_number": "+4930123456", "phone_verified": true}"#, ALLOW);
        check(r#"{"phone_number": "+4930123456", "phone_verified": false}"#, DENY);
        check(r#"{"email": "ada@example.com", "phone_number": "+4930123456", "phone_verified": true}"#, DENY);
    }

    #[test]
    fn a_word_that_looks_true_is_not_true() {
        check(
            r#"{"email": "ada@example.com", "email_verified": "true"}"#,
            r#"{"fail":"user.email_verified: expected a boolean, found a string"}"#,
        );
    }
}
