//! Where a guest's host calls and the host's own side meet.
//!
//! A host function runs on the guest's stack, of which a hostile guest leaves as little as it likes. So it only copies
//! bytes: what has to be parsed, formatted or waited for is put on the desk as an [`Ask`], the guest's fiber is left,
//! and the loop in `rule` serves the ask on a stack of its own and calls the guest back.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use vestibule_abi::{codes::FailureCode, document::Document, limits};
use vestibule_pipeline::RuleFailure;

use crate::{
    failure::Stop,
    hash::{FUEL_AT_ONCE, Hashed, Hashers, Hashing, Work},
    http::Requests,
};

/// Something a host function needs done away from the guest's stack.
pub(crate) enum Ask {
    /// The event as JSON text: form 0.
    EventText,
    /// An HTTP request: its head, not yet parsed, and its body.
    HttpStart { head: Vec<u8>, body: Vec<u8> },
    /// The first of these requests that is finished.
    HttpWait { handles: Vec<u32> },
    /// Something hashed that takes no time to speak of.
    Hash(Hashing<Vec<u8>>),
    /// Something that is hashed on another thread.
    LongHash(Work),
}

impl Ask {
    /// Whether serving it takes the core that the guest would have.
    pub(crate) const fn is_work(&self) -> bool {
        matches!(self, Self::Hash(_))
    }
}

/// One run's desk: empty until the run begins.
#[derive(Default)]
pub(crate) struct Desk(Mutex<Papers>);

#[derive(Default)]
pub(crate) struct Papers {
    event: Option<Arc<Vec<u8>>>,
    event_text: Option<Arc<[u8]>>,
    requests: Option<Requests>,
    hashers: Option<Hashers>,
    /// What came of the last hashing.
    hashed: Vec<u8>,
    asked: Option<Ask>,
    reply: Option<Result<i32, RuleFailure>>,
}

impl Desk {
    /// The guest's side: leaves an ask and waits for its reply.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<i32, Stop> {
        let mut ask = Some(ask);
        poll_fn(|_| {
            let mut papers = self.papers();
            if let Some(ask) = ask.take() {
                papers.asked = Some(ask);
                return Poll::Pending;
            }
            // The run's loop polls the guest again only when there is a reply.
            papers.reply.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
        .map_err(Stop)
    }

    /// The host's side: what the guest asked for, if it left anything.
    pub(crate) fn take_ask(&self) -> Option<Ask> {
        self.papers().asked.take()
    }

    /// The host's side: does what was asked, or registers to be woken when it can go on. What it took is told where it
    /// counts as the guest's own time.
    pub(crate) fn poll_serve(&self, ask: &mut Ask, cx: &mut Context<'_>) -> Poll<Duration> {
        let mut papers = self.papers();
        let mut took = Duration::ZERO;
        let reply = match ask {
            Ask::EventText => papers.event_text(),
            Ask::HttpStart { head, body } => {
                papers.requests().and_then(|requests| requests.start(head, std::mem::take(body))).and_then(handle)
            }
            Ask::HttpWait { handles } => match papers.requests().map(|requests| requests.poll_wait(handles, cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(finished)) => finished.and_then(handle),
                Err(failure) => Err(failure),
            },
            Ask::Hash(hashing) => hashing.timed().map(|hashed| papers.keep(hashed, &mut took)),
            Ask::LongHash(work) => ready!(work.as_mut().poll(cx)).map(|hashed| papers.keep(hashed, &mut took)),
        };
        papers.reply = Some(reply);
        Poll::Ready(took)
    }

    /// The papers, for host functions that only copy. A poisoned lock still holds whole papers.
    pub(crate) fn papers(&self) -> MutexGuard<'_, Papers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Papers {
    /// Puts what a run works on onto the desk.
    pub(crate) fn lay_out(&mut self, event: Arc<Vec<u8>>, requests: Option<Requests>, hashers: Hashers) {
        self.event = Some(event);
        self.requests = requests;
        self.hashers = Some(hashers);
    }

    /// The event as a document: form 1.
    pub(crate) fn event(&self) -> &[u8] {
        self.event.as_ref().map_or(&[], |event| event.as_slice())
    }

    /// The event as text, once it was asked for.
    pub(crate) fn prepared_text(&self) -> Option<&[u8]> {
        self.event_text.as_deref()
    }

    /// The requests of this run; only rules with the HTTP capability link functions that come here.
    pub(crate) fn requests(&mut self) -> Result<&mut Requests, RuleFailure> {
        self.requests
            .as_mut()
            .ok_or_else(|| RuleFailure::new(FailureCode::CapabilityDenied, "this rule has no HTTP capability"))
    }

    /// How something of this price is hashed for this run.
    pub(crate) fn hashing(&self, hashing: Hashing<Vec<u8>>, price: u64) -> Result<Ask, Stop> {
        if price <= FUEL_AT_ONCE {
            return Ok(Ask::Hash(hashing));
        }
        let hashers = self.hashers.clone();
        let hashers = hashers.ok_or_else(|| Stop::new(FailureCode::HostInternal, "no run is under way"))?;
        Ok(Ask::LongHash(Box::pin(hashers.on_a_thread(hashing))))
    }

    fn keep(&mut self, hashed: Hashed, took: &mut Duration) -> i32 {
        (self.hashed, *took) = (hashed.bytes, hashed.took);
        0
    }

    /// What came of it.
    pub(crate) fn hashed(&self) -> &[u8] {
        &self.hashed
    }

    /// Lets go of all when the run is over, and gives the requests.
    pub(crate) fn clear(&mut self) -> Option<Requests> {
        std::mem::take(self).requests
    }

    fn event_text(&mut self) -> Result<i32, RuleFailure> {
        let text = match &self.event_text {
            Some(text) => Arc::clone(text),
            None => {
                let text: Arc<[u8]> = text_of(self.event())?.into();
                Arc::clone(self.event_text.insert(text))
            }
        };
        i32::try_from(text.len())
            .ok()
            .filter(|_| text.len() <= limits::EVENT_BYTES)
            .ok_or_else(|| RuleFailure::new(FailureCode::EventTooLarge, "the event is too large as JSON text"))
    }
}

/// Form 0 of an event, made from form 1: the same tree by construction.
fn text_of(document: &[u8]) -> Result<Vec<u8>, RuleFailure> {
    let internal = |error: &dyn std::fmt::Display| RuleFailure::new(FailureCode::HostInternal, error.to_string());
    let document = Document::parse(document).map_err(|error| internal(&error))?;
    serde_json::to_vec(&document.root()).map_err(|error| internal(&error))
}

fn handle(handle: u32) -> Result<i32, RuleFailure> {
    i32::try_from(handle).map_err(|_| RuleFailure::new(FailureCode::HostcallLimit, "too many handles"))
}
