//! A login service in a test: the real router, a real database, real rules, and browsers that keep their cookies.
//!
//! Clock and entropy are the only things that are not as in production. A test deploys rules with [`Service::deploy`],
//! opens a [`Browser`], and speaks HTTP.

mod admin;
mod answer;
mod browser;
mod clock;
mod generations;
mod running;
mod web;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use axum::{Router, body::Body};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Request, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;
use url::Url;
use vestibule_engine::http::Egress;
use vestibule_server::{
    accounts::{AccountSettings, Accounts},
    app::{App, Enrolment, LoginSettings, Parts},
    clock::SystemEntropy,
    keys::{Keys, Seal, SigningKey, SigningKeys},
    limits::LimitSettings,
    mail::{MailRoute, MailSettings},
    password::{Cost, Password, Policy},
    router::router,
    signup::SignupSettings,
};
use vestibule_store::{
    Author, Client, ClientSettings, Connection, Created, NewUser, OperatorAct, TenantId, Timestamp, TokenDigest, User,
    UserId,
};
use vestibule_testkit::{
    peer,
    stores::{NOW, TestStore, act},
};

pub(crate) use answer::Answer;
pub(crate) use browser::{Browser, NoAnswer, Site, authorization, hidden};
pub(crate) use clock::TestClock;
use generations::TestGenerations;
pub(crate) use generations::TestRule;
pub(crate) use running::{Running, STRONG};
pub(crate) use web::Web;

/// Where the service is.
pub(crate) const ISSUER: &str = "https://login.example.com/";
/// The client of most tests: confidential, with all grants.
pub(crate) const SHOP: &str = "shop";
/// Its secret.
pub(crate) const SECRET: &str = "shop-secret-of-the-tests";
/// Its redirect URI.
pub(crate) const CALLBACK: &str = "https://shop.example.com/callback?x=1";
/// An API of its.
pub(crate) const API: &str = "https://api.example.com/";
/// The connection of all users.
pub(crate) const CONNECTION: &str = "Username-Password-Authentication";
/// The address of the user that exists.
pub(crate) const ADA: &str = "ada@example.com";
/// The id of that user.
pub(crate) const ADA_ID: &str = "auth0|5f7c8ec7c33c6c004bbafe82";
/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// The installation's key.
const KEY: [u8; 32] = [7; 32];

/// A login service.
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) store: TestStore,
    pub(crate) clock: Arc<TestClock>,
    generations: Arc<TestGenerations>,
    router: Router,
    outbox: tempfile::TempDir,
}

impl Service {
    /// A service on the usual database, with one client and one user, and no rules.
    pub(crate) async fn start() -> Self {
        Self::on(TestStore::usual().await, |_| ()).await
    }

    /// A service on the usual database with these settings.
    pub(crate) async fn with(settings: impl FnOnce(&mut LoginSettings)) -> Self {
        Self::on(TestStore::usual().await, settings).await
    }

    /// A service on the usual database with these settings of accounts.
    pub(crate) async fn with_accounts(accounts: impl FnOnce(&mut AccountSettings)) -> Self {
        Self::made(TestStore::usual().await, |_| (), accounts).await
    }

    /// A service on the usual database with these settings of logins and of accounts.
    pub(crate) async fn with_both(
        change: impl FnOnce(&mut LoginSettings),
        accounts: impl FnOnce(&mut AccountSettings),
    ) -> Self {
        Self::made(TestStore::usual().await, change, accounts).await
    }

    /// A service on this store.
    pub(crate) async fn on(store: TestStore, change: impl FnOnce(&mut LoginSettings)) -> Self {
        Self::made(store, change, |_| ()).await
    }

    /// A service on this store, with these settings of logins and of accounts.
    pub(crate) async fn made(
        store: TestStore,
        change: impl FnOnce(&mut LoginSettings),
        change_accounts: impl FnOnce(&mut AccountSettings),
    ) -> Self {
        let service = Self::standing((store, Arc::default(), Arc::default()), change, change_accounts);
        service.furnish().await;
        service
    }

    /// The next process on the same database.
    pub(crate) fn again(self) -> Self {
        self.again_with(|_| ())
    }

