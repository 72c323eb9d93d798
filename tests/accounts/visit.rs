//! A person at a real browser: signs up, logs in, enrols an app, logs in with it; and nothing that strangers wrote runs.

mod chromium;

use std::{net::SocketAddr, path::PathBuf};

use axum::{Router, response::Html, routing::get};
use serde_json::json;
use tokio::net::TcpListener;
use vestibule_server::{factor::TotpSecret, router::router};
use vestibule_store::TenantId;

use self::chromium::{Chromium, Light};
use super::{limits::generous, user};
use crate::service::{Service, authorization};

const GOOD: &str = "purple-Rhubarb-9";
const GRACE: &str = "grace@example.com";
const ACR: (&str, &str) = ("acr_values", "http://schemas.openid.net/pape/policies/2007/06/multi-factor");

/// A login service and an application, both reached over HTTP.
struct World {
    service: Service,
    login: String,
    callback: String,
}

impl World {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let login = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callback = format!("http://localhost:{}/callback", application.local_addr().unwrap().port());
        let service = Service::with_both(
            |settings| settings.public_url = login.parse().unwrap(),
            |accounts| {
                accounts.service = "Example Shop".to_owned();
                accounts.limits = generous();
                let fields = json!([
                    {"name": "company", "placeholder": "Company", "required": false},
                    {"name": "size", "placeholder": "How many are you?", "type": "select",
                     "options": [{"label": "Just me", "value": "1"}, {"label": "A few", "value": "few"}]},
                    {"name": "news", "placeholder": "Send me news now and then", "type": "checkbox"},
                ]);
                accounts.signup.fields = serde_json::from_value(fields).unwrap();
                accounts.signup.terms = Some("https://example.com/terms".to_owned().try_into().unwrap());
            },
        )
        .await;
        let router = router(service.app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let page = Html(
            "<!doctype html><html lang=en><title>Shop</title><link rel=icon href=data:,><h1>Back at the shop</h1>",
        );
        let shop = Router::new().route("/callback", get(async move || page));
        tokio::spawn(async move { axum::serve(application, shop).await });
        let world = Self { service, login, callback };
        world.client("Example Shop").await;
        world
    }

    /// Makes the client, with this name.
    async fn client(&self, name: &str) {
        let callback = self.callback.clone();
        self.service.put_client_called("web", name, None, |settings| settings.redirect_uris = vec![callback]).await;
    }

    fn authorize(&self, more: &[(&str, &str)]) -> String {
        let own = [("client_id", "web"), ("redirect_uri", self.callback.as_str())];
        format!("{}/authorize?{}", self.login, authorization(&[&own, more].concat()))
    }

    async fn code(&self, email: &str) -> String {
        let user = user(&self.service, email).await.expect("the user");
        let factors = self.service.store.factors(&TenantId::default(), &user.id).await.unwrap();
        let factor = factors.last().expect("a factor");
        TotpSecret::open(&self.service.app.keys.seal, &user.id, &factor.sealed).unwrap().code(self.service.app.now())
    }
}

/// Takes a picture of the page in each size and light, to be looked at.
async fn look(browser: &Chromium, name: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    for (width, light) in
        [(1280, Light::Day), (1280, Light::Night), (375, Light::Day), (375, Light::Night), (320, Light::Day)]
    {
        browser.show_as(width, light).await;
        let image = browser.screenshot().await;
        let light = if light == Light::Day { "light" } else { "dark" };
        std::fs::write(folder.join(format!("{name}-{width}-{light}.png")), image).unwrap();
        let (content, window) = (
            browser.eval("return document.documentElement.scrollWidth").await,
            browser.eval("return innerWidth").await,
        );
        assert!(content.as_u64() <= window.as_u64(), "{name} is wider than {width} pixels: {content}");
    }
    browser.show_as(1280, Light::Day).await;
    is_accessible(browser, name).await;
}

