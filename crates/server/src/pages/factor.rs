//! `/u/mfa`: the second factor, its enrolment, and recovery codes.

use askama::Template;
use axum::{body::Bytes, extract::Query, response::Response};
use http::StatusCode;
use serde::Deserialize;
use vestibule_store::{User, Wait};

use super::{Form, Frame, Posted, Problem, Visit, leads_to};
use crate::{
    app::Enrolment,
    error::{Fault, PageError, Refused},
    factor::{self, Presented, Qr, RecoveryCodes},
    login::{
        self,
        browser::Remember,
        parked::{self, Pending},
    },
};

/// What was posted. Each step is a form of its own, so that the token of one is good for no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactorForm {
    state: String,
    csrf: String,
    step: Step,
    #[serde(default)]
    code: String,
    #[serde(default)]
    remember: String,
}

/// What somebody does on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    /// Enters a code of the app.
    Code,
    /// Enters a recovery code.
    Recovery,
    /// Enters the first code of a new app.
    Enrol,
    /// Has enrolled, and has seen the recovery codes: only their page has this form.
    Enrolled,
}

impl Step {
    const fn purpose(self) -> &'static str {
        match self {
            Self::Code => "mfa code",
            Self::Recovery => "mfa recovery",
            Self::Enrol => "mfa enrol",
            Self::Enrolled => "mfa enrolled",
        }
    }
}

impl Posted for FactorForm {
    fn purpose(&self) -> &'static str {
        self.step.purpose()
    }

    fn about(&self) -> &str {
        &self.state
    }

    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `?state=`, and `with=recovery` for somebody who lost the app.
#[derive(Deserialize)]
pub(crate) struct FactorQuery {
    #[serde(default)]
    state: String,
    #[serde(default)]
    with: String,
}

/// `GET /u/mfa?state=`
pub(crate) async fn show(visit: Visit, Query(query): Query<FactorQuery>) -> Result<Response, PageError> {
    let waiting = Waiting::open(&visit, query.state).await?;
    let step = if query.with == "recovery" { Step::Recovery } else { Step::Code };
    waiting.page(visit, step, None).await
}

/// `POST /u/mfa`
pub(crate) async fn submit(visit: Visit, body: Bytes) -> Result<Response, PageError> {
    let posted: FactorForm = visit.posted(&body)?;
    let waiting = Waiting::open(&visit, posted.state).await?;
    match posted.step {
        Step::Enrolled => waiting.passed(visit, Remember::No).await,
        Step::Code | Step::Recovery | Step::Enrol => {
            if let Some(problem) = waiting.count(&visit).await? {
                return waiting.page(visit, posted.step, Some(problem)).await;
            }
            waiting.judge(visit, posted.step, &posted.code, &posted.remember).await
        }
    }
}

/// A login that waits for a second factor.
struct Waiting {
    state: String,
    pending: Pending,
    user: User,
}

impl Waiting {
    async fn open(visit: &Visit, state: String) -> Result<Self, PageError> {
        let (app, caller) = (&visit.app, &visit.caller);
        let pending = parked::open(app, caller, &visit.jar, &state, Wait::SecondFactor).await?;
        let id = pending.user().ok_or_else(|| Fault::broken("a login waits for a second factor of nobody"))?;
        let user = app.store.user(&caller.tenant, id).await?.ok_or_else(ended)?;
        Ok(Self { state, pending, user })
    }

    /// Counts an attempt before it is judged, so that no number of parallel ones is more than so many (HS-14).
    async fn count(&self, visit: &Visit) -> Result<Option<Problem>, PageError> {
        let (app, caller) = (&visit.app, &visit.caller);
        let attempts = app.store.count_parked_attempt(&caller.tenant, self.pending.handle(), app.now()).await?;
        if attempts.ok_or_else(ended)? > factor::MOST_ATTEMPTS {
            return Err(Refused::new(
                StatusCode::FORBIDDEN,
                "too_many_attempts",
                "Too many wrong codes. Go back to the application and log in again.",
            )
            .into());
        }
        let limited = app.accounts.limits.factor(&factor::trying(caller, &self.user.id));
        Ok(limited.err().map(|too_many| {
            let text =
                format!("Too many codes were tried. Please wait {} seconds, then try again.", too_many.seconds());
            Problem::new("code", text)
        }))
    }

