//! The login transaction (DESIGN §2): all of it or nothing, re-runs, redirects, second factors.

use http::StatusCode;
use serde_json::{Map, Value, json};
use vestibule_pipeline::manifest::FailurePolicy;
use vestibule_server::{app::Enrolment, login::recording::Recording};
use vestibule_store::{Author, EntryKind, JournalQuery, TenantId, UserChange};
use vestibule_testkit::{peer::Peer, stores::TestStore};

use super::{
    grants::enrolled,
    rules::{EVENT, asking, asking_by_length, continuing, denying, mirror, spinning},
};
use crate::service::{Answer, Browser, SHOP, Service, TestRule, claims, hidden};

/// What the journal says of the last login.
async fn journal(service: &Service) -> (String, serde_json::Value, Option<Vec<u8>>, vestibule_store::LoginId, u32) {
    let query = JournalQuery { limit: 1, ..JournalQuery::default() };
    let entries = service.store.journal(&TenantId::default(), &query).await.unwrap();
    match entries.into_iter().next().expect("an entry").what {
        EntryKind::Login(record) => (record.outcome, json!(record.summary), record.replay, record.login, record.leg),
        EntryKind::Event(event) => (event.kind, json!(event.summary), None, "event".into(), 0),
        EntryKind::Redacted => panic!("redacted"),
    }
}

fn writing(order: i64) -> TestRule {
    continuing(
        order,
        json!({"app_metadata": {"plan": "gold"}, "user_metadata": {"language": "de"}, "id_token": {"x": 1}}),
    )
}

async fn all_or_nothing(store: TestStore) {
    let service = Service::on(store, |_| ()).await;
    service.deploy(vec![writing(1), denying(2, "unauthorized", "No entry")]);
    let denied = service.browser().log_in(&[]).await;
    assert_eq!(denied.error(), "unauthorized");
    assert_eq!(denied.sent("error_description").as_deref(), Some("No entry"));
    let ada = service.ada().await;
    assert_eq!(
        (ada.app_metadata, ada.user_metadata),
        (None, Some(Map::from_iter([("language".to_owned(), json!("en"))])))
    );
    assert_eq!(ada.logins_count, 1, "a denied login counts (U-6)");
    assert!(service.store.provenance(&ada.tenant, &ada.id).await.unwrap().iter().all(|key| key.key != "plan"));
    assert!(service.store.sessions_of(&ada.tenant, &ada.id, service.app.now()).await.unwrap().is_empty());
    assert_eq!(journal(&service).await.0, "deny");

    service.deploy(vec![writing(1)]);
    service.browser().log_in(&[]).await.code();
    let ada = service.ada().await;
    assert_eq!(ada.app_metadata.unwrap()["plan"], "gold");
    assert_eq!(ada.user_metadata.unwrap()["language"], "de");
    assert_eq!(ada.logins_count, 2);
    let provenance = service.store.provenance(&ada.tenant, &ada.id).await.unwrap();
    let plan = provenance.iter().find(|key| key.key == "plan").expect("who wrote it");
    assert!(matches!(&plan.by, Author::Rule { rule, .. } if rule == "answering-1"), "{plan:?}");
    assert_eq!(journal(&service).await.0, "allow");
}

