//! Real clients against a real `vestibule serve`: the libraries that people log in with do the whole of OpenID Connect, and
//! whatever they find wrong with it fails the test.

mod relying_party;

use serde_json::{Value, json};
use vestibule_testkit::{
    guests::{self, escaped},
    postgres::Cluster,
};

use self::relying_party::{Library, RelyingParty};
use crate::service::{Answer, Browser, Running, STRONG, Web};

const GRACE: &str = "grace@example.com";
/// The claim of the rule that is deployed.
const PLAN: &str = "https://example.com/plan";

/// Whether a client keeps a secret.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Confidential,
    Public,
}

/// A node with a rule, and a person who has signed up.
struct World(Running);

impl World {
    async fn start(database: Option<&str>) -> Self {
        let world = Self(Running::start(database, &[("LOG__LEVEL", "debug")]));
        world.deploy("plan", &guests::benign());
        world.0.register("signup", &["--redirect-uri", "https://example.com/"]);
        world.0.sign_up("signup", GRACE).await;
        world
    }

    fn deploy(&self, name: &str, module: &[u8]) {
        let writes = format!("writes = [\"app_metadata.seen\", \"id_token.{PLAN}\", \"deny\"]");
        self.0.deploy(name, &writes, module);
    }

    /// A site that is a client of this node.
    fn site(&self, library: Library, kind: Kind) -> RelyingParty {
        let id = format!("{library:?}-{kind:?}");
        let site = RelyingParty::start(library);
        let (callback, bye) = (site.url("/callback"), site.url("/bye"));
        let mut options = vec!["--redirect-uri", &callback, "--logout-uri", &bye];
        if matches!(kind, Kind::Confidential) {
            options.push("--confidential");
        }
        let secret = self.0.register(&id, &options);
        site.registered(self.0.node.url(), &id, secret.as_deref())
    }
}

/// Somebody comes to the site, logs in at the service, and is back: what the site says then.
async fn log_in(browser: &Browser<'_, Web>, site: &RelyingParty) -> Value {
    let asked = follow(browser, &browser.get(&site.url("/login")).await).await;
    let back = browser.sign_in(&asked, GRACE, STRONG).await;
    follow(browser, &back).await.json()
}

/// The same without a page: `prompt=none`.
async fn log_in_silently(browser: &Browser<'_, Web>, site: &RelyingParty) -> Value {
    let asked = follow(browser, &browser.get(&site.url("/login?prompt=none")).await).await;
    follow(browser, &asked).await.json()
}

/// Goes where an answer sends the browser, to whichever site.
async fn follow(browser: &Browser<'_, Web>, answer: &Answer) -> Answer {
    browser.get(answer.location().as_str()).await
}

/// All that a site does with a library, as somebody at a browser sees it.
async fn the_whole_flow(library: Library, database: Option<&str>) {
    let world = World::start(database).await;
    for kind in [Kind::Confidential, Kind::Public] {
        let site = world.site(library, kind);
        let browser = world.0.web.browser();
        let ask = async |page: &str| browser.get(&site.url(page)).await.json();

        let arrived = log_in(&browser, &site).await;
        let claims = &arrived["claims"];
        assert_eq!(claims["iss"], world.0.node.url(), "{arrived}");
        assert_eq!((&claims["email"], &claims[PLAN]), (&json!(GRACE), &json!("gold")), "{arrived}");
        assert_eq!(arrived["scope"], "openid profile email offline_access");

        let person = ask("/userinfo").await;
        assert_eq!((&person["sub"], &person["email"]), (&claims["sub"], &json!(GRACE)), "{person}");
        assert_eq!(person[PLAN], "gold");

        for _ in 0..2 {
            let refreshed = ask("/refresh").await;
            assert_eq!(refreshed["rotated"], true, "{refreshed}");
            assert_eq!((&refreshed["claims"]["sub"], &refreshed["claims"][PLAN]), (&claims["sub"], &json!("gold")));
        }
        assert_eq!(ask("/userinfo").await["sub"], claims["sub"]);
        assert_eq!(ask("/replay").await, json!({"error": "invalid_grant"}), "a refresh token works once");
        assert_eq!(ask("/refresh").await, json!({"error": "invalid_grant"}), "its reuse ends the family");

        let silent = log_in_silently(&browser, &site).await;
        assert_eq!(silent["claims"]["sub"], claims["sub"], "the session goes on: {silent}");
        let away = browser.get(&site.url("/logout")).await;
        let back = follow(&browser, &away).await;
        assert!(back.location().as_str().starts_with(&site.url("/bye")), "{}", back.location());
        assert_eq!(follow(&browser, &back).await.json(), json!({"bye": true}));
        assert_eq!(log_in_silently(&browser, &site).await, json!({"error": "login_required"}));
    }

    let refusal = r#"{"deny":{"code":"unauthorized","reason":"No entry"}}"#;
    let fields = format!(r#"(data (i32.const 64) "{}")"#, escaped(refusal.as_bytes()));
    let run = format!("(call $answer (i32.const 64) (i32.const {}))", refusal.len());
    world.deploy("refuse", &guests::rule(&fields, &run));
    let site = world.site(library, Kind::Confidential);
    assert_eq!(log_in(&world.0.web.browser(), &site).await, json!({"error": "unauthorized"}), "a rule refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openid_client_does_the_whole_flow_on_sqlite() {
    the_whole_flow(Library::OpenidClient, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openid_client_does_the_whole_flow_on_postgresql() {
    the_whole_flow(Library::OpenidClient, Some(&Cluster::shared().database())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_does_the_whole_flow_on_sqlite() {
    the_whole_flow(Library::Authlib, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_does_the_whole_flow_on_postgresql() {
    the_whole_flow(Library::Authlib, Some(&Cluster::shared().database())).await;
}
