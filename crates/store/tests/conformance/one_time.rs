//! Parked logins, one-time tokens, factors and recovery codes.

use serde_json::json;
use vestibule_store::*;
use vestibule_testkit::stores::{NOW, TestStore};

use crate::{given::*, letters::letter};

super::on_both![
    a_parked_login_is_taken_once_by_its_browser,
    a_parked_login_is_nothing_to_another_wait_or_tenant,
    a_token_is_nothing_to_another_purpose,
    one_of_64_uses_of_a_token_wins,
    one_of_64_uses_of_a_parked_login_wins,
    attempts_are_counted,
    a_token_that_is_to_be_alone_ends_the_others,
    a_new_password_ends_what_the_old_one_opened,
    a_reset_token_serves_once_and_its_owner_only,
    a_rehash_changes_nothing_else,
    a_time_step_serves_once,
    a_recovery_code_serves_once,
    a_reset_takes_every_factor_and_ends_what_was_opened,
];

fn parked(handle: &str, wait: Wait) -> Parked {
    Parked {
        handle: secret(handle),
        wait,
        browser: secret("browser"),
        client: shop(),
        login: "login".into(),
        user: None,
        document: object(json!({"state": "x"})),
        at: NOW,
        expires_at: at(1_000),
        attempts: 0,
    }
}

fn token(name: &str, purpose: Purpose, user: &str) -> OneTimeToken {
    OneTimeToken {
        digest: secret(name),
        purpose,
        user: user.into(),
        client: Some(shop()),
        document: object(json!({"n": 1})),
        at: NOW,
        expires_at: at(1_000),
        attempts: 0,
    }
}

async fn a_parked_login_is_taken_once_by_its_browser(store: TestStore) {
    let waits = parked("h", Wait::SecondFactor);
    store.park(&tenant(), &waits).await.unwrap();
    let take = |browser: &str, now| {
        let (store, browser) = (store.share(), secret(browser));
        async move { store.take_parked(&tenant(), &secret("h"), Wait::SecondFactor, &browser, at(now)).await.unwrap() }
    };
    assert_eq!(take("another", 1).await, None);
    assert_eq!(take("browser", 1_000).await, None); // Over.
    let document = object(json!({"state": "y"}));
    assert!(store.amend_parked(&tenant(), &waits.handle, waits.wait, &document, at(1)).await.unwrap());
    let seen = store.parked(&tenant(), &waits.handle, waits.wait, at(1)).await.unwrap();
    let expected = Some(Parked { document: document.clone(), ..waits.clone() });
    assert_eq!(seen, expected);
    assert_eq!(take("browser", 999).await, expected);
    assert_eq!(take("browser", 999).await, None);
    assert!(!store.amend_parked(&tenant(), &waits.handle, waits.wait, &document, at(1)).await.unwrap());
}

async fn a_parked_login_is_nothing_to_another_wait_or_tenant(store: TestStore) {
    store.park(&tenant(), &parked("h", Wait::Credentials)).await.unwrap();
    let (handle, browser) = (secret("h"), secret("browser"));
    assert_eq!(store.parked(&tenant(), &handle, Wait::Redirect, NOW).await.unwrap(), None);
    assert_eq!(store.take_parked(&tenant(), &handle, Wait::Redirect, &browser, NOW).await.unwrap(), None);
    assert_eq!(store.take_parked(&"t2".into(), &handle, Wait::Credentials, &browser, NOW).await.unwrap(), None);
    assert!(store.take_parked(&tenant(), &handle, Wait::Credentials, &browser, NOW).await.unwrap().is_some());
}

