//! `vestibule serve`: puts the parts of a node together, serves, and ends in order.
//!
//! The order is the point of this file. Up: data folder, store, keys, rules, listeners. Down: no new connections, requests
//! answered, mails sent, the node says goodbye, the store lets go of its files.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;
use vestibule_engine::{
    Compiler, Engine, Profile,
    cache::{Cache, InstallationKey},
    http::{Egress, EgressSettings},
};
use vestibule_store::{ChangeMark, NodeId, Store, StoreError};

use crate::{
    accounts::{AccountSettings, Accounts},
    admin::{self, Ops, OpsParts},
    app::{App, Enrolment, Lifetimes, LoginSettings, Parts},
    clock::{Clock, Entropy, SystemClock, SystemEntropy},
    demo,
    error::Fault,
    first_start::{self, StartError},
    generations::{StoredGenerations, Workshop},
    guard::{Bodies, RequestIds, guarded},
    interpreter::Interpreter,
    keys::{Keys, Seal},
    letters, listener,
    mail::{MailRoute, MailSettings},
    pages,
    password::Cost,
    request::TrustedProxies,
    router,
    settings::{self, Limits, Settings, SettingsError, Span},
    telemetry::Telemetry,
    tokens::lifetime,
};

/// The database of a node that names none, in its data folder.
pub const SQLITE_FILE: &str = "vestibule.db";
/// How often what is over is removed.
const TIDY: Duration = Duration::from_secs(5 * 60);
/// Operators wait for rollouts, verifications and backups.
const ADMIN_REQUEST: Duration = Duration::from_secs(15 * 60);

/// What the operator is told when everything stands.
#[derive(Debug)]
pub struct Announcement {
    /// Where the public listener listens.
    pub public: SocketAddr,
    /// Where the admin listener listens.
    pub admin: SocketAddr,
    /// Where browsers reach the service.
    pub public_url: Url,
    /// The first admin token, at the start that made it.
    pub admin_token: Option<String>,
    /// Who may log in, with `--demo`.
    pub demo: Option<demo::Account>,
    /// The number of the generation that is live.
    pub generation: Option<i64>,
}

/// A node that is put together and does not serve yet.
struct Standing {
    app: App,
    generations: Arc<StoredGenerations>,
    public: TcpListener,
    admin: TcpListener,
    announcement: Announcement,
}

/// The address of the database that these settings mean.
#[must_use]
pub fn database_of(settings: &Settings, data: &Path) -> String {
    let named = settings.database.as_ref().map(|database| database.expose_secret().to_owned());
    named.unwrap_or_else(|| data.join(SQLITE_FILE).display().to_string())
}

/// Serves until it is told to stop. The future is boxed, so that all that serves is compiled with this crate.
///
/// # Errors
/// [`Fault`] when the node cannot stand up; once it serves it only ends by `stop`.
pub fn serve(
    settings: Settings,
    with_demo: bool,
    telemetry: Telemetry,
    stop: CancellationToken,
    announce: Box<dyn FnOnce(&Announcement)>,
) -> Pin<Box<dyn Future<Output = Result<(), Fault>>>> {
    Box::pin(run(settings, with_demo, telemetry, stop, announce))
}

