//! The second half of the demo: a server on SQLite, people who sign up and log in through OpenID Connect, and what came
//! of it. Everything is done over HTTP or by a command that anybody could type.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anstream::println;
use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, bail, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{
    browser::{Browser, Page},
    demo::title,
};

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const QUIET: Style = Style::new().dimmed();
const PASSWORD: &str = "correct-Horse-battery-9";
/// What stands between a verifier and its challenge; a demo has nothing to hide.
const VERIFIER: &str = "the-demo-knows-this-verifier-and-so-may-everybody-else";
/// How long a server may take to stop.
const STOPPING: Duration = Duration::from_secs(10);

/// A server of the demo, stopped when it is dropped.
pub(crate) struct Service<'a> {
    vestibule: &'a Path,
    data: std::path::PathBuf,
    server: Child,
    announced: Value,
}

impl<'a> Service<'a> {
    /// Starts a server on SQLite in a folder.
    pub(crate) fn start(vestibule: &'a Path, scratch: &Path) -> anyhow::Result<Self> {
        let data = scratch.join("data");
        let began = Instant::now();
        let mut server = Command::new(vestibule)
            .args(["--json", "serve", "--demo", "--data"])
            .arg(&data)
            .envs([("VESTIBULE_LISTEN__PUBLIC", "127.0.0.1:0"), ("VESTIBULE_LISTEN__ADMIN", "127.0.0.1:0")])
            .env("VESTIBULE_LOG__LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let stdout = server.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let announced = serde_json::from_str(&line);
        let service = Self { vestibule, data, server, announced: announced.context("the server did not start")? };
        println!(
            "{QUIET}a server on SQLite, ready after {:.1} s, keys and all{QUIET:#}",
            began.elapsed().as_secs_f64()
        );
        Ok(service)
    }

    /// Where browsers reach it.
    pub(crate) fn url(&self) -> &str {
        self.announced.get("public_url").and_then(Value::as_str).unwrap_or_default()
    }

    /// Deploys rules, in view of the person.
    pub(crate) fn deploy(&self, pipeline: &Path) -> anyhow::Result<()> {
        crate::shell::loud(self.command("deploy").arg("--yes").arg(pipeline))
    }

    /// Somebody signs up, proves the address and logs in.
    pub(crate) fn a_login(&self) -> anyhow::Result<()> {
        let email = "grace@example.com";
        let mut browser = Browser::new(self.url())?;
        self.sign_up(&mut browser, email)?;
        println!("{TITLE}signed up{TITLE:#} {email}");
        self.verify_address(&mut browser)?;
        println!("{TITLE}verified{TITLE:#} by the link in the mail");
        self.show_metadata("metadata before", email)?;
        let returned = self.log_in(&mut browser, email)?;
        let code = query(&returned, "code").with_context(|| format!("no code came of the login: {returned}"))?;
        let tokens = self.exchange(&mut browser, &code)?;
        let claims = tokens.get("id_token").and_then(Value::as_str).and_then(claims_of).context("no ID token")?;
        println!("{TITLE}ID token{TITLE:#} {}", serde_json::to_string_pretty(&claims)?);
        ensure!(claims.get("https://example.com/first_login").is_some(), "a rule's claim is missing");
        self.show_metadata("metadata after", email)?;
        println!("{TITLE}who wrote it{TITLE:#}");
        crate::shell::loud(self.command("explain").args([email, "user_metadata.welcome"]))
    }

    /// Somebody signs up, does not prove the address, and is refused.
    pub(crate) fn a_refusal(&self) -> anyhow::Result<()> {
        let email = "mallory@example.com";
        let mut browser = Browser::new(self.url())?;
        self.sign_up(&mut browser, email)?;
        self.show_metadata("metadata before", email)?;
        let returned = self.log_in(&mut browser, email)?;
        let (error, told) = (query(&returned, "error"), query(&returned, "error_description"));
        println!("{TITLE}refused{TITLE:#} {}: {}", error.as_deref().unwrap_or("?"), told.unwrap_or_default());
        ensure!(error.as_deref() == Some("access_denied"), "this login should have been refused: {returned}");
        ensure!(query(&returned, "code").is_none(), "a refused login got a code");
        let after = self.show_metadata("metadata after", email)?;
        ensure!(after.as_array().is_some_and(Vec::is_empty), "a refused login changed something: {after}");
        Ok(())
    }

    /// Stops it, and waits until it has.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        crate::shell::loud(Command::new("kill").args(["-TERM", &self.server.id().to_string()]))?;
        let deadline = Instant::now() + STOPPING;
        while Instant::now() < deadline {
            if let Some(status) = self.server.try_wait()? {
                ensure!(status.success(), "the server did not stop cleanly: {status}");
                println!("{QUIET}the server stopped{QUIET:#}");
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the server does not stop")
    }

    fn sign_up(&self, browser: &mut Browser, email: &str) -> anyhow::Result<()> {
        let connection = "Username-Password-Authentication";
        let account = json!({"client_id": "demo", "connection": connection, "email": email, "password": PASSWORD});
        let answer = browser.post_json(&browser.url("/dbconnections/signup")?, &account)?;
        ensure!(answer.status.is_success(), "signing up failed: {}", answer.text);
        Ok(())
    }

    fn verify_address(&self, browser: &mut Browser) -> anyhow::Result<()> {
        let link = self.link_in_mail()?;
        let page = browser.get(&link)?;
        let mut form = link.clone();
        form.set_query(None);
        let done = browser.submit(&form, &page, &[])?;
        ensure!(
            done.status.is_success() || done.status.is_redirection(),
            "the address was not verified: {}",
            done.text
        );
        Ok(())
    }

    /// The link of the only mail in the outbox.
    fn link_in_mail(&self) -> anyhow::Result<Url> {
        let deadline = Instant::now() + STOPPING;
        let outbox = self.data.join("outbox");
        while Instant::now() < deadline {
            for mail in fs::read_dir(&outbox)?.flatten() {
                let text = fs::read_to_string(mail.path()).unwrap_or_default().replace("=\r\n", "").replace("=3D", "=");
                let link = text.split_whitespace().find(|word| word.contains("/u/verify?"));
                if let Some(link) = link.and_then(|link| Url::parse(link.trim_matches(['<', '>'])).ok()) {
                    return Ok(link);
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("no mail came")
    }

    /// The code flow with PKCE, up to where the browser would go back to the client.
    fn log_in(&self, browser: &mut Browser, email: &str) -> anyhow::Result<Url> {
        let mut authorize = browser.url("/authorize")?;
        authorize.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", "demo"),
            ("redirect_uri", self.callback()?.as_str()),
            ("scope", "openid profile email"),
            ("state", "of-the-demo"),
            ("nonce", "of-the-demo"),
            ("prompt", "login"),
            ("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))),
            ("code_challenge_method", "S256"),
        ]);
        let login_page = browser.get(&authorize)?.leads_to()?.clone();
        let page = browser.get(&login_page)?;
        let form = browser.url("/u/login")?;
        let mut answer = browser.submit(&form, &page, &[("identifier", email), ("password", PASSWORD)])?;
        let callback = self.callback()?;
        for _ in 0..5 {
            let to = answer.leads_to()?.clone();
            if to.path() == callback.path() {
                return Ok(to);
            }
            answer = browser.get(&to)?;
        }
        bail!("the login leads round in circles")
    }

    fn exchange(&self, browser: &mut Browser, code: &str) -> anyhow::Result<Value> {
        let callback = self.callback()?;
        let answer: Page = browser.post(
            &browser.url("/oauth/token")?,
            &[
                ("grant_type", "authorization_code"),
                ("client_id", "demo"),
                ("code", code),
                ("code_verifier", VERIFIER),
                ("redirect_uri", callback.as_str()),
            ],
        )?;
        ensure!(answer.status.is_success(), "the code was not exchanged: {}", answer.text);
        Ok(serde_json::from_str(&answer.text)?)
    }

    fn callback(&self) -> anyhow::Result<Url> {
        Ok(Url::parse(self.url())?.join("/demo/callback")?)
    }

    /// All metadata of a user, as `vestibule explain --json` tells it.
    fn show_metadata(&self, what: &str, email: &str) -> anyhow::Result<Value> {
        let output = self.command("explain").args(["--json", email]).output()?;
        ensure!(output.status.success(), "explain failed: {}", String::from_utf8_lossy(&output.stdout));
        let explained: Value = serde_json::from_slice(&output.stdout)?;
        let pair = |entry: &Value| Some((entry.get("key")?.as_str()?.to_owned(), entry.get("value")?.clone()));
        let metadata: serde_json::Map<_, _> = explained.as_array().into_iter().flatten().filter_map(pair).collect();
        println!("{TITLE}{what}{TITLE:#} {}", json!(metadata));
        Ok(explained)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(self.vestibule);
        command.arg(verb).arg("--data").arg(&self.data).stdin(Stdio::null());
        command
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let _already_gone = self.server.kill();
        let _already_gone = self.server.wait();
    }
}

/// Runs the second half.
pub(crate) fn run(vestibule: &Path, scratch: &Path, pipeline: &Path) -> anyhow::Result<()> {
    title(4, "the same rules in a login service of your own");
    let service = Service::start(vestibule, scratch)?;
    service.deploy(pipeline)?;
    title(5, "Grace signs up, proves her address and logs in through OpenID Connect");
    service.a_login()?;
    title(6, "somebody who signed up and never proved the address");
    service.a_refusal()?;
    println!();
    service.stop()
}

fn query(url: &Url, key: &str) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
}

fn claims_of(token: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?).ok()
}
