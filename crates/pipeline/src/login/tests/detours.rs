//! Redirects and second factors.

use super::*;

#[test]
fn a_redirect_takes_effect_after_all_rules_and_before_a_factor() {
    check(
        &[
            says(json!({"continue": {"second_factor": {"allow_remember_browser": true}}})),
            says(json!({"continue": {"redirect": {"url": "https://forms.example.com/a b".replace(' ', "%20")},
                "app_metadata": {"a": 2}, "user": {"nickname": "j"}}})),
            says(json!({"continue": {"id_token": {"plan": "gold"}}})),
        ],
        &["continued", "continued", "continued"],
        json!({"outcome": "redirect", "redirect": {"rule": "rule-1", "url": "https://forms.example.com/a%20b"},
            "second_factor": null, "app_metadata": {"a": 1, "b": {"x": 1, "y": 2}}, "id_token": {}}),
    );
    let parked = says(json!({"continue": {"user": {"jti": "x", "email": null}, "second_factor": {}}}));
    let (_, _, outcome) = run(&[says(json!({"continue": {"user": {"jti": "x"}, "second_factor": {}}}))]);
    let Outcome::SecondFactor { rest, .. } = outcome else { panic!("no second factor") };
    assert_eq!(json!(rest.user_changes), json!({"jti": "x"}));
    assert_eq!(rest.profile.user()["jti"], "x");
    check(&[parked], &["failed mutation_forbidden"], json!({"outcome": "failed"}));
}

#[test]
fn a_refusal_after_a_redirect_wins() {
    check(
        &[
            says(json!({"continue": {"redirect": {"url": "https://forms.example.com"}}})),
            says(json!({"deny": {"code": "no"}})),
        ],
        &["continued", "denied no"],
        json!({"outcome": "deny", "redirect": null}),
    );
}

#[test]
fn a_redirect_is_ignored_once_the_browser_is_back() {
    let mut event = event();
    event["context"]["protocol"] = json!("redirect-callback");
    event["context"]["original_protocol"] = json!("oidc-basic-profile");
    let redirect =
        says(json!({"continue": {"redirect": {"url": "https://forms.example.com"}, "app_metadata": {"a": 2}}}));
    check_input(
        &[redirect],
        input(event),
        &["continued"],
        json!({"outcome": "allow", "redirect": null, "app_metadata": {"a": 2, "b": {"x": 1, "y": 2}}}),
    );
}

#[test]
fn a_second_factor_only_goes_up_and_is_met_once_it_was_passed() {
    let demand = |remember: bool| says(json!({"continue": {"second_factor": {"allow_remember_browser": remember}}}));
    for (first, second, both) in [(true, true, true), (true, false, false), (false, true, false)] {
        check(
            &[demand(first), demand(second)],
            &["continued", "continued"],
            json!({"outcome": "second_factor", "second_factor": {"rule": "rule-0", "allow_remember_browser": both}}),
        );
    }
    let mut event = event();
    event["context"]["authentication"] = json!({"methods": [{"name": "pwd"}, {"name": "mfa", "timestamp": 1}]});
    check_input(&[demand(false)], input(event), &["continued"], json!({"outcome": "allow", "second_factor": null}));
}
