//! Keys rotate while everybody logs in: whoever keeps the published keys for as long as they may be kept can verify every
//! token, old or new (HS-35).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use http::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::Value;
use vestibule_server::{keys::SigningKey, oauth::discovery::JWKS_LIFETIME};
use vestibule_store::Timestamp;
use vestibule_testkit::stores::TestStore;

use crate::{
    accounts::generous,
    service::{ADA, PASSWORD, Service},
};

const CLIENTS: usize = 4;
const ROTATIONS: usize = 3;
/// How far the clock goes at once, in seconds.
const STEP: i64 = 10 * 60;
/// Logins between two steps, at least.
const LOGINS: usize = 8;

/// An application: it keeps the keys, and the tokens of people.
struct Application {
    service: Arc<Service>,
    keys: Option<(JwkSet, Timestamp)>,
    tokens: Vec<String>,
    seen: BTreeSet<String>,
}

impl Application {
    /// Verifies a token, with the keys it has, or with new ones if those are too old.
    async fn verify(&mut self, token: &str) {
        let now = self.service.app.now();
        let is_fresh = |since: &Timestamp| now < since.plus(JWKS_LIFETIME);
        if !self.keys.as_ref().is_some_and(|(_, since)| is_fresh(since)) {
            let published = self.service.get("/.well-known/jwks.json").await.json();
            self.keys = Some((serde_json::from_value(published).unwrap(), now));
        }
        let (keys, since) = self.keys.as_ref().unwrap();
        let kid = decode_header(token).unwrap().kid.unwrap();
        let key = keys.find(&kid).unwrap_or_else(|| panic!("{kid} was not published {} ms ago", now.0 - since.0));
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false; // The clock is the test's.
        validation.validate_aud = false;
        decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
        self.seen.insert(kid);
    }

    /// Somebody logs in, and one of those who did before comes back.
    async fn serve(&mut self) {
        let form = [("grant_type", "password"), ("username", ADA), ("password", PASSWORD), ("scope", "openid")];
        let answer = self.service.token(&form).await;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            return; // All of them are the same person: others may be faster.
        }
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let token = answer.json()["id_token"].as_str().unwrap().to_owned();
        self.verify(&token).await;
        self.tokens.push(token);
        let old = self.tokens[self.tokens.len() / 3].clone();
        self.verify(&old).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_token_can_be_verified_while_keys_rotate() {
    let service = Service::made(TestStore::usual().await, |_| (), |accounts| accounts.limits = generous()).await;
    let service = Arc::new(service);
    let (over, logins) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients = (0..CLIENTS).map(|_| {
        let (service, over, logins) = (Arc::clone(&service), Arc::clone(&over), Arc::clone(&logins));
        tokio::spawn(async move {
            let mut application = Application { service, keys: None, tokens: Vec::new(), seen: BTreeSet::new() };
            while !over.load(Ordering::Relaxed) {
                application.serve().await;
                logins.fetch_add(1, Ordering::Relaxed);
            }
            application.seen
        })
    });
    let clients: Vec<_> = clients.collect();
    for _ in 0..ROTATIONS {
        let next = SigningKey::generate(service.app.now().plus(JWKS_LIFETIME)).unwrap();
        let kept = service.app.keys.signing.all_keys();
        service.app.keys.signing.replace(kept.into_iter().chain([next]).collect());
        for _ in 0..8 {
            let enough = logins.load(Ordering::Relaxed) + LOGINS;
            while logins.load(Ordering::Relaxed) < enough && !clients.iter().any(tokio::task::JoinHandle::is_finished) {
                tokio::task::yield_now().await;
            }
            service.clock.advance(STEP);
        }
    }
    over.store(true, Ordering::Relaxed);
    let seen: BTreeSet<String> = join_all(clients).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(seen.len(), ROTATIONS + 1, "all keys were used");
}
