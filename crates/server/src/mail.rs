//! Mails: to prove an address, to choose a new password, to tell that one was chosen.
//!
//! They are plain text, and hold nothing that a stranger typed. They are sent behind the answer, so that nobody can tell
//! from its time whether there was one (HS-05); links come from the configured public URL alone (HS-13).

use std::{
    collections::HashSet,
    error::Error as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use askama::Template;
use lettre::{
    AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    address::AddressError,
    message::{
        Body, Mailbox,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
    transport::smtp,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::task::TaskTracker;

/// The longest line that a mail may have as it is.
const LONGEST_LINE: usize = 998;

/// Where mails go.
#[derive(Debug, Clone)]
pub enum MailRoute {
    /// To a server: `smtps://user:password@host:465`, or `smtp://…:587?tls=required` for STARTTLS.
    Smtp(SecretString),
    /// Into a folder, one file each: for a first try, and for tests.
    Outbox(PathBuf),
}

/// How mails are sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Where they go.
    pub route: MailRoute,
    /// Whom they are from: `Example <login@example.com>`.
    pub from: String,
    /// The service, as it names itself.
    pub service: String,
}

/// Why mails cannot be sent with these settings.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender is no address.
    #[error("`{sender}` is no e-mail address")]
    Sender {
        /// What was given.
        sender: String,
        /// Why not.
        #[source]
        source: AddressError,
    },
    /// The server's URL cannot be used.
    #[error("the SMTP URL cannot be used; it should look like smtps://user:password@host:465")]
    Smtp(#[source] smtp::Error),
    /// The folder cannot be made.
    #[error("the outbox folder `{}` cannot be made", path.display())]
    Outbox {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A mail to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The address it goes to, as it was parsed.
    pub to: String,
    /// What it says.
    pub says: Says,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Follow this link to prove your address.
    Verify {
        /// The link.
        link: String,
        /// How long it is good.
        hours: u64,
    },
    /// Follow this link to choose a new password.
    Reset {
        /// The link.
        link: String,
        /// How long it is good.
        minutes: u64,
    },
    /// Your password was changed.
    Changed,
    /// A second factor was added to your account.
    FactorAdded,
}

/// Sends mails, behind the answer.
#[derive(Clone)]
pub struct Mailer {
    route: Route,
    from: Mailbox,
    service: Arc<str>,
    /// How many letters may be on their way; further ones wait where they are kept.
    places: Arc<Semaphore>,
    under_way: Arc<Mutex<HashSet<String>>>,
    letters: TaskTracker,
}

#[derive(Clone)]
enum Route {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Outbox(AsyncFileTransport<Tokio1Executor>),
}

impl Mailer {
    /// How many letters may be on their way at once.
    const PLACES: usize = 1_000;
    /// How long one try may take in all. All tries together end before others may take the letter.
    const TRY: Duration = Duration::from_secs(30);
    /// How long to wait after each time that it could not be sent, but the last.
    const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

    /// A mailer with these settings. Nothing is sent, and no server asked, before the first letter.
    pub fn new(settings: &MailSettings) -> Result<Self, MailError> {
        let sender = || settings.from.clone();
        let from = settings.from.parse().map_err(|source| MailError::Sender { sender: sender(), source })?;
        let route = match &settings.route {
            MailRoute::Smtp(url) => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret());
                let builder = builder.map_err(MailError::Smtp)?;
                Route::Smtp(builder.timeout(Some(Self::TRY)).build())
            }
            MailRoute::Outbox(path) => {
                private_folder(path).map_err(|source| MailError::Outbox { path: path.clone(), source })?;
                Route::Outbox(AsyncFileTransport::new(path))
            }
        };
        let places = Arc::new(Semaphore::new(Self::PLACES));
        let (under_way, letters) = (Arc::default(), TaskTracker::new());
        Ok(Self { route, from, service: settings.service.as_str().into(), places, under_way, letters })
    }

    /// Sends the letter of this id, later, and does this when it is sent or never can be. Where it could not be sent for
    /// now, is on its way already, or too many are, nothing more happens.
    pub fn post(&self, id: String, letter: Letter, then: impl Future<Output = ()> + Send + 'static) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return tracing::warn!("a mail has to wait: too many are on their way");
        };
        let Some(under_way) = UnderWay::begin(id, &self.under_way) else { return };
        let mailer = self.clone();
        self.letters.spawn(async move {
            match mailer.deliver(&letter).await {
                Delivery::Over => then.await,
                Delivery::NotYet => {}
            }
            drop((place, under_way));
        });
    }

    /// Waits until what was posted is sent, or given up for now.
    pub async fn drain(&self) {
        self.letters.close();
        self.letters.wait().await;
        self.letters.reopen();
    }

    async fn deliver(&self, letter: &Letter) -> Delivery {
        let message = match self.message(letter) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, "a mail could not be written");
                return Delivery::Over;
            }
        };
        let mut pauses = Self::PAUSES.into_iter();
        loop {
            // The transport's own timeout is for connecting only.
            let tried = timeout(Self::TRY, self.send(message.clone())).await;
            let Err(failure) = tried.unwrap_or_else(|_| Err(Failure::Passing("it takes too long".to_owned()))) else {
                return Delivery::Over;
            };
            match failure {
                Failure::Letter(cause) => {
                    tracing::error!(error = cause, "a mail could not be sent");
                    return Delivery::Over;
                }
                Failure::Settings(cause) => {
                    tracing::error!(
                        error = cause,
                        "the mail server refuses what it is sent; see `[mail]` in the settings"
                    );
                    return Delivery::NotYet;
                }
                Failure::Passing(cause) => tracing::warn!(error = cause, "a mail could not be sent yet"),
            }
            let Some(pause) = pauses.next() else { return Delivery::NotYet };
            tokio::time::sleep(pause).await;
        }
    }

    async fn send(&self, message: Message) -> Result<(), Failure> {
        match &self.route {
            Route::Smtp(server) => server.send(message).await.map(drop).map_err(|error| Failure::of(&error)),
            Route::Outbox(folder) => match folder.send(message).await {
                Ok(id) => {
                    tracing::info!(file = format!("{id}.eml"), "a mail was put into the outbox");
                    Ok(())
                }
                Err(error) => Err(Failure::Passing(error.to_string())), // A full disk, say.
            },
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, WritingError> {
        let (subject, text) = letter.says.write(&self.service)?;
        let text = text.replace('\n', "\r\n");
        // A link that is broken over two lines cannot be followed: lines stay as they are where they may (RFC 5322 §2.1.1).
        let body = if text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE) {
            Body::dangerous_pre_encoded(text.into_bytes(), ContentTransferEncoding::SevenBit)
        } else {
            Body::new(text)
        };
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, letter.to.parse()?))
            .subject(subject)
            .message_id(None)
            .header(ContentType::TEXT_PLAIN)
            .body(body)?;
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted"); // RFC 3834: no answer, please.
        message.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
        Ok(message)
    }
}