/// What can be checked without a person: every field has a name, every page a language, a title and one main heading.
async fn is_accessible(browser: &Chromium, name: &str) {
    let nameless = browser
        .eval(
            "return [...document.querySelectorAll('input:not([type=hidden]), select, button, a')]
                .filter(e => !((e.labels && e.labels.length) || e.textContent.trim() || e.getAttribute('aria-label')))
                .map(e => e.outerHTML)",
        )
        .await;
    assert_eq!(nameless, json!([]), "{name}: without a name");
    let dangling = browser
        .eval(
            "return [...document.querySelectorAll('[aria-describedby], label[for], .problems a')]
                .map(e => e.getAttribute('aria-describedby') || e.getAttribute('for') || e.hash.slice(1))
                .filter(id => !document.getElementById(id))",
        )
        .await;
    assert_eq!(dangling, json!([]), "{name}: points at nothing");
    let page = browser
        .eval("return [document.documentElement.lang, document.title.length > 3, document.querySelectorAll('h1').length, document.querySelectorAll('main').length]")
        .await;
    assert_eq!(page, json!(["en", true, 1, 1]), "{name}");
}

/// Contrast of text to its ground, by WCAG 2.2: at least 4.5.
const CONTRAST: &str = r"
    const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const rgb = s => s.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
    return [...document.querySelectorAll('h1, h2, p, label, a, button, li, code, summary, input, select')]
        .filter(e => e.textContent.trim() || e.value)
        .map(e => { const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))]; return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 80)]; })
        .filter(([contrast]) => contrast < 4.5);
";