async fn a_token_is_nothing_to_another_purpose(store: TestStore) {
    const PURPOSES: [Purpose; 5] = [
        Purpose::EmailVerification,
        Purpose::PasswordReset,
        Purpose::MfaToken,
        Purpose::BreakGlass,
        Purpose::RememberedBrowser,
    ];
    for made in PURPOSES {
        store.put_token(&tenant(), &token("t", made, "ada"), Alone::No).await.unwrap();
        for asked in PURPOSES {
            let seen = store.token(&tenant(), asked, &secret("t"), at(1)).await.unwrap();
            assert_eq!(seen.is_some(), asked == made, "{made:?} as {asked:?}");
        }
        assert_eq!(store.take_token(&"t2".into(), made, &secret("t"), at(1)).await.unwrap(), None);
        assert_eq!(store.take_token(&tenant(), made, &secret("t"), at(1_000)).await.unwrap(), None);
        let taken = store.take_token(&tenant(), made, &secret("t"), at(999)).await.unwrap();
        assert_eq!(taken, Some(token("t", made, "ada")));
    }
    // A code is no token, and a token no code.
    store.put_token(&tenant(), &token("t", Purpose::PasswordReset, "ada"), Alone::No).await.unwrap();
    assert_eq!(store.redeem_code(&tenant(), &redeem("t")).await.unwrap(), Redeemed::Refused);
    assert_eq!(store.refresh_token(&tenant(), &secret("t"), &shop(), at(1)).await.unwrap(), Presented::Refused);
}

async fn one_of_64_uses_of_a_token_wins(store: TestStore) {
    store.put_token(&tenant(), &token("t", Purpose::PasswordReset, "ada"), Alone::No).await.unwrap();
    let answers = race(|_| {
        let store = store.share();
        async move { store.take_token(&tenant(), Purpose::PasswordReset, &secret("t"), at(1)).await.unwrap() }
    })
    .await;
    assert_eq!(answers.iter().flatten().count(), 1);
}

async fn one_of_64_uses_of_a_parked_login_wins(store: TestStore) {
    store.park(&tenant(), &parked("h", Wait::Redirect)).await.unwrap();
    let answers =
        race(|_| {
            let store = store.share();
            async move {
                store.take_parked(&tenant(), &secret("h"), Wait::Redirect, &secret("browser"), at(1)).await.unwrap()
            }
        })
        .await;
    assert_eq!(answers.iter().flatten().count(), 1);
}

async fn attempts_are_counted(store: TestStore) {
    store.park(&tenant(), &parked("h", Wait::SecondFactor)).await.unwrap();
    store.put_token(&tenant(), &token("t", Purpose::MfaToken, "ada"), Alone::No).await.unwrap();
    let mut counted = race(|_| {
        let store = store.share();
        async move {
            let parked = store.count_parked_attempt(&tenant(), &secret("h"), at(1)).await.unwrap().unwrap();
            let token = store.count_token_attempt(&tenant(), Purpose::MfaToken, &secret("t"), at(1)).await.unwrap();
            (parked, token.unwrap())
        }
    })
    .await;
    counted.sort_unstable();
    assert_eq!(counted.iter().map(|(parked, _)| *parked).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());
    let mut tokens: Vec<_> = counted.iter().map(|(_, token)| *token).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, (1..=64).collect::<Vec<_>>());
    assert_eq!(store.count_parked_attempt(&tenant(), &secret("h"), at(1_000)).await.unwrap(), None);
}

async fn a_token_that_is_to_be_alone_ends_the_others(store: TestStore) {
    let purpose = Purpose::EmailVerification;
    for (name, user, alone) in [("1", "ada", Alone::No), ("2", "bob", Alone::No), ("3", "ada", Alone::Yes)] {
        store.put_token(&tenant(), &token(name, purpose, user), alone).await.unwrap();
    }
    let left = store.tokens(&tenant(), purpose, at(1)).await.unwrap();
    let mut left: Vec<_> = left.into_iter().map(|token| token.digest).collect();
    left.sort_unstable();
    let mut expected = vec![secret("2"), secret("3")];
    expected.sort_unstable();
    assert_eq!(left, expected);
    assert_eq!(store.drop_tokens(&tenant(), purpose, &"ada".into()).await.unwrap(), 1);
}

fn new_password(phc: &str) -> NewPassword {
    let (phc, by, at) = (phc.to_owned(), Author::User, at(5));
    NewPassword { phc, instead_of: None, token: None, address: None, keep: None, notice: None, by, at }
}

