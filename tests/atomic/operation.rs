//! One operation on an account, and what whoever asked for it heard.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use http::StatusCode;
use serde_json::{Map, Value, json};
use vestibule_store::{Author, Changed, TenantId, User, UserChange, UserId};
use vestibule_testkit::{guests::TALLY, proof::Dice};

use super::REFUSED;
use crate::service::{Answer, PASSWORD, SECRET, SHOP, Service, claims};

/// An account, and what is known of it.
pub(super) struct Account {
    pub(super) id: UserId,
    pub(super) email: String,
    /// The highest number that was acknowledged.
    highest: AtomicU64,
    /// A refresh token that nobody is using.
    refresh: Mutex<Option<String>>,
}

/// An operation that is over.
pub(super) struct Done {
    /// On which account.
    pub(super) account: usize,
    /// The highest number that was acknowledged before it began.
    pub(super) floor: u64,
    pub(super) heard: Heard,
}

/// What whoever asked heard.
pub(super) enum Heard {
    /// A login that was allowed: its id and its number, by a code or at once.
    Login { id: String, number: u64, by_code: bool },
    /// A login that a rule refused.
    Refused,
    /// A metadata write.
    Written { number: u64 },
    /// A metadata write that came too late.
    Conflict,
    /// What was stored.
    Read { ours: u64, theirs: u64 },
    /// The service was too busy, and said so.
    Busy,
}

impl Account {
    pub(super) fn new(number: u64) -> Self {
        Self {
            id: UserId::new(format!("auth0|{number:024x}")),
            email: format!("person-{number}@example.com"),
            highest: AtomicU64::new(0),
            refresh: Mutex::default(),
        }
    }

    fn acknowledged(&self, number: u64) {
        self.highest.fetch_max(number, Ordering::SeqCst);
    }
}

/// Does something on an account.
pub(super) async fn operate(service: &Service, account: &Account, position: usize, dice: &mut Dice) -> Done {
    let floor = account.highest.load(Ordering::SeqCst);
    let heard = match dice.below(12) {
        0..=1 => by_password(service, account, SHOP).await,
        2..=3 => by_code(service, account, SHOP).await,
        4 => by_password(service, account, REFUSED).await,
        5 => by_code(service, account, REFUSED).await,
        6..=7 => by_refresh(service, account).await,
        8..=9 => by_write(service, account).await,
        _ => read(service, account).await,
    };
    if let Heard::Login { number, .. } | Heard::Written { number } = &heard {
        account.acknowledged(*number);
    }
    Done { account: position, floor, heard }
}

async fn by_password(service: &Service, account: &Account, client: &str) -> Heard {
    let form = [
        ("client_id", client),
        ("client_secret", SECRET),
        ("grant_type", "password"),
        ("username", account.email.as_str()),
        ("password", PASSWORD),
        ("scope", "openid offline_access"),
    ];
    heard(account, &service.post("/oauth/token", &form).await, false)
}

async fn by_code(service: &Service, account: &Account, client: &str) -> Heard {
    let browser = service.browser();
    let asked = browser.authorize(&[("client_id", client), ("scope", "openid offline_access")]).await;
    let back = browser.sign_in(&asked, &account.email, PASSWORD).await;
    if back.status != StatusCode::SEE_OTHER {
        assert_eq!(back.status, StatusCode::SERVICE_UNAVAILABLE, "{}", back.body);
        return Heard::Busy;
    }
    match back.sent("error").as_deref() {
        None => heard(account, &service.exchange(&back.code()).await, true),
        Some("unauthorized") => Heard::Refused,
        Some("temporarily_unavailable") => Heard::Busy,
        Some(other) => panic!("{other}"),
    }
}

async fn by_refresh(service: &Service, account: &Account) -> Heard {
    let token = account.refresh.lock().unwrap().take();
    let Some(token) = token else { return by_password(service, account, SHOP).await };
    let answer = service.token(&[("grant_type", "refresh_token"), ("refresh_token", token.as_str())]).await;
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        *account.refresh.lock().unwrap() = Some(token); // A refresh that was not allowed leaves the token valid.
    }
    heard(account, &answer, false)
}

/// What the token endpoint answered.
fn heard(account: &Account, answer: &Answer, by_code: bool) -> Heard {
    match answer.status {
        StatusCode::OK => {}
        StatusCode::SERVICE_UNAVAILABLE => return Heard::Busy,
        _ if answer.json()["error"] == "unauthorized" => return Heard::Refused,
        _ => panic!("{} {}", answer.status, answer.body),
    }
    let tokens = answer.json();
    *account.refresh.lock().unwrap() = tokens["refresh_token"].as_str().map(str::to_owned);
    let id = claims(&tokens["access_token"])["jti"].as_str().unwrap().to_owned();
    Heard::Login { id, number: claims(&tokens["id_token"])[TALLY].as_u64().unwrap(), by_code }
}

/// Adds one to both bags, as a program would that manages users.
async fn by_write(service: &Service, account: &Account) -> Heard {
    let user = stored(service, account).await;
    let number = tally(user.user_metadata.as_ref()) + 1;
    let longer = |bag: Option<Map<String, Value>>| {
        let mut bag = bag.unwrap_or_default();
        bag.insert("tally".to_owned(), json!(number));
        Some(Some(bag))
    };
    let change = UserChange {
        user_metadata: longer(user.user_metadata),
        app_metadata: longer(user.app_metadata),
        ..UserChange::default()
    };
    let (tenant, now) = (TenantId::default(), service.app.now());
    match service.store.change_user(&tenant, &user.id, user.version, &change, &Author::User, now).await.unwrap() {
        Changed::Done(_) => Heard::Written { number },
        Changed::Conflict => Heard::Conflict,
        other => panic!("{other:?}"),
    }
}

async fn read(service: &Service, account: &Account) -> Heard {
    let user = stored(service, account).await;
    Heard::Read { ours: tally(user.user_metadata.as_ref()), theirs: tally(user.app_metadata.as_ref()) }
}

/// The user, as stored.
pub(super) async fn stored(service: &Service, account: &Account) -> User {
    service.store.user(&TenantId::default(), &account.id).await.unwrap().unwrap()
}

/// The number in a bag.
pub(super) fn tally(bag: Option<&Map<String, Value>>) -> u64 {
    bag.and_then(|bag| bag.get("tally")?.as_u64()).unwrap_or_default()
}