    async fn judge(self, visit: Visit, step: Step, code: &str, remember: &str) -> Result<Response, PageError> {
        let (app, user) = (&visit.app, &self.user);
        let presented = match step {
            Step::Code => Presented::Code(code),
            Step::Recovery => Presented::Recovery(code),
            Step::Enrol | Step::Enrolled => {
                return match factor::confirm(app, user, self.pending.login(), code).await? {
                    Some(codes) => Ok(self.recovery_page(visit, &codes)),
                    None => self.page(visit, step, Some(wrong(step))).await,
                };
            }
        };
        if factor::accepts(app, &user.tenant, &user.id, presented).await? {
            let remember = if remember == "true" { Remember::Yes } else { Remember::No };
            return self.passed(visit, remember).await;
        }
        self.page(visit, step, Some(wrong(step))).await
    }

    async fn passed(self, visit: Visit, remember: Remember) -> Result<Response, PageError> {
        login::factor_passed(&visit.app, &visit.caller, visit.jar, &self.pending, remember).await
    }

    /// The page for whoever has a factor, or for whoever has none.
    async fn page(self, visit: Visit, step: Step, problem: Option<Problem>) -> Result<Response, PageError> {
        let app = visit.app.clone();
        let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let frame = visit.frame_with(problem.into_iter().collect());
        let leads_to = leads_to(&app, &visit.caller, &self.pending);
        if factor::enrolled(&app, &self.user.tenant, &self.user.id).await?.is_some() {
            let step = if step == Step::Recovery { step } else { Step::Code };
            let form = visit.form(step.purpose(), &self.state);
            let remember = self.pending.may_remember();
            let page = ChallengePage { frame, form, recovery: step == Step::Recovery, remember };
            return Ok(visit.show(status, &page, &leads_to));
        }
        if app.settings.enrolment == Enrolment::Deny {
            let why = "You need a second factor to log in here, and have none. Ask the people who run this service.";
            return Err(Refused::new(StatusCode::FORBIDDEN, "enrolment_denied", why).into());
        }
        let secret = factor::begin(&app, &self.user, self.pending.login()).await?;
        let account = self.user.email.as_deref().or(self.user.username.as_deref()).unwrap_or("account");
        let qr = secret.qr(&app.accounts.service, account)?;
        let form = visit.form(Step::Enrol.purpose(), &self.state);
        Ok(visit.show(status, &EnrolPage { frame, form, qr, key: secret.key() }, &leads_to))
    }

    fn recovery_page(self, visit: Visit, codes: &RecoveryCodes) -> Response {
        let leads_to = leads_to(&visit.app, &visit.caller, &self.pending);
        let form = visit.form(Step::Enrolled.purpose(), &self.state);
        let page = RecoveryPage { frame: visit.frame(), form, codes: codes.shown() };
        visit.show(StatusCode::OK, &page, &leads_to)
    }
}

fn wrong(step: Step) -> Problem {
    let text = match step {
        Step::Recovery => "This is not one of your recovery codes, or it was used before.",
        Step::Code | Step::Enrol | Step::Enrolled => {
            "This is not the right code. Each is good for half a minute, and once: wait for the next one."
        }
    };
    Problem::new("code", text)
}

fn ended() -> Refused {
    Refused::invalid_request("This login is no longer here. Go back to the application and log in again.")
}

#[derive(Template)]
#[template(path = "challenge.html")]
struct ChallengePage {
    frame: Frame,
    form: Form,
    recovery: bool,
    remember: bool,
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct EnrolPage {
    frame: Frame,
    form: Form,
    qr: Qr,
    key: String,
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct RecoveryPage<'a> {
    frame: Frame,
    form: Form,
    codes: &'a [String],
}
