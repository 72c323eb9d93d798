//! Break-glass (DESIGN §2).

use http::{Method, StatusCode};
use serde_json::json;
use vestibule_store::{Entry, EntryKind, JournalQuery, TenantId};

use super::{grants::enrolled, rules::denying, transaction::pass_factor};
use crate::service::{ADA, ADA_ID, ISSUER, SECRET, SHOP, Service, claims};

/// DESIGN §2: opened for one account, second factor, management audience only, rules skipped, written down loudly.
#[tokio::test]
async fn break_glass_lets_one_account_at_the_management_api_past_the_rules() {
    let service = Service::start().await;
    let secret = enrolled(&service).await;
    let management = format!("{ISSUER}api/v2/");
    let change = |settings: &mut vestibule_store::ClientSettings| {
        settings.audiences.insert(management.clone(), vec!["read:users".to_owned()]);
    };
    service.put_client(SHOP, Some(SECRET), change).await;
    service.deploy(vec![denying(1, "unauthorized", "broken rule")]);
    let asked = [("audience", management.as_str()), ("scope", "openid read:users offline_access")];
    assert_eq!(service.browser().log_in(&asked).await.error(), "unauthorized", "no window is open");
    let (tenant, now) = (TenantId::default(), service.app.now());
    let open = async |seconds, reason| {
        let window = json!({"user": ADA, "seconds": seconds, "reason": reason});
        service.admin(Method::POST, "/v1/break-glass", &window).await
    };
    assert_eq!(open(901, "too long").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(open(900, " ").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(service.browser().log_in(&asked).await.error(), "unauthorized", "no window was opened");
    let opened = open(900, "rules keep everybody out").await;
    assert_eq!(opened.json(), json!({"user": ADA_ID, "until": now.plus(std::time::Duration::from_secs(900))}));
    assert_eq!(service.browser().log_in(&[]).await.error(), "unauthorized", "everywhere else the rules still run");
    let browser = service.browser();
    let factor = browser.log_in(&asked).await;
    let done = pass_factor(&browser, &factor, &secret.code(now), false).await;
    let tokens = service.exchange(&done.code()).await.json();
    assert!(tokens.get("refresh_token").is_none());
    let access = claims(&tokens["access_token"]);
    assert_eq!(access["scope"], "openid read:users");
    assert!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap() <= 900, "it ends with the window");
    assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required", "and it is no session");
    let events = service.store.journal(&tenant, &JournalQuery { limit: 50, ..JournalQuery::default() }).await.unwrap();
    let told = |kind: &str, by: &str| {
        let is_it = |entry: &Entry| match &entry.what {
            EntryKind::Event(event) => {
                event.kind == kind && event.by == by && event.user.as_ref().is_some_and(|user| user.as_str() == ADA_ID)
            }
            EntryKind::Login(_) | EntryKind::Redacted => false,
        };
        events.iter().filter(|entry| is_it(entry)).count()
    };
    assert_eq!(told("break_glass_opened", "root"), 1, "{events:?}");
    assert!(told("break_glass_login", ADA_ID) > 0, "{events:?}");
    service.clock.advance(901);
    assert_eq!(service.browser().log_in(&asked).await.error(), "unauthorized", "it is over by itself");
}