#[tokio::test]
async fn a_denied_login_changed_nothing_on_sqlite() {
    all_or_nothing(TestStore::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_login_changed_nothing_on_postgresql() {
    all_or_nothing(TestStore::postgres().await).await;
}

#[tokio::test]
async fn a_failed_rule_denies_the_login_unless_it_may_be_skipped() {
    let service = Service::start().await;
    service.deploy(vec![writing(1), spinning(2, FailurePolicy::Deny)]);
    let denied = service.browser().log_in(&[]).await;
    assert_eq!(denied.error(), "access_denied");
    let description = denied.sent("error_description").unwrap();
    assert!(description.contains("fuel_exhausted"), "{description}");
    assert!(service.ada().await.app_metadata.is_none());
    assert_eq!(journal(&service).await.0, "fuel_exhausted");
    service.deploy(vec![writing(1), spinning(2, FailurePolicy::Skip)]);
    service.browser().log_in(&[]).await.code();
    assert!(service.ada().await.app_metadata.is_some());
    assert!(journal(&service).await.1.to_string().contains("skipped_after_failure"), "every skip is written down");
}

/// Changes the user as somebody else would.
async fn interfere(service: &Service, value: i64) -> bool {
    let ada = service.ada().await;
    let mut bag = ada.user_metadata.clone().unwrap_or_default();
    bag.insert("seen".to_owned(), json!(value));
    let change = UserChange { user_metadata: Some(Some(bag)), ..UserChange::default() };
    let by = Author::Operator { name: "test".to_owned() };
    let changed = service.store.change_user(&ada.tenant, &ada.id, ada.version, &change, &by, service.app.now()).await;
    matches!(changed.unwrap(), vestibule_store::Changed::Done(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_runs_again_on_a_conflict_with_the_answers_it_has() {
    let service = Service::start().await;
    let peer = Peer::start().await;
    service.deploy_with(vec![asking(1, &peer, "/later"), writing(2), mirror(3)], peer.egress());
    let browser = service.browser();
    let login = browser.log_in(&[]);
    let meddler = async {
        while peer.heads().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(interfere(&service, 7).await);
    };
    let (answer, ()) = tokio::join!(login, meddler);
    let event = claims(&service.exchange(&answer.code()).await.json()["id_token"])[EVENT].clone();
    assert_eq!(event["user"]["user_metadata"]["seen"], 7, "the rules ran on what the other one wrote");
    assert_eq!(event["shared"]["body"], json!({"plan": "late"}));
    assert_eq!(peer.heads().len(), 1, "no request was sent twice");
    let ada = service.ada().await;
    assert_eq!(ada.user_metadata.unwrap()["seen"], 7, "no update was lost");
    assert_eq!(ada.app_metadata.unwrap()["plan"], "gold");
    assert_eq!(ada.logins_count, 1);
    let (_, _, replay, login, leg) = journal(&service).await;
    let recording = Recording::open(&service.app.keys.seal, &login, leg, &replay.unwrap()).unwrap();
    assert_eq!(recording.exchanges[0].exchanges.len(), 1);
    let event: Value = serde_json::from_str(recording.event.get()).unwrap();
    assert_eq!(event["user"]["user_metadata"]["seen"], 7);
}

/// The third attempt asks nobody anything: a rule that would have to fails closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_attempt_does_no_io() {
    let service = Service::start().await;
    let peer = Peer::start().await;
    service.deploy_with(vec![writing(1), asking_by_length(2, &peer, "/later")], peer.egress());
    let browser = service.browser();
    let meddler = async {
        // Values that make the event longer by 9, then by 10: three lengths, three questions.
        for (asked, value) in [(1, 7), (2, 77)] {
            while peer.heads().len() < asked {
                tokio::task::yield_now().await;
            }
            assert!(interfere(&service, value).await);
        }
    };
    let (answer, ()) = tokio::join!(browser.log_in(&[]), meddler);
    assert_eq!(answer.error(), "temporarily_unavailable");
    assert_eq!(peer.heads().len(), 2, "nothing was sent on the last attempt");
    assert_eq!(journal(&service).await.0, "conflict_exhausted");
    let ada = service.ada().await;
    assert!(ada.app_metadata.is_none());
    assert_eq!(ada.logins_count, 1);
    assert!(interfere(&service, 1).await, "the turn is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_gets_its_turn_on_a_user_that_everybody_writes() {
    let service = Service::start().await;
    service.deploy(vec![writing(1)]);
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let done = std::sync::atomic::AtomicBool::new(false);
    let login = async {
        let answer = browser.sign_in(&asked, crate::service::ADA, crate::service::PASSWORD).await;
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        answer
    };
    let meddlers = async {
        let mut written = 0;
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            written += i64::from(interfere(&service, written + 1).await);
            tokio::task::yield_now().await;
        }
        written
    };
    let (answer, written) = tokio::join!(login, meddlers);
    answer.code();
    let ada = service.ada().await;
    assert_eq!(ada.app_metadata.unwrap()["plan"], "gold");
    assert_eq!(ada.user_metadata.unwrap().get("seen"), (written > 0).then(|| json!(written)).as_ref());
}

fn redirecting(order: i64) -> TestRule {
    continuing(
        order,
        json!({"redirect": {"url": "https://forms.example.com/terms?lang=en"}, "user": {"jti": "abc"},
               "app_metadata": {"seen_form": true}}),
    )
}

/// U-4.
#[tokio::test]
async fn a_login_goes_on_after_a_redirect() {
    let service = Service::start().await;
    service.deploy(vec![mirror(1), redirecting(2)]);
    let browser = service.browser();
    let sent = browser.log_in(&[]).await;
    let location = sent.location();
    assert!(location.as_str().starts_with("https://forms.example.com/terms?lang=en&state="), "{location}");
    let ada = service.ada().await;
    assert!(ada.app_metadata.is_none(), "nothing is kept of a login that waits");
    assert_eq!(ada.logins_count, 1);
    assert!(interfere(&service, 3).await, "somebody changes the profile meanwhile (R-35)");

    let state = sent.sent("state").unwrap();
    let stranger = service.browser();
    stranger.authorize(&[]).await; // It has a cookie of its own.
    assert_eq!(stranger.get(&format!("/continue?state={state}")).await.error_page(), "invalid_request");
    let back = browser.get(&format!("/continue?state={state}&accepted=yes")).await;
    let event = claims(&service.exchange(&back.code()).await.json()["id_token"])[EVENT].clone();
    assert_eq!(event["context"]["protocol"], "redirect-callback");
    assert_eq!(event["context"]["original_protocol"], "oidc-basic-profile");
    assert_eq!(event["context"]["request"]["query"]["accepted"], "yes");
    assert_eq!(event["user"]["jti"], "abc");
    assert_eq!(event["user"]["user_metadata"]["seen"], 3);
    assert_eq!(event["user"]["logins_count"], 1);
    let ada = service.ada().await;
    assert_eq!(ada.app_metadata.unwrap()["seen_form"], true);
    assert_eq!(ada.logins_count, 1, "one login, two legs");
    assert_eq!(browser.get(&format!("/continue?state={state}")).await.error_page(), "invalid_request", "once");
    assert_eq!(browser.get("/continue").await.error_page(), "invalid_request");
}

/// a form of another site carries no cookie.
#[tokio::test]
async fn what_another_site_posts_waits_for_the_browser() {
    let service = Service::start().await;
    service.deploy(vec![mirror(1), redirecting(2)]);
    let browser = service.browser();
    let state = browser.log_in(&[]).await.sent("state").unwrap();
    let posted = service.post("/continue", &[("state", &state), ("answer", "42"), ("password", "hunter2")]).await;
    assert_eq!(posted.status, StatusCode::SEE_OTHER, "{}", posted.body);
    assert!(posted.headers.get("set-cookie").is_none());
    let event =
        claims(&service.exchange(&browser.follow(&posted).await.code()).await.json()["id_token"])[EVENT].clone();
    assert_eq!(event["context"]["request"]["body"], json!({"answer": "42", "state": state}));
    let unknown = service.post("/continue", &[("state", "unknown")]).await;
    assert_eq!(unknown.error_page(), "invalid_request");
    let large = "x".repeat(20_000);
    assert_eq!(service.post("/continue", &[("state", &state), ("a", &large)]).await.error_page(), "invalid_request");
}

#[tokio::test]
async fn a_waiting_login_keeps_its_generation_unless_that_was_revoked() {
    let service = Service::start().await;
    let keeps = async |revoke: bool| {
        service.deploy(vec![mirror(1), redirecting(2), continuing(3, json!({"id_token": {"generation": "old"}}))]);
        let browser = service.browser();
        let state = browser.log_in(&[]).await.sent("state").unwrap();
        service.deploy(vec![mirror(1), continuing(3, json!({"id_token": {"generation": "new"}}))]);
        if revoke {
            service.revoke_older_generations();
        }
        let back = browser.get(&format!("/continue?state={state}")).await;
        claims(&service.exchange(&back.code()).await.json()["id_token"])
    };
    let pinned = keeps(false).await;
    assert_eq!(pinned["generation"], "old");
    assert_eq!(pinned[EVENT]["context"]["protocol"], "redirect-callback");
    let restarted = keeps(true).await;
    assert_eq!(restarted["generation"], "new");
    assert_eq!(restarted[EVENT]["context"]["protocol"], "oidc-basic-profile", "from the start");
    assert!(restarted[EVENT]["user"].get("jti").is_none(), "what revoked rules left counts for nothing");
}

/// Passes the second factor that an answer leads to.
pub(super) async fn pass_factor(browser: &Browser<'_>, answer: &Answer, code: &str, remember: bool) -> Answer {
    assert_eq!(answer.location().path(), "/u/mfa", "{}", answer.location());
    let page = browser.follow(answer).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let (state, csrf) = (hidden(&page.body, "state"), hidden(&page.body, "csrf"));
    let mut form = vec![("state", state.as_str()), ("csrf", csrf.as_str()), ("step", "code"), ("code", code)];
    if remember {
        form.push(("remember", "true"));
    }
    browser.post("/u/mfa", &form).await
}

#[tokio::test]
async fn a_rule_demands_a_second_factor() {
    let service = Service::start().await;
    let secret = enrolled(&service).await;
    service.deploy(vec![mirror(1), continuing(2, json!({"second_factor": {}, "app_metadata": {"strong": true}}))]);
    let browser = service.browser();
    let asked = browser.log_in(&[]).await;
    assert!(service.ada().await.app_metadata.is_none());
    assert!(!browser.cookies().contains_key("__Host-vestibule-session"), "no session before the factor");
    let done = pass_factor(&browser, &asked, &secret.code(service.app.now()), false).await;
    let tokens = service.exchange(&done.code()).await.json();
    let id_token = claims(&tokens["id_token"]);
    assert_eq!(id_token["amr"], json!(["pwd", "mfa"]));
    assert_eq!(id_token["acr"], "http://schemas.openid.net/pape/policies/2007/06/multi-factor");
    assert_eq!(id_token[EVENT]["context"]["authentication"]["methods"][1]["name"], "mfa");
    assert_eq!(service.ada().await.app_metadata.unwrap()["strong"], true);
    assert_eq!(service.ada().await.logins_count, 1);
    // The session has it: silent logins are not asked again.
    browser.authorize(&[("prompt", "none")]).await.code();
    // Another one has not.
    let other = service.browser();
    other.log_in(&[]).await;
    assert_eq!(other.authorize(&[("prompt", "none")]).await.error(), "login_required");
}

#[tokio::test]
async fn a_silent_login_that_needs_a_factor_needs_interaction() {
    let service = Service::start().await;
    enrolled(&service).await;
    let browser = service.browser();
    browser.log_in(&[]).await.code();
    for demand in [json!({"second_factor": {}}), json!({"redirect": {"url": "https://forms.example.com/"}})] {
        service.deploy(vec![continuing(1, demand)]);
        assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "interaction_required");
    }
    service.deploy(Vec::new());
    let multi_factor = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
    let asked = browser.authorize(&[("acr_values", multi_factor)]).await;
    assert_eq!(asked.location().path(), "/u/mfa", "R-42");
}

///
#[tokio::test]
async fn a_browser_is_remembered_where_the_rule_allows_it() {
    let service = Service::start().await;
    let secret = enrolled(&service).await;
    service.deploy(vec![continuing(1, json!({"second_factor": {"allow_remember_browser": true}}))]);
    let browser = service.browser();
    let asked = browser.log_in(&[]).await;
    pass_factor(&browser, &asked, &secret.code(service.app.now()), true).await.code();
    let again = browser.log_in(&[("prompt", "login")]).await;
    again.code();
    let multi_factor = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
    let forced = browser.log_in(&[("prompt", "login"), ("acr_values", multi_factor)]).await;
    assert_eq!(forced.location().path(), "/u/mfa");
    service.deploy(vec![continuing(1, json!({"second_factor": {"allow_remember_browser": false}}))]);
    assert_eq!(browser.log_in(&[("prompt", "login")]).await.location().path(), "/u/mfa");
}

#[tokio::test]
async fn whoever_has_no_factor_enrols_or_is_denied_as_the_operator_says() {
    let demand = || vec![continuing(1, json!({"second_factor": {}}))];
    let service = Service::start().await;
    service.deploy(demand());
    assert_eq!(service.browser().log_in(&[]).await.location().path(), "/u/mfa");
    let strict = Service::with(|settings| settings.enrolment = Enrolment::Deny).await;
    strict.deploy(demand());
    assert_eq!(strict.browser().log_in(&[]).await.error(), "access_denied");
}

/// U-6: only credentials count, and a session is used again.
#[tokio::test]
async fn single_sign_on_runs_the_rules_and_does_not_count() {
    let service = Service::start().await;
    service.deploy(vec![mirror(1)]);
    let browser = service.browser();
    browser.log_in(&[]).await.code();
    let code = browser.authorize(&[]).await.code();
    let event = claims(&service.exchange(&code).await.json()["id_token"])[EVENT].clone();
    assert_eq!(event["user"]["logins_count"], 1);
    assert_eq!(event["context"]["sso"]["current_clients"], json!([SHOP]));
    assert!(event["context"]["sessionID"].is_string());
    assert_eq!(service.ada().await.logins_count, 1);
    service.clock.advance(3 * 24 * 3_600 + 1);
    assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required", "idle too long");
}