async fn a_new_password_ends_what_the_old_one_opened(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let mut open = allow_with(&ada, "one", |allowed| {
        allowed.session = SessionUse::Open(new_session("kept"));
        allowed.refresh = RefreshUse::Issue { family: family("f"), document: object(json!({})) };
    });
    done(&*store, &open).await;
    open = allow_with(&read(&*store, &ada).await, "two", |allowed| {
        allowed.session = SessionUse::Open(new_session("other"));
        allowed.code = Some(new_code("code", false));
    });
    done(&*store, &open).await;

    for wait in [Wait::Redirect, Wait::SecondFactor] {
        store.park(&tenant(), &Parked { user: Some(ada.id.clone()), ..parked("h", wait) }).await.unwrap();
    }
    store.park(&tenant(), &parked("h", Wait::Credentials)).await.unwrap();
    store.put_token(&tenant(), &token("t", Purpose::MfaToken, "ada"), Alone::No).await.unwrap();
    let begun = Factor {
        id: "begun".into(),
        kind: FactorKind::Totp,
        sealed: b"sealed".to_vec(),
        created_at: NOW,
        confirmed_at: None,
        last_step: None,
    };
    store.begin_factor(&tenant(), &ada.id, &begun).await.unwrap();

    store.put_token(&tenant(), &token("browser", Purpose::RememberedBrowser, "ada"), Alone::No).await.unwrap();
    let mut new = new_password("new");
    new.instead_of = Some("not this".to_owned());
    assert_eq!(store.set_password(&tenant(), &ada.id, &new).await.unwrap(), PasswordSet::Conflict);
    new.instead_of = Some(store.password(&tenant(), &ada.id).await.unwrap().unwrap().phc);
    new.keep = Some("kept".into());
    let before = read(&*store, &ada).await;
    assert_eq!(store.set_password(&tenant(), &ada.id, &new).await.unwrap(), PasswordSet::Done);
    let after = read(&*store, &ada).await;
    assert_eq!((after.version.0, after.last_password_reset), (before.version.0 + 1, Some(at(5))));
    assert_eq!(
        store.password(&tenant(), &ada.id).await.unwrap().unwrap(),
        Password { phc: "new".to_owned(), set_at: at(5) }
    );
    let kept = store.session(&tenant(), &secret("kept"), at(6)).await.unwrap().expect("the session that goes on");
    assert_eq!(kept.authenticated_at, at(5));
    for (wait, is_left) in [(Wait::Redirect, false), (Wait::SecondFactor, false), (Wait::Credentials, true)] {
        let left = store.parked(&tenant(), &secret("h"), wait, at(6)).await.unwrap();
        assert_eq!(left.is_some(), is_left, "{wait:?}");
    }
    assert_eq!(store.token(&tenant(), Purpose::MfaToken, &secret("t"), at(6)).await.unwrap(), None);
    assert_eq!(store.factors(&tenant(), &ada.id).await.unwrap(), []);
    assert_eq!(store.session(&tenant(), &secret("other"), at(6)).await.unwrap(), None);
    let remembered = store.token(&tenant(), Purpose::RememberedBrowser, &secret("browser"), at(6)).await.unwrap();
    assert_eq!(remembered, None);
    assert_eq!(store.redeem_code(&tenant(), &redeem("code")).await.unwrap(), Redeemed::Refused);
    assert_eq!(store.refresh_token(&tenant(), &secret("f-0"), &shop(), at(6)).await.unwrap(), Presented::Refused);
    assert_eq!(store.set_password(&tenant(), &"nobody".into(), &new).await.unwrap(), PasswordSet::Gone);
}