    /// The next process on the same database, with these settings of accounts.
    pub(crate) fn again_with(self, accounts: impl FnOnce(&mut AccountSettings)) -> Self {
        let Self { store, clock, generations, .. } = self;
        Self::standing((store, clock, generations), |_| (), accounts)
    }

    fn standing(
        (store, clock, generations): (TestStore, Arc<TestClock>, Arc<TestGenerations>),
        change: impl FnOnce(&mut LoginSettings),
        change_accounts: impl FnOnce(&mut AccountSettings),
    ) -> Self {
        let outbox = tempfile::tempdir().unwrap();
        let mut settings = LoginSettings::new(Url::parse(ISSUER).unwrap());
        settings.enrolment = Enrolment::OnDemand; // Not the default: tests enrol as people do where it is open.
        change(&mut settings);
        let mut accounts = account_settings(outbox.path());
        change_accounts(&mut accounts);
        let app = App::new(Parts {
            store: store.share(),
            generations: Arc::<TestGenerations>::clone(&generations),
            keys: Keys {
                seal: Seal::new(&KEY).unwrap(),
                signing: SigningKeys::new(vec![SigningKey::generate(Timestamp(0)).unwrap()]),
            },
            settings,
            clock: Arc::<TestClock>::clone(&clock),
            entropy: Arc::new(SystemEntropy),
            accounts: Arc::new(Accounts::new(&accounts, &SystemEntropy).unwrap()),
        });
        let router = router(app.clone());
        Self { app, store, clock, generations, router, outbox }
    }

    async fn furnish(&self) {
        let tenant = TenantId::default();
        let connection = Connection {
            name: CONNECTION.into(),
            strategy: "auth0".to_owned(),
            settings: Map::new(),
            metadata: Map::new(),
        };
        self.store
            .put_connection(&tenant, &connection, &act(OperatorAct::ConnectionPut { connection: CONNECTION.into() }))
            .await
            .unwrap();
        self.put_client(SHOP, Some(SECRET), |_| ()).await;
        self.deploy(Vec::new());
        self.put_user(ADA_ID, ADA).await;
    }

    /// Makes or replaces a client that may do everything, but for these changes.
    pub(crate) async fn put_client(&self, id: &str, secret: Option<&str>, change: impl FnOnce(&mut ClientSettings)) {
        self.put_client_called(id, "Shop", secret, change).await;
    }

    /// The same, with a name for people.
    pub(crate) async fn put_client_called(
        &self,
        id: &str,
        name: &str,
        secret: Option<&str>,
        change: impl FnOnce(&mut ClientSettings),
    ) {
        let all = [
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "password",
            "http://auth0.com/oauth/grant-type/password-realm",
        ];
        let mut settings = ClientSettings {
            redirect_uris: vec![CALLBACK.to_owned()],
            logout_uris: vec!["https://shop.example.com/bye".to_owned()],
            grant_types: all.map(str::to_owned).to_vec(),
            audiences: BTreeMap::from([(API.to_owned(), vec!["read:orders".to_owned(), "write:orders".to_owned()])]),
            metadata: Map::from_iter([("tier".to_owned(), json!("gold"))]),
            first_party: true,
            ..ClientSettings::default()
        };
        change(&mut settings);
        let client = Client {
            id: id.into(),
            name: name.to_owned(),
            secret: secret.map(TokenDigest::of),
            settings,
            created_at: NOW,
        };
        let act = act(OperatorAct::ClientPut { client: client.id.clone() });
        self.store.put_client(&TenantId::default(), &client, &act).await.unwrap();
    }

    /// Makes a user with the password of everybody.
    pub(crate) async fn put_user(&self, id: &str, email: &str) {
        let password = Password::parse(PASSWORD.to_owned()).unwrap();
        let phc = self.app.accounts.hasher.hash(&password, &SystemEntropy).await.unwrap();
        self.put_user_with(id, email, Some(phc)).await;
    }