/// What became of a letter.
enum Delivery {
    /// It was sent, or never can be.
    Over,
    /// The server could not take it.
    NotYet,
}

/// A letter on its way: this process does not send it twice at one time.
struct UnderWay {
    id: String,
    all: Arc<Mutex<HashSet<String>>>,
}

impl UnderWay {
    /// `None`: it is on its way already.
    fn begin(id: String, all: &Arc<Mutex<HashSet<String>>>) -> Option<Self> {
        let is_new = all.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        is_new.then(|| Self { id, all: Arc::clone(all) })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Why a mail was not sent.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The server will never take this letter.
    Letter(String),
    /// The server takes none from us: who we say we are, or whom we write as, has to be mended first.
    Settings(String),
    /// It may be otherwise in a moment.
    Passing(String),
}

impl Failure {
    /// What the server said may quote the address: its numbers have to do.
    fn of(error: &smtp::Error) -> Self {
        let Some(code) = error.status().filter(|_| error.is_permanent()) else {
            return Self::Passing("the server cannot be used".to_owned());
        };
        let said = error.source().map(ToString::to_string).unwrap_or_default();
        let status = EnhancedStatus::read(&said);
        let told = status.map_or_else(String::new, |EnhancedStatus(subject, detail)| format!(" 5.{subject}.{detail}"));
        let cause = format!("refused by the server: {code}{told}");
        match status {
            Some(status) if status.is_of_the_letter() => Self::Letter(cause),
            Some(_) | None => Self::Settings(cause),
        }
    }
}

/// What a refusal is about (RFC 3463). The code alone does not tell: 550 is an unknown recipient, and a forbidden sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EnhancedStatus(u16, u16);

impl EnhancedStatus {
    /// Reads the one that the text begins with, if it is that of a refusal for good.
    fn read(text: &str) -> Option<Self> {
        let (subject, detail) = text.split_whitespace().next()?.strip_prefix("5.")?.split_once('.')?;
        Some(Self(subject.parse().ok()?, detail.parse().ok()?))
    }

    /// The recipient (but not 5.1.7 and 5.1.8, which are the sender), their mailbox, or the content.
    fn is_of_the_letter(self) -> bool {
        matches!(self, Self(1, 1..=6 | 9 | 10) | Self(2 | 6, _))
    }
}

#[derive(Debug, thiserror::Error)]
enum WritingError {
    #[error("the text could not be put together")]
    Text(#[from] askama::Error),
    #[error("the recipient is no address")]
    Recipient(#[from] AddressError),
    #[error("the message could not be put together")]
    Message(#[from] lettre::error::Error),
}

impl Says {
    /// The subject and the text.
    fn write(&self, service: &str) -> Result<(String, String), askama::Error> {
        match self {
            Self::Verify { link, hours } => {
                let text = VerifyText { service, link, hours: *hours }.render()?;
                Ok((format!("Confirm your address for {service}"), text))
            }
            Self::Reset { link, minutes } => {
                let text = ResetText { service, link, minutes: *minutes }.render()?;
                Ok((format!("Choose a new password for {service}"), text))
            }
            Self::Changed => {
                Ok((format!("Your password for {service} was changed"), ChangedText { service }.render()?))
            }
            Self::FactorAdded => {
                let text = FactorAddedText { service }.render()?;
                Ok((format!("A second factor was added to your account at {service}"), text))
            }
        }
    }
}

#[derive(Template)]
#[template(path = "mail/verify.txt")]
struct VerifyText<'a> {
    service: &'a str,
    link: &'a str,
    hours: u64,
}

#[derive(Template)]
#[template(path = "mail/reset.txt")]
struct ResetText<'a> {
    service: &'a str,
    link: &'a str,
    minutes: u64,
}

#[derive(Template)]
#[template(path = "mail/changed.txt")]
struct ChangedText<'a> {
    service: &'a str,
}

#[derive(Template)]
#[template(path = "mail/factor_added.txt")]
struct FactorAddedText<'a> {
    service: &'a str,
}

/// A folder that only its owner reads: its mails let people in.
fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

#[cfg(test)]
mod tests;
