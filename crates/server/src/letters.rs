//! Letters outlive the process that promised them: each is kept in the store, sealed, until it is sent.
//!
//! Whoever posts one sends it at once. Where that fails, because the mail server is down or this process ends, whichever
//! node looks next takes it up, again and again until it is too old. One may arrive twice, if a node ends between sending
//! it and saying so. What tells somebody of an act is kept by the act's own transaction.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use vestibule_store::{NewLetter, TenantId, User};

use crate::{
    app::App,
    error::Fault,
    mail::{Letter, Says},
};

/// How long whoever has a letter may try to send it before others do.
pub(crate) const TRYING: Duration = Duration::from_secs(2 * 60);
/// How long a letter without a link is worth sending.
const NOTICE: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How often a node looks for letters that nobody sent.
const LOOK: Duration = Duration::from_secs(10);
/// How many it takes at once.
const BATCH: u32 = 50;

/// A letter that is to be sent, once what the store has of it is kept.
pub(crate) struct Unsent {
    tenant: TenantId,
    id: String,
    letter: Letter,
}

impl Unsent {
    /// Sends it, behind the answer. Call it when the other half of it is kept.
    pub(crate) fn send(self, app: &App) {
        let Self { tenant, id, letter } = self;
        let behind = app.clone();
        app.accounts.mailer.post(id.clone(), letter, async move {
            if let Err(error) = behind.store.remove_letter(&tenant, &id).await {
                tracing::warn!(%error, "a mail that was sent could not be crossed out; it may be sent again");
            }
        });
    }
}

/// Posts a letter to somebody. It is kept when this returns.
///
/// # Errors
/// [`Fault`] when it cannot be kept.
pub(crate) async fn post(app: &App, user: &User, letter: Letter) -> Result<(), Fault> {
    let (new, unsent) = write(app, user, letter)?;
    app.store.put_letter(&user.tenant, &new).await?;
    unsent.send(app);
    Ok(())
}

/// A letter that tells somebody what happens to their account, to be kept with what happens, and sent after that; `None`:
/// they have no address.
///
/// # Errors
/// [`Fault`] when it cannot be sealed.
pub(crate) fn notice(app: &App, user: &User, says: Says) -> Result<Option<(NewLetter, Unsent)>, Fault> {
    user.email.clone().map(|to| write(app, user, Letter { to, says })).transpose()
}

fn write(app: &App, user: &User, letter: Letter) -> Result<(NewLetter, Unsent), Fault> {
    let (now, id, tenant) = (app.now(), app.entropy.id::<16>(), user.tenant.clone());
    let (only_one, worth) = match letter.says {
        Says::Verify { .. } => (Some("verify"), app.accounts.verification), // Earlier links are dead.
        Says::Reset { .. } => (Some("reset"), app.accounts.reset),
        Says::Changed | Says::FactorAdded => (None, NOTICE),
    };
    let new = NewLetter {
        sealed: app.keys.seal.seal(&purpose(&tenant, &id), &serde_json::to_vec(&letter)?)?,
        id: id.clone(),
        user: user.id.clone(),
        only_one: only_one.map(str::to_owned),
        at: now,
        due_at: now.plus(TRYING),
        expires_at: now.plus(worth),
    };
    Ok((new, Unsent { tenant, id, letter }))
}

/// Sends what nobody sent, until it is told to stop.
pub(crate) async fn send_until(app: App, stop: CancellationToken) {
    loop {
        if let Err(fault) = send_due(&app).await {
            tracing::warn!(?fault, "mails that wait could not be looked for");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Takes up the letters that are due, for every tenant.
///
/// # Errors
/// [`Fault`] when the store cannot be asked. A letter that does not open stays, and is logged.
pub async fn send_due(app: &App) -> Result<(), Fault> {
    for tenant in app.store.tenants().await? {
        let now = app.now();
        for taken in app.store.take_letters(&tenant.id, now, now.plus(TRYING), BATCH).await? {
            let opened = app.keys.seal.open(&purpose(&tenant.id, &taken.id), &taken.sealed);
            match opened.and_then(|letter| Ok(serde_json::from_slice(&letter)?)) {
                Ok(letter) => Unsent { tenant: tenant.id.clone(), id: taken.id, letter }.send(app),
                Err(fault) => tracing::error!(?fault, "a mail that waits cannot be read"),
            }
        }
    }
    Ok(())
}

/// What a letter is sealed for.
fn purpose(tenant: &TenantId, id: &str) -> String {
    format!("letter/{tenant}/{id}")
}