async fn a_reset_token_serves_once_and_its_owner_only(store: TestStore) {
    let (ada, bob) = (user(&*store, "ada").await, user(&*store, "bob").await);
    store.put_token(&tenant(), &token("t", Purpose::PasswordReset, "ada"), Alone::Yes).await.unwrap();
    let mut new = new_password("new");
    new.token = Some(secret("t"));
    // Somebody else's: it is not used up by the attempt.
    assert_eq!(store.set_password(&tenant(), &bob.id, &new).await.unwrap(), PasswordSet::TokenSpent);
    // Sent to an address that is hers no more: neither.
    new.address = Some("before@example.com".to_owned());
    assert_eq!(store.set_password(&tenant(), &ada.id, &new).await.unwrap(), PasswordSet::TokenSpent);
    new.address = ada.email.clone();
    let answers = race(|number| {
        let (store, id, mut new) = (store.share(), ada.id.clone(), new.clone());
        new.phc = format!("new-{number}");
        new.notice = Some(letter(&number.to_string(), 10));
        async move { store.set_password(&tenant(), &id, &new).await.unwrap() }
    })
    .await;
    let won: Vec<_> = (0..64).filter(|number| answers[*number] == PasswordSet::Done).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == PasswordSet::TokenSpent).count(), 63);
    assert_eq!(store.password(&tenant(), &ada.id).await.unwrap().unwrap().phc, format!("new-{}", won[0]));
    let kept = store.take_letters(&tenant(), at(10), at(20), 64).await.unwrap();
    assert_eq!(kept.iter().map(|letter| letter.id.clone()).collect::<Vec<_>>(), [won[0].to_string()]);
}

async fn a_rehash_changes_nothing_else(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let old = store.password(&tenant(), &ada.id).await.unwrap().unwrap();
    assert!(!store.rehash_password(&tenant(), &ada.id, "not this", "new").await.unwrap());
    assert!(store.rehash_password(&tenant(), &ada.id, &old.phc, "new").await.unwrap());
    assert_eq!(read(&*store, &ada).await, ada);
    assert_eq!(store.password(&tenant(), &ada.id).await.unwrap().unwrap().set_at, old.set_at);
}

fn factor(id: &str) -> Factor {
    Factor {
        id: id.into(),
        kind: FactorKind::Totp,
        sealed: b"sealed".to_vec(),
        created_at: NOW,
        confirmed_at: None,
        last_step: None,
    }
}

async fn a_time_step_serves_once(store: TestStore) {
    let ada = user(&*store, "ada").await;
    store.begin_factor(&tenant(), &ada.id, &factor("abandoned")).await.unwrap();
    store.begin_factor(&tenant(), &ada.id, &factor("f")).await.unwrap();
    assert_eq!(store.factors(&tenant(), &ada.id).await.unwrap(), [factor("f")]);
    assert!(
        !store.use_step(&tenant(), &ada.id, &"f".into(), 99).await.unwrap(),
        "a factor that is not confirmed counts"
    );
    let confirmed = race(|number| {
        let (store, id) = (store.share(), ada.id.clone());
        let recovery = vec![secret(&format!("recovery-{number}"))];
        let notice = Some(letter(&number.to_string(), 10));
        let confirmed = Confirmed { step: 99, recovery, notice, at: at(1) };
        async move { store.confirm_factor(&tenant(), &id, &"f".into(), &confirmed).await.unwrap() }
    })
    .await;
    let won: Vec<_> = (0..64).filter(|number| confirmed[*number]).collect();
    assert_eq!(won.len(), 1);
    // The codes that count are those that the winner shows.
    assert_eq!(store.recovery_codes_left(&tenant(), &ada.id).await.unwrap(), 1);
    let code = secret(&format!("recovery-{}", won[0]));
    assert!(store.use_recovery_code(&tenant(), &ada.id, &code).await.unwrap());
    assert_eq!(store.take_letters(&tenant(), at(10), at(20), 64).await.unwrap().len(), 1, "who lost tells nobody");
    let used = race(|_| {
        let (store, id) = (store.share(), ada.id.clone());
        async move { store.use_step(&tenant(), &id, &"f".into(), 100).await.unwrap() }
    })
    .await;
    assert_eq!(used.iter().filter(|used| **used).count(), 1);
    assert!(!store.use_step(&tenant(), &ada.id, &"f".into(), 99).await.unwrap());
    assert!(store.use_step(&tenant(), &ada.id, &"f".into(), 101).await.unwrap());
    let expected = Factor { confirmed_at: Some(at(1)), last_step: Some(101), ..factor("f") };
    assert_eq!(store.factors(&tenant(), &ada.id).await.unwrap(), [expected]);
    assert!(store.remove_factor(&tenant(), &ada.id, &"f".into()).await.unwrap());
    assert!(!store.remove_factor(&tenant(), &ada.id, &"f".into()).await.unwrap());
}