async fn run(
    settings: Settings,
    with_demo: bool,
    telemetry: Telemetry,
    stop: CancellationToken,
    announce: Box<dyn FnOnce(&Announcement)>,
) -> Result<(), Fault> {
    std::panic::set_hook(Box::new(|panic| {
        // Where, never what: a message may quote anything.
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "a panic");
    }));
    // What can be refused before anything is made is.
    startable(&settings, with_demo)?;
    let listeners = (bind("public", settings.listen.public).await?, bind("admin", settings.listen.admin).await?);
    let data = first_start::data_folder(&settings.data)?;
    let Standing { app, generations, public, admin, announcement } =
        stand_up(&settings, with_demo, &data, listeners).await?;
    let following = CancellationToken::new();
    let followers = [
        tokio::spawn(Arc::clone(&generations).follow(following.clone())),
        tokio::spawn(keys_until(app.clone(), following.clone())),
        tokio::spawn(tidy_until(app.clone(), settings.journal.keep, following.clone())),
        tokio::spawn(letters::send_until(app.clone(), following.clone())),
    ];
    let metrics = telemetry.metrics.clone();
    let backups = settings.backups.clone().map_or_else(|| Ok(data.join("backups")), std::path::absolute)?;
    let ops = Ops::new(OpsParts { app: app.clone(), generations, metrics, stopping: stop.clone(), data, backups });
    let ids = RequestIds::from(u32::from_be_bytes(app.entropy.bytes()));
    let mut routes = router::router(app.clone());
    if with_demo {
        routes = routes.merge(pages::demo::routes(app.clone()));
    }
    let limits = settings.limits;
    let proxies = Arc::new(app.settings.trusted_proxies.clone());
    let bodies = Bodies::Ahead(router::BODY_BYTES);
    let public_routes = guarded("public", routes, (limits, bodies), Arc::clone(&proxies), ids.clone());
    let admin_limits = Limits { request: Span(ADMIN_REQUEST), body: Span(Duration::from_secs(60)), ..limits };
    let admin_routes =
        guarded("admin", admin::router(ops), (admin_limits, Bodies::Streamed), Arc::clone(&proxies), ids);
    announce(&announcement);
    drop(announcement); // A token is not kept in memory longer than it is shown.
    // The admin listener goes on answering while requests are drained: it is where `ready` says no.
    let admin_stop = CancellationToken::new();
    let admin_served = listener::serve("admin", admin, admin_routes, limits, Arc::clone(&proxies), admin_stop.clone());
    let admin = tokio::spawn(admin_served);
    let cut = listener::serve("public", public, public_routes, limits, proxies, stop).await;
    admin_stop.cancel();
    let _ended = admin.await;
    following.cancel();
    for follower in followers {
        let _ended = follower.await; // Before draining: one of them takes up mails.
    }
    if tokio::time::timeout(limits.drain.0, app.accounts.drain()).await.is_err() {
        tracing::warn!("mails could not be sent in the time for draining; whichever node is next sends them");
    }
    app.store.close().await;
    tracing::info!(cut, "stopped");
    telemetry.stop().await;
    Ok(())
}

/// What a server cannot start with, whatever is in its data folder.
fn startable(settings: &Settings, with_demo: bool) -> Result<(), SettingsError> {
    let is_local =
        settings.public_url.as_ref().is_none_or(settings::is_loopback) && settings.listen.public.ip().is_loopback();
    if with_demo && !is_local {
        let problem = "`--demo` is for this machine only: listen on loopback, and leave `public_url` out".to_owned();
        return Err(SettingsError::Value { key: "public_url", problem });
    }
    if let Some(folder) = settings.sandbox.interpreter.as_ref().filter(|folder| !folder.is_dir()) {
        let folder = folder.display();
        let problem = format!(
            "`{folder}` is no folder: `vestibule interpreter build --to {folder}` makes it, or leave this out for the data \
             folder"
        );
        return Err(SettingsError::Value { key: "sandbox.interpreter", problem });
    }
    Ok(())
}

async fn stand_up(
    settings: &Settings,
    with_demo: bool,
    data: &Path,
    (public, admin): (TcpListener, TcpListener),
) -> Result<Standing, Fault> {
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let key = first_start::installation_key(data)?;
    let node = first_start::node_id(data, entropy.as_ref())?;
    let store = vestibule_store::open(&database_of(settings, data), &node, clock.now()).await?;
    let key = match key {
        Some(key) => key,
        None => first_start::make_installation_key(data, store.as_ref(), entropy.as_ref()).await?,
    };
    let (public_address, admin_address) = (public.local_addr()?, admin.local_addr()?);
    let public_url = settings.public_url(public_address)?;
    let seal = Seal::new(&key)?;
    first_start::prove_installation(store.as_ref(), &seal, clock.now()).await?;
    first_start::ensure_connection(store.as_ref(), clock.now()).await?;
    let signing = first_start::signing_keys(store.as_ref(), &seal, clock.now()).await?;
    let generations = generations(settings, data, &key, &store, &clock, node)?;
    if let Err(error) = generations.refresh().await {
        // Old rules would not be the operator's, and none would let everybody in.
        return Err(error.into());
    }
    let accounts = Arc::new(Accounts::new(&account_settings(settings, data), entropy.as_ref())?);
    let app = App::new(Parts {
        store: Arc::clone(&store),
        generations: Arc::clone(&generations) as Arc<dyn crate::app::Generations>,
        keys: Keys { seal, signing },
        settings: login_settings(settings, public_url.clone()),
        clock,
        entropy,
        accounts,
    });
    let demo = if with_demo { Some(demo::prepare(&app, data).await?) } else { None };
    let url = format!("http://{admin_address}");
    let (seal, entropy) = (&app.keys.seal, app.entropy.as_ref());
    let admin_token = first_start::admin_file(data, url, store.as_ref(), seal, entropy, app.now()).await?;
    generations.beat().await?;
    let generation = store.active_generation(&vestibule_store::TenantId::default()).await?.map(|live| live.number.0);
    let announcement =
        Announcement { public: public_address, admin: admin_address, public_url, admin_token, demo, generation };
    Ok(Standing { app, generations, public, admin, announcement })
}