    /// Makes a user with this password hash, or without a password.
    pub(crate) async fn put_user_with(&self, id: &str, email: &str, password: Option<String>) {
        let (provider, own_id) = id.split_once('|').unwrap();
        let identity = json!({"connection": CONNECTION, "provider": provider, "user_id": own_id, "isSocial": false});
        let new = NewUser {
            id: id.into(),
            connection: CONNECTION.into(),
            email: Some(email.to_owned()),
            email_verified: true,
            username: None,
            profile: json!({
                "name": "Ada Lovelace", "nickname": "ada", "given_name": "Ada", "family_name": "Lovelace",
                "picture": "https://cdn.example.com/ada.png",
            })
            .as_object()
            .unwrap()
            .clone(),
            user_metadata: Some(Map::from_iter([("language".to_owned(), json!("en"))])),
            app_metadata: None,
            identities: vec![identity],
            password,
            by: Author::User,
            at: NOW,
        };
        let made = self.store.create_user(&TenantId::default(), &new).await.unwrap();
        assert!(matches!(made, Created::User(_)), "{made:?}");
    }

    /// All mails that were sent, oldest first, once nothing is on its way any more.
    pub(crate) async fn mails(&self) -> Vec<String> {
        self.app.accounts.drain().await;
        let files = std::fs::read_dir(self.outbox.path()).unwrap().map(|file| file.unwrap());
        let mails = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "eml"));
        let mut mails: Vec<_> = mails.map(|file| (file.metadata().unwrap().modified().unwrap(), file.path())).collect();
        mails.sort();
        mails.into_iter().map(|(_, path)| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// The user, as stored.
    pub(crate) async fn ada(&self) -> User {
        self.store.user(&TenantId::default(), &UserId::new(ADA_ID)).await.unwrap().expect("the user")
    }

    /// Deploys these rules, in order; logins that begin from now on get them.
    pub(crate) fn deploy(&self, rules: Vec<TestRule>) {
        self.deploy_with(rules, peer::egress(Vec::new()));
    }

    /// Deploys these rules with this way out.
    pub(crate) fn deploy_with(&self, rules: Vec<TestRule>, egress: Arc<Egress>) {
        self.generations.deploy(rules, egress);
    }

    /// Revokes all generations but the active one.
    pub(crate) fn revoke_older_generations(&self) {
        self.generations.revoke_older();
    }

    /// Another browser.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// `GET` by a program.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path).body(Body::empty()).unwrap()).await
    }

    /// `GET` with a bearer token.
    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Answer {
        let request = request("GET", path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// `POST` of a form by a program.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = request("POST", path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(encoded(form))).unwrap()).await
    }

    /// The token endpoint, asked by the confidential client.
    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Answer {
        let credentials = [("client_id", SHOP), ("client_secret", SECRET)];
        self.post("/oauth/token", &[&credentials, form].concat()).await
    }

    /// Exchanges a code.
    pub(crate) async fn exchange(&self, code: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.token(&form).await
    }

    /// Logs the user in with this scope, in a browser of their own, and gives the tokens.
    pub(crate) async fn tokens(&self, scope: &str) -> Value {
        let code = self.browser().log_in(&[("scope", scope)]).await.code();
        let answer = self.exchange(&code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }
}

impl Site for Service {
    fn url(&self) -> &Url {
        &self.app.settings.public_url
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        request(method, path)
    }

    async fn try_send(&self, request: Request<Body>) -> Result<Answer, NoAnswer> {
        Ok(Self::send(self, request).await)
    }
}

/// The code verifier of all tests.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Its challenge.
pub(crate) fn challenge() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// A request to the service.
pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, "login.example.com")
}

/// A form, or a query.
pub(crate) fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The claims of a token, unverified: tests of signatures verify.
pub(crate) fn claims(token: &Value) -> Value {
    let payload = token.as_str().expect("a token").split('.').nth(1).expect("a payload");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn account_settings(outbox: &Path) -> AccountSettings {
    AccountSettings {
        service: "Example".to_owned(),
        cost: Cost { memory: 64, passes: 1 }, // What is tested here is not hashing.
        policy: Policy::default(),
        limits: LimitSettings::default(),
        signup: SignupSettings::default(),
        mail: MailSettings {
            route: MailRoute::Outbox(outbox.to_owned()),
            from: "Example <login@example.com>".to_owned(),
            service: "Example".to_owned(),
        },
        verification: std::time::Duration::from_secs(3_600),
        reset: std::time::Duration::from_secs(3_600),
    }
}