async fn a_recovery_code_serves_once(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let confirm = async |id: &str, codes: &[&str]| {
        store.begin_factor(&tenant(), &ada.id, &factor(id)).await.unwrap();
        let recovery = codes.iter().map(|code| secret(code)).collect();
        let confirmed = Confirmed { step: 1, recovery, notice: None, at: at(1) };
        store.confirm_factor(&tenant(), &ada.id, &id.into(), &confirmed).await.unwrap()
    };
    assert!(confirm("lost", &["old"]).await);
    assert!(!confirm("second", &["1", "2"]).await, "a user has one factor that counts");
    assert!(store.remove_factor(&tenant(), &ada.id, &"lost".into()).await.unwrap());
    assert!(confirm("new", &["1", "2"]).await);
    assert!(!store.use_recovery_code(&tenant(), &ada.id, &secret("old")).await.unwrap());
    let used = race(|_| {
        let (store, id) = (store.share(), ada.id.clone());
        async move { store.use_recovery_code(&tenant(), &id, &secret("1")).await.unwrap() }
    })
    .await;
    assert_eq!(used.iter().filter(|used| **used).count(), 1);
    assert_eq!(store.recovery_codes_left(&tenant(), &ada.id).await.unwrap(), 1);
}

async fn a_reset_takes_every_factor_and_ends_what_was_opened(store: TestStore) {
    let (ada, bob) = (user(&*store, "ada").await, user(&*store, "bob").await);
    for owner in [&ada, &bob] {
        store.begin_factor(&tenant(), &owner.id, &factor("f")).await.unwrap();
        let confirmed = Confirmed { step: 1, recovery: vec![secret("code")], notice: None, at: at(1) };
        assert!(store.confirm_factor(&tenant(), &owner.id, &"f".into(), &confirmed).await.unwrap());
        let session = format!("session of {}", owner.id);
        let open = allow_with(owner, &session, |allowed| allowed.session = SessionUse::Open(new_session(&session)));
        done(&*store, &open).await;
    }
    let remembered = token("browser", Purpose::RememberedBrowser, "ada");
    store.put_token(&tenant(), &remembered, Alone::No).await.unwrap();
    let before = read(&*store, &ada).await;
    let act = |user: &str| Act { what: OperatorAct::FactorsReset { user: user.into() }, ..some_act() };
    assert_eq!(store.reset_factors(&tenant(), &"nobody".into(), &act("nobody")).await.unwrap(), None);
    assert_eq!(store.reset_factors(&tenant(), &ada.id, &act("ada")).await.unwrap(), Some(1));
    assert_eq!(store.factors(&tenant(), &ada.id).await.unwrap(), []);
    assert_eq!(store.recovery_codes_left(&tenant(), &ada.id).await.unwrap(), 0);
    assert_eq!(store.sessions_of(&tenant(), &ada.id, at(2)).await.unwrap(), []);
    assert_eq!(store.tokens(&tenant(), Purpose::RememberedBrowser, at(2)).await.unwrap(), []);
    assert!(read(&*store, &ada).await.version > before.version, "a login whose rules run now runs again");
    assert_eq!(store.factors(&tenant(), &bob.id).await.unwrap().len(), 1, "nobody else's");
    assert_eq!(store.sessions_of(&tenant(), &bob.id, at(2)).await.unwrap().len(), 1);
    assert_eq!(store.reset_factors(&tenant(), &ada.id, &act("ada")).await.unwrap(), Some(0));
}
