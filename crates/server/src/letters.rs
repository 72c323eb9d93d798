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

/// A letter on its way out: sealed for the store, and as it is for the mailer.
pub(crate) struct Outgoing {
    tenant: TenantId,
    sealed: NewLetter,
    letter: Letter,
}

impl Outgoing {
    fn new(app: &App, user: &User, letter: Letter) -> Result<Self, Fault> {
        let (now, id) = (app.now(), app.entropy.id::<16>());
        let (only_one, worth) = match letter.says {
            Says::Verify { .. } => (Some("verify"), app.accounts.verification), // Earlier links are dead.
            Says::Reset { .. } => (Some("reset"), app.accounts.reset),
            Says::Changed | Says::FactorAdded => (None, NOTICE),
        };
        let sealed = NewLetter {
            sealed: app.keys.seal.seal(&purpose(&user.tenant, &id), &serde_json::to_vec(&letter)?)?,
            id,
            user: user.id.clone(),
            only_one: only_one.map(str::to_owned),
            at: now,
            due_at: now.plus(TRYING),
            expires_at: now.plus(worth),
        };
        Ok(Self { tenant: user.tenant.clone(), sealed, letter })
    }

    /// One that tells somebody what happens to their account, to be kept with what happens; `None`: they have no address.
    ///
    /// # Errors
    /// [`Fault`] when it cannot be sealed.
    pub(crate) fn notice(app: &App, user: &User, says: Says) -> Result<Option<Self>, Fault> {
        let letter = user.email.clone().map(|to| Letter { to, says });
        letter.map(|letter| Self::new(app, user, letter)).transpose()
    }

    /// What is to be kept.
    pub(crate) fn sealed(&self) -> NewLetter {
        self.sealed.clone()
    }

    /// Sends it, behind the answer. It is kept when this is called.
    pub(crate) fn send(self, app: &App) {
        send(app, &self.tenant, self.sealed.id, self.letter);
    }
}

/// Posts a letter to somebody. It is kept when this returns.
///
/// # Errors
/// [`Fault`] when it cannot be kept.
pub(crate) async fn post(app: &App, user: &User, letter: Letter) -> Result<(), Fault> {
    let outgoing = Outgoing::new(app, user, letter)?;
    app.store.put_letter(&outgoing.tenant, &outgoing.sealed).await?;
    outgoing.send(app);
    Ok(())
}

fn send(app: &App, tenant: &TenantId, id: String, letter: Letter) {
    let (behind, tenant) = (app.clone(), tenant.clone());
    app.accounts.mailer.post(id.clone(), letter, async move {
        if let Err(error) = behind.store.remove_letter(&tenant, &id).await {
            tracing::warn!(%error, "a mail that was sent could not be crossed out; it may be sent again");
        }
    });
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
                Ok(letter) => send(app, &tenant.id, taken.id, letter),
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