/// The folder that a node with these settings reads the interpreter of JavaScript rules from.
#[must_use]
pub fn interpreter_folder(settings: &Settings, data: &Path) -> PathBuf {
    settings.sandbox.interpreter.clone().unwrap_or_else(|| data.to_owned())
}

fn generations(
    settings: &Settings,
    data: &Path,
    key: &[u8; 32],
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    node: NodeId,
) -> Result<Arc<StoredGenerations>, Fault> {
    let profile = match settings.sandbox.profile {
        settings::Profile::Fast => Profile::Fast,
        settings::Profile::Hardened => Profile::Hardened,
    };
    let seal = Seal::new(key)?;
    let cache = Cache::open(data.join("compiled"), InstallationKey::new(seal.mac("compiled rules", b"")))?;
    let sandbox = vestibule_engine::Settings {
        concurrent_runs: settings.sandbox.concurrent_runs,
        ..vestibule_engine::Settings::new(profile)
    };
    let egress = EgressSettings { allow: settings.egress.allow.clone(), ..EgressSettings::default() };
    let workshop = Workshop {
        engine: Engine::new(sandbox)?,
        compiler: Compiler::new(Some(cache))?,
        interpreter: Interpreter::in_folder(interpreter_folder(settings, data)),
        egress: Arc::new(Egress::new(egress)?),
    };
    Ok(Arc::new(StoredGenerations::new(Arc::clone(store), seal, Arc::clone(clock), workshop, node)?))
}

fn login_settings(settings: &Settings, public_url: Url) -> LoginSettings {
    let login = settings.login;
    LoginSettings {
        trusted_proxies: TrustedProxies(settings.trusted_proxies.clone()),
        enrolment: match login.enrolment {
            settings::Enrolment::OnDemand => Enrolment::OnDemand,
            settings::Enrolment::Deny => Enrolment::Deny,
        },
        lifetimes: Lifetimes {
            session_idle: login.session_idle.0,
            session: login.session.0,
            access_token: login.access_token.0,
            id_token: login.id_token.0,
            refresh_token: login.refresh_token.0,
            ..Lifetimes::STANDARD
        },
        ..LoginSettings::new(public_url)
    }
}

fn account_settings(settings: &Settings, data: &Path) -> AccountSettings {
    let route = match &settings.mail.smtp {
        Some(smtp) => MailRoute::Smtp(smtp.clone()),
        None => MailRoute::Outbox(data.join("outbox")),
    };
    AccountSettings {
        service: settings.service.clone(),
        cost: Cost::RECOMMENDED,
        policy: settings.password.clone(),
        limits: settings.rates,
        signup: settings.signup.clone(),
        mail: MailSettings { route, from: settings.mail.from.clone(), service: settings.service.clone() },
        verification: Duration::from_secs(5 * 24 * 60 * 60),
        reset: Duration::from_secs(60 * 60),
    }
}

async fn bind(listener: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { listener, address, source })
}

/// Takes up new signing keys as other nodes make them.
async fn keys_until(app: App, stop: CancellationToken) {
    let mut seen = ChangeMark::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            mark = app.store.wait_for_change(seen, Duration::from_secs(30)) => match mark {
                Ok(mark) => seen = mark,
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await, // Whoever follows the rules logs it.
            },
        }
        if let Err(fault) = first_start::read_signing_keys(&app).await {
            tracing::error!(?fault, "the signing keys cannot be read; the last ones go on");
        }
    }
}

/// Removes what is over, and what the journal keeps no longer.
async fn tidy_until(app: App, keep: Span, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TIDY) => {}
        }
        if let Err(error) = tidy(&app, keep.0).await {
            tracing::warn!(%error, "what is over could not be removed");
        }
    }
}

/// Removes what is over, and what the journal keeps no longer. An entry stays, however short that is, as long as an access
/// token of its login may be good: `/userinfo` tells the claims that stand in it.
///
/// # Errors
/// [`StoreError`] at the first step that failed; the next call takes all of them again.
pub async fn tidy(app: &App, keep: Duration) -> Result<(), StoreError> {
    let now = app.now();
    let unsent = app.store.tidy(now).await?.letters;
    if unsent > 0 {
        tracing::error!(unsent, "mails could not be sent before they were too old");
    }
    for tenant in app.store.tenants().await? {
        let clients = app.store.clients(&tenant.id).await?;
        let usual = app.settings.lifetimes.access_token;
        let lives = clients.iter().map(|client| lifetime(client.settings.access_token_seconds, usual));
        let longest = lives.fold(usual, Duration::max);
        app.store.forget(&tenant.id, now.minus(keep.max(longest))).await?;
    }
    Ok(())
}