async fn is_readable(browser: &Chromium, name: &str) {
    for light in [Light::Day, Light::Night] {
        browser.show_as(1280, light).await;
        assert_eq!(browser.eval(CONTRAST).await, json!([]), "{name}, {light:?}: hard to read");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_up_logs_in_and_enrols_an_app_in_a_real_browser() {
    let world = World::start().await;
    let browser = Chromium::start().await;

    browser.go(&world.authorize(&[])).await;
    look(&browser, "login").await;
    is_readable(&browser, "login").await;
    browser.click("a[href^='/u/signup']").await;
    look(&browser, "signup").await;
    is_readable(&browser, "signup").await;
    browser.write("#email", "Grace@Example.com").await;
    browser.write("#password", "Password1").await;
    browser.write("#field-company", "Acme & Sons <b>").await;
    browser.choose("#field-size", "few").await;
    browser.click("#terms").await;
    browser.click("button").await;
    browser.shows(".problems", "too common").await;
    assert_eq!(
        browser.eval("return document.activeElement.className").await,
        "problems",
        "the problem is read out first"
    );
    look(&browser, "signup-problem").await;
    is_readable(&browser, "signup-problem").await;
    browser.write("#password", GOOD).await;
    browser.click("#terms").await;
    browser.click("button").await;
    browser.arrives_at("Back at the shop").await;
    assert!(browser.url().await.starts_with(&world.callback), "{}", browser.url().await);
    let grace = user(&world.service, GRACE).await.expect("an account");
    assert_eq!(grace.user_metadata.unwrap()["company"], "Acme & Sons <b>");

    browser.go(&world.authorize(&[("prompt", "login")])).await;
    browser.write("#identifier", GRACE).await;
    browser.write("#password", "wrong").await;
    browser.click("button").await;
    look(&browser, "login-problem").await;
    is_readable(&browser, "login-problem").await;
    browser.write("#password", GOOD).await;
    browser.click("button").await;
    browser.arrives_at("Back at the shop").await;

    browser.go(&world.authorize(&[ACR])).await;
    browser.arrives_at("Set up a second step").await;
    browser.click("summary").await;
    look(&browser, "enrol").await;
    is_readable(&browser, "enrol").await;
    browser.write("#code", &world.code(GRACE).await).await;
    browser.click("button").await;
    look(&browser, "recovery").await;
    is_readable(&browser, "recovery").await;
    assert_eq!(browser.eval("return document.querySelectorAll('.codes code').length").await, 8);
    browser.click("button").await;
    browser.arrives_at("Back at the shop").await;

    world.service.clock.advance(60);
    browser.go(&world.authorize(&[ACR, ("prompt", "login")])).await;
    browser.write("#identifier", GRACE).await;
    browser.write("#password", GOOD).await;
    browser.click("button").await;
    look(&browser, "challenge").await;
    is_readable(&browser, "challenge").await;
    browser.write("#code", "000000").await;
    browser.click("button").await;
    look(&browser, "challenge-problem").await;
    browser.write("#code", &world.code(GRACE).await).await;
    browser.click("button").await;
    browser.arrives_at("Back at the shop").await;

    for (name, path) in [("forgot", "/u/forgot"), ("error", "/u/reset?token=x"), ("logged-out", "/u/logged-out")] {
        browser.go(&format!("{}{path}", world.login)).await;
        look(&browser, name).await;
        is_readable(&browser, name).await;
    }
    browser.go(&format!("{}/u/forgot", world.login)).await;
    browser.write("#email", GRACE).await;
    browser.click("button").await;
    look(&browser, "sent").await;
    let mails = world.service.mails().await;
    let mail = mails.iter().find(|mail| mail.contains("/u/reset?token=")).expect("a mail");
    let link = mail.lines().find(|line| line.starts_with("http")).unwrap().trim();
    browser.go(link).await;
    look(&browser, "reset").await;
    is_readable(&browser, "reset").await;
    browser.write("#password", "another-Rhubarb-9").await;
    browser.write("#again", "another-Rhubarb-9").await;
    browser.click("button").await;
    browser.arrives_at("Your password was changed").await;
    let mail = mails.iter().find(|mail| mail.contains("/u/verify?token=")).expect("a mail");
    browser.go(mail.lines().find(|line| line.starts_with("http")).unwrap().trim()).await;
    look(&browser, "verify").await;
    browser.click("button").await;
    browser.arrives_at("Thank you").await;
    assert!(user(&world.service, GRACE).await.unwrap().email_verified);
    let complaints = browser.complaints().await;
    // A page that says no has a status that says so, and a form for a new password alone names nobody: Chromium notes
    // both, and there is nothing else to note.
    let is_known = |text: &String| text.contains("status of 400") || text.contains("Password forms should have");
    assert!(complaints.iter().all(is_known), "{complaints:#?}");
    browser.quit().await;
}

/// HS-21, with a real browser for a judge: no dialog, no request but our own, nothing to complain about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_stranger_wrote_runs_in_a_real_browser() {
    let world = World::start().await;
    let browser = Chromium::start().await;
    browser.go(&format!("{}/u/forgot", world.login)).await;
    let corpus: Vec<String> =
        super::hostile_text::corpus().into_iter().filter(|payload| !payload.contains('\u{0}')).collect();
    for payload in &corpus {
        world.client(payload).await;
        browser.go(&world.authorize(&[("login_hint", payload), ("state", payload), ("prompt", "login")])).await;
        // Eight times in one page: title, client, field, and back.
        let shown = browser.eval("return document.querySelector('#identifier')?.value ?? null").await;
        assert!(shown.is_string(), "no login page: {}", browser.eval("return document.body.innerText").await);
        assert!(!browser.has_dialog().await, "{payload}");
        let foreign = browser
            .eval("return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin + '/u/'))")
            .await;
        assert_eq!(foreign, json!([]), "{payload}");
        let scripts = browser
            .eval(
                "return document.querySelectorAll('script, iframe, object, embed, base, img, body svg[onload]').length",
            )
            .await;
        assert_eq!(scripts, 0, "{payload}");
        assert_eq!(browser.complaints().await, Vec::<String>::new(), "{payload}");
    }
    browser.quit().await;
}
