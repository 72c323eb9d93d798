use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::*;
use crate::clock::SystemEntropy;

/// Cheap enough for a test, and the same code.
const CHEAP: Cost = Cost { memory: 64, passes: 1 };

fn password(text: &str) -> Password {
    Password::parse(text.to_owned()).unwrap()
}

fn hasher(cost: Cost) -> Hasher {
    Hasher::with_workers(cost, 2, &SystemEntropy).unwrap()
}

#[test]
fn a_password_is_taken_as_it_is_or_not_at_all() {
    assert_eq!(Password::parse(String::new()).err(), Some(PasswordRefused::Empty));
    assert_eq!(Password::parse("x".repeat(Password::LONGEST + 1)).err(), Some(PasswordRefused::TooLong));
    for text in [" a ", "\u{0}", "pass\u{0}word", "🔑🔑🔑", &"x".repeat(64), &"x".repeat(Password::LONGEST)] {
        assert_eq!(password(text).as_str(), text);
    }
    assert_eq!(format!("{:?}", password("secret")), "Password(…)");
}

#[tokio::test]
async fn nothing_of_a_password_is_ignored() {
    let hasher = hasher(CHEAP);
    let long = "x".repeat(Password::LONGEST - 2);
    for text in ["correct horse ", "pass\u{0}word", "Zoë 🔑", &format!("{long}y")] {
        let phc = hasher.hash(&password(text), &SystemEntropy).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
        assert_eq!(hasher.verify(&password(text), Some(&phc)).await.unwrap(), Verified::Right);
        for other in
            [text.trim_end().to_owned() + "z", text.replace('\u{0}', ""), format!("{long}z"), text.to_uppercase()]
        {
            if other != text {
                let verified = hasher.verify(&password(&other), Some(&phc)).await.unwrap();
                assert_eq!(verified, Verified::Wrong, "{other:?} passes for {text:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_hash_weaker_than_todays_is_to_be_made_anew_and_a_stronger_one_is_not() {
    let text = password("correct horse");
    let weak = hasher(CHEAP).hash(&text, &SystemEntropy).await.unwrap();
    let strong = hasher(Cost { memory: 256, passes: 2 });
    assert_eq!(strong.verify(&text, Some(&weak)).await.unwrap(), Verified::RightButWeak);
    let new = strong.hash(&text, &SystemEntropy).await.unwrap();
    assert_eq!(strong.verify(&text, Some(&new)).await.unwrap(), Verified::Right);
    assert_eq!(hasher(CHEAP).verify(&text, Some(&new)).await.unwrap(), Verified::Right);
}

#[tokio::test]
async fn nobody_has_no_password_and_an_unusable_hash_has_none_either() {
    let hasher = hasher(CHEAP);
    for stored in [None, Some("$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"), Some("plain")] {
        assert_eq!(hasher.verify(&password("plain"), stored).await.unwrap(), Verified::Wrong);
    }
}

#[test]
fn imported_hashes_have_a_ceiling() {
    let hash = |head: &str| StoredHash::parse(&format!("{head}$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA")).err();
    assert_eq!(hash("$argon2id$v=19$m=19456,t=2,p=1"), None);
    assert_eq!(hash("$argon2i$v=19$m=65536,t=3,p=4"), None);
    for dear in ["m=4194304,t=1,p=1", "m=64,t=1000000,p=1", "m=262144,t=3,p=1", "m=4096,t=1,p=200"] {
        assert_eq!(hash(&format!("$argon2id$v=19${dear}")), Some(HashRefused::TooDear), "{dear}");
    }
    for other in ["$2b$10", "$scrypt$ln=20,r=8,p=1", "$pbkdf2-sha256$i=1000000000", "$argon2id$v=16$m=64,t=1,p=1"] {
        let refused = hash(other);
        assert!(matches!(refused, Some(HashRefused::Algorithm | HashRefused::Malformed)), "{other}: {refused:?}");
    }
    for malformed in ["", "$", "$argon2id$v=19$m=64,t=1,p=1", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ", "argon2id"] {
        assert!(StoredHash::parse(malformed).is_err(), "{malformed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_into_a_second_of_work_is_refused_at_once() {
    let hasher = Hasher::with_workers(Cost::RECOMMENDED, 1, &SystemEntropy).unwrap();
    let tries: Vec<_> = (0..1_000)
        .map(|_| {
            let hasher = hasher.clone();
            tokio::spawn(async move {
                let started = Instant::now();
                let verified = hasher.verify(&password("wrong"), None).await;
                (verified.is_err(), started.elapsed())
            })
        })
        .collect();
    let (mut refused, mut served) = (Vec::new(), 0);
    for one in tries {
        match one.await.unwrap() {
            (true, took) => refused.push(took),
            (false, _) => served += 1,
        }
    }
    refused.sort();
    assert!(served >= 2, "nobody was served");
    assert!(refused.len() >= 500, "only {} of 1 000 were refused", refused.len());
    assert!(refused[refused.len() / 2] < Duration::from_millis(50), "refused after {:?}", refused[refused.len() / 2]);
    assert_eq!(hasher.in_hand(), 0);
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_the_queue() {
    let hasher = Hasher::with_workers(Cost::RECOMMENDED, 1, &SystemEntropy).unwrap();
    let wrong = password("wrong");
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(hasher.verify(&wrong, None))).collect();
    for one in &mut waiting {
        assert!(polled(one).is_pending());
    }
    assert!(hasher.in_hand() >= 2, "those who wait for the worker have a place");
    waiting.truncate(1);
    assert!(hasher.in_hand() <= 1, "those who left have theirs still");
    drop(waiting);
    // What a worker has begun, it ends; then its place is free, too.
    let done = async {
        while hasher.in_hand() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), done).await.expect("a place was never left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cheap_hash_waits_out_costs_nobody_a_turn() {
    let text = password("correct horse");
    let weak = hasher(CHEAP).hash(&text, &SystemEntropy).await.unwrap();
    let hasher = Hasher::with_workers(Cost::RECOMMENDED, 1, &SystemEntropy).unwrap();
    let (usual, began) = (hasher.usual(), Instant::now());
    let mut trying = Box::pin(hasher.verify(&text, Some(&weak)));
    assert!(polled(&mut trying).is_pending());
    while hasher.in_hand() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(polled(&mut trying).is_pending(), "the turn is given back, and the answer is not there yet");
    assert_eq!(trying.await.unwrap(), Verified::RightButWeak);
    assert!(began.elapsed() >= usual, "told from others by its time: {:?} of {usual:?}", began.elapsed());
    assert_eq!(hasher.usual(), usual, "a cheap hash was taken for a usual one");
}

/// Lets a future go as far as it can now.
fn polled<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

mod policy {
    use super::*;

    #[track_caller]
    fn check(policy: &Policy, text: &str, expected: &str) {
        let about =
            About { email: Some("maria.lopez@example.com"), names: &["María López".to_owned(), "ml".to_owned()] };
        let found = match policy.allows(&password(text), about) {
            Ok(()) => "fine",
            Err(Weakness::Strength(_)) => "weak",
            Err(Weakness::Common) => "common",
            Err(Weakness::Personal) => "personal",
        };
        assert_eq!(found, expected, "{text:?}");
    }

    fn level(level: Level) -> Policy {
        Policy { level, refuse_common: false, refuse_personal: false, ..Policy::default() }
    }

    #[test]
    fn each_level_asks_for_more() {
        for (text, none, low, fair, good, excellent) in [
            ("x", "fine", "weak", "weak", "weak", "weak"),
            ("abcdefgh", "fine", "fine", "weak", "weak", "weak"),
            ("Abcdefg1", "fine", "fine", "fine", "fine", "fine"),
            ("abcdef1!", "fine", "fine", "weak", "fine", "fine"),
            ("Abcccdef1", "fine", "fine", "fine", "fine", "weak"),
            ("Ωmega-αβγδ", "fine", "fine", "weak", "fine", "fine"),
        ] {
            check(&level(Level::None), text, none);
            check(&level(Level::Low), text, low);
            check(&level(Level::Fair), text, fair);
            check(&level(Level::Good), text, good);
            check(&level(Level::Excellent), text, excellent);
        }
    }

    #[test]
    fn common_and_personal_passwords_are_refused() {
        let policy = Policy { level: Level::Low, words: vec!["Acme".to_owned()], ..Policy::default() };
        check(&policy, "password1", "common");
        check(&policy, "PassWord1", "common");
        check(&policy, "i-work-at-ACME", "common");
        check(&policy, "maria-is-great", "personal");
        check(&policy, "iamMARÍAagain", "personal");
        check(&policy, "mlmlmlml-9", "fine"); // Two letters give nobody away.
        check(&policy, "purple-rhubarb-9", "fine");
    }

    #[test]
    fn the_answer_reads_as_auth0s() {
        let weak = Policy::default().allows(&password("password"), About::default()).unwrap_err().body();
        let expected = json!({
            "name": "PasswordStrengthError", "message": "Password is too weak", "code": "invalid_password",
            "description": {"rules": [
                {"message": "At least %d characters in length", "format": [8], "code": "lengthAtLeast", "verified": true},
                {"message": "Contain at least %d of the following %d types of characters:", "code": "containsAtLeast",
                 "format": [3, 4], "items": [
                    {"message": "lower case letters (a-z)", "code": "lowerCase", "verified": true},
                    {"message": "upper case letters (A-Z)", "code": "upperCase", "verified": false},
                    {"message": "numbers (i.e. 0-9)", "code": "numbers", "verified": false},
                    {"message": "special characters (e.g. !@#$%^&*)", "code": "specialCharacters", "verified": false}],
                 "verified": false}], "verified": false},
            "policy": "* At least 8 characters in length\n* Contain at least 3 of the following 4 types of characters:\n * lower case letters (a-z)\n * upper case letters (A-Z)\n * numbers (i.e. 0-9)\n * special characters (e.g. !@#$%^&*)",
            "statusCode": 400,
        });
        assert_eq!(weak, expected);
        let common = Policy { level: Level::None, ..Policy::default() };
        let common = common.allows(&password("password"), About::default()).unwrap_err().body();
        assert_eq!(common["name"], "PasswordDictionaryError");
        assert_eq!(common["code"], "invalid_password");
        assert_eq!(common["statusCode"], 400);
    }

    #[test]
    fn fair_asks_with_words_of_its_own() {
        let body = level(Level::Fair).allows(&password("abcdefgh"), About::default()).unwrap_err().body();
        assert_eq!(body["description"]["rules"][1]["code"], "shouldContain");
    }

    use serde_json::json;
}
