//! All requests of one run of one rule: started, waited for, read, and in the end recorded.
//!
//! A rule can see of a request only what a wait has told it, and a wait answers in an order that is recorded. So a
//! rule that gets the same answers again cannot behave differently, however the network's timing was.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use serde_json::json;
use tokio::{runtime::Handle, task::JoinSet, time::Instant};
use vestibule_abi::codes::FailureCode;
use vestibule_pipeline::RuleFailure;

use super::{
    egress::Egress,
    exchange::{Asked, Exchange, Received, Record},
    fetch::fetch,
    grants::HttpGrants,
    outgoing::Outgoing,
    recording::{Playback, Unanswered},
};

/// Where answers come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Nowhere: the rule has no HTTP capability.
    Denied,
    /// The network.
    Live(Arc<Egress>),
    /// A file; what is not in it ends the run with `http_not_recorded`.
    Recorded(Playback),
    /// What this rule got when this login ran before, matched by method, URL, headers and body, in order.
    Replay {
        /// What it got: [`Record::into_recorded`] of its last run.
        recorded: Vec<Exchange>,
        /// What to do with a request that is not in it.
        otherwise: Unrecorded,
    },
}

/// What to do with a request that was not made before.
#[derive(Debug, Clone)]
pub enum Unrecorded {
    /// Send it: the login runs again after a conflict.
    Send(Arc<Egress>),
    /// End the run with this code: `http_not_recorded` in a replay, `conflict_exhausted` in a last attempt.
    Fail(FailureCode),
}

/// The requests of one run of one rule. Requests that the rule did not wait for are cancelled when this is dropped.
#[derive(Debug)]
pub struct Requests {
    source: Source,
    grants: Arc<HttpGrants>,
    max_requests: u32,
    deadline: Instant,
    slots: Vec<Slot>,
    in_flight: JoinSet<(usize, Received)>,
    /// Counts what came from the network, to tell which came first.
    arrivals: u64,
    /// Counts what waits have answered.
    deliveries: u32,
}

/// One request; its handle is its place in the list.
#[derive(Debug)]
struct Slot {
    asked: Asked,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    InFlight,
    /// It has an answer that no wait has told the rule of. The smallest rank came first.
    Arrived {
        rank: u64,
        received: Option<Received>,
    },
    /// A wait has told the rule of it.
    Delivered {
        order: u32,
        received: Option<Received>,
        result: Vec<u8>,
    },
}

/// Recorded answers rank below this, by the order in which they were recorded; arrivals above it.
const FIRST_ARRIVAL: u64 = 1 << 32;

impl Requests {
    /// No requests yet; at most `max_requests`, each within `deadline`, the login's.
    #[must_use]
    pub fn new(source: Source, grants: Arc<HttpGrants>, max_requests: u32, deadline: Instant) -> Self {
        Self {
            source,
            grants,
            max_requests,
            deadline,
            slots: Vec::new(),
            in_flight: JoinSet::new(),
            arrivals: FIRST_ARRIVAL,
            deliveries: 0,
        }
    }

    /// The number of requests started.
    #[must_use]
    pub fn started(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Starts a request and gives its handle. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// What ends the run: `capability_denied`, `hostcall_limit`, `hostcall_bad_args`, `http_blocked`,
    /// `http_not_recorded`.
    pub fn start(&mut self, head: &[u8], body: Vec<u8>) -> Result<u32, RuleFailure> {
        if matches!(self.source, Source::Denied) {
            return Err(RuleFailure::new(FailureCode::CapabilityDenied, "this rule has no grant for HTTP"));
        }
        let handle = self.started();
        if handle >= self.max_requests {
            let message = format!("this run may make {} HTTP requests", self.max_requests);
            return Err(RuleFailure::new(FailureCode::HostcallLimit, message));
        }
        let from_recording = matches!(self.source, Source::Recorded(_));
        let outgoing = Outgoing::parse(head, body, &self.grants, from_recording)?;
        let asked = outgoing.asked.clone();
        let progress = self.begin(outgoing)?;
        self.slots.push(Slot { asked, progress });
        Ok(handle)
    }

    /// The first of `handles` that is finished. One that an earlier wait has answered counts as the first.
    ///
    /// # Errors
    ///
    /// What ends the run: `hostcall_bad_args` for no handle or one that was never given, `http_blocked` if a request
    /// turned out to lead where it may not.
    pub fn poll_wait(&mut self, handles: &[u32], cx: &mut Context<'_>) -> Poll<Result<u32, RuleFailure>> {
        if handles.is_empty() {
            return Poll::Ready(Err(RuleFailure::new(FailureCode::HostcallBadArgs, "a wait needs a handle")));
        }
        if let Some(unknown) = handles.iter().find(|handle| self.slot(**handle).is_none()) {
            return Poll::Ready(Err(unknown_handle(*unknown)));
        }
        if let Err(failure) = self.poll_arrivals(cx) {
            return Poll::Ready(Err(failure));
        }
        match handles.iter().filter_map(|handle| Some((self.slot(*handle)?.rank()?, *handle))).min() {
            Some((_, handle)) => Poll::Ready(self.deliver(handle).map(|()| handle)),
            None => Poll::Pending,
        }
    }

    /// The result of a request that a wait has answered, as the JSON the rule reads: `{"status", "headers",
    /// "body_len"}` or `{"error"}`.
    ///
    /// # Errors
    ///
    /// `hostcall_bad_args` for any other handle.
    pub fn result(&self, handle: u32) -> Result<&[u8], RuleFailure> {
        match self.slot(handle).map(|slot| &slot.progress) {
            Some(Progress::Delivered { result, .. }) => Ok(result),
            Some(Progress::InFlight | Progress::Arrived { .. }) | None => Err(unknown_handle(handle)),
        }
    }

    /// The body of the response to a request that a wait has answered; empty if there was no response.
    ///
    /// # Errors
    ///
    /// `hostcall_bad_args` for any other handle.
    pub fn body(&self, handle: u32) -> Result<&[u8], RuleFailure> {
        match self.slot(handle).map(|slot| &slot.progress) {
            Some(Progress::Delivered { received: Some(Received::Response(response)), .. }) => Ok(&response.body),
            Some(Progress::Delivered { .. }) => Ok(&[]),
            Some(Progress::InFlight | Progress::Arrived { .. }) | None => Err(unknown_handle(handle)),
        }
    }

    /// Ends the run: cancels what is in flight and gives the record of all requests.
    #[must_use]
    pub fn finish(self) -> Record {
        let exchanges = self.slots.into_iter().map(Exchange::from).collect();
        let unused = match self.source {
            Source::Replay { recorded, .. } => recorded,
            Source::Denied | Source::Live(_) | Source::Recorded(_) => Vec::new(),
        };
        Record { exchanges, unused }
    }

    fn slot(&self, handle: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(handle).ok()?)
    }

    /// Answers a request from the source, or sends it.
    fn begin(&mut self, outgoing: Outgoing) -> Result<Progress, RuleFailure> {
        let egress = match &mut self.source {
            Source::Denied => return Err(RuleFailure::new(FailureCode::CapabilityDenied, "no HTTP")),
            Source::Live(egress) => egress,
            Source::Recorded(playback) => {
                let received = playback.take(&outgoing).map_err(|why| unanswered(&outgoing.asked, why))?;
                return Ok(Progress::Arrived { rank: self.slots.len() as u64, received: Some(received) });
            }
            Source::Replay { recorded, otherwise } => {
                if let Some(position) = recorded.iter().position(|exchange| exchange.asked == outgoing.asked) {
                    let exchange = recorded.remove(position);
                    let rank = exchange.finished.map_or(FIRST_ARRIVAL - 1, u64::from);
                    return Ok(Progress::Arrived { rank, received: exchange.received });
                }
                match otherwise {
                    Unrecorded::Send(egress) => egress,
                    Unrecorded::Fail(FailureCode::HttpNotRecorded) => {
                        return Err(unanswered(&outgoing.asked, Unanswered::NeverRecorded));
                    }
                    Unrecorded::Fail(code) => {
                        let message = format!("{} {} was not asked before", outgoing.asked.method, outgoing.asked.url);
                        return Err(RuleFailure::new(*code, message));
                    }
                }
            }
        };
        if egress.refuses(&outgoing.url) {
            return Err(blocked(&outgoing.asked.url));
        }
        let runtime = Handle::try_current()
            .map_err(|_| RuleFailure::new(FailureCode::HostInternal, "HTTP was started outside the runtime"))?;
        let index = self.slots.len();
        let fetching = fetch(Arc::clone(egress), outgoing, Arc::clone(&self.grants), self.deadline);
        self.in_flight.spawn_on(async move { (index, fetching.await) }, &runtime);
        Ok(Progress::InFlight)
    }

    /// Takes in all that has come from the network. A breach of the policy ends the run, whoever waits for what.
    fn poll_arrivals(&mut self, cx: &mut Context<'_>) -> Result<(), RuleFailure> {
        while let Poll::Ready(Some(joined)) = self.in_flight.poll_join_next(cx) {
            let (index, received) = joined
                .map_err(|_| RuleFailure::new(FailureCode::HostInternal, "an HTTP request ended unexpectedly"))?;
            let Some(slot) = self.slots.get_mut(index) else { continue };
            let breach = received == Received::Error(FailureCode::HttpBlocked);
            slot.progress = Progress::Arrived { rank: self.arrivals, received: Some(received) };
            self.arrivals += 1;
            if breach {
                return Err(blocked(&slot.asked.url));
            }
        }
        Ok(())
    }

    /// Tells the rule of an answer.
    fn deliver(&mut self, handle: u32) -> Result<(), RuleFailure> {
        let slot = usize::try_from(handle).ok().and_then(|index| self.slots.get_mut(index));
        let Some(slot) = slot else { return Err(unknown_handle(handle)) };
        let Progress::Arrived { received, .. } = &mut slot.progress else { return Ok(()) };
        let received = received.take();
        if received == Some(Received::Error(FailureCode::HttpBlocked)) {
            return Err(blocked(&slot.asked.url));
        }
        let result = result_json(received.as_ref());
        slot.progress = Progress::Delivered { order: self.deliveries, received, result };
        self.deliveries += 1;
        Ok(())
    }
}

impl Slot {
    /// What a wait compares: delivered before arrived, each by its order; `None` while in flight.
    const fn rank(&self) -> Option<(bool, u64)> {
        match &self.progress {
            Progress::InFlight => None,
            Progress::Arrived { rank, .. } => Some((true, *rank)),
            Progress::Delivered { order, .. } => Some((false, *order as u64)),
        }
    }
}

impl From<Slot> for Exchange {
    fn from(slot: Slot) -> Self {
        let (received, finished) = match slot.progress {
            Progress::InFlight => (None, None),
            Progress::Arrived { received, .. } => (received, None),
            Progress::Delivered { order, received, .. } => (received, Some(order)),
        };
        Self { asked: slot.asked, received, finished }
    }
}

fn result_json(received: Option<&Received>) -> Vec<u8> {
    let result = match received {
        Some(Received::Response(response)) => {
            json!({"status": response.status, "headers": response.headers, "body_len": response.body.len()})
        }
        Some(Received::Error(code)) => json!({"error": code}),
        None => json!({"error": FailureCode::HttpFailed}),
    };
    result.to_string().into_bytes()
}

fn blocked(url: &str) -> RuleFailure {
    let message = format!(
        "`{url}` leads to an address or origin that is not allowed; the operator opens private \
                           destinations in `[egress] allow`"
    );
    RuleFailure::new(FailureCode::HttpBlocked, message)
}

fn unanswered(asked: &Asked, why: Unanswered) -> RuleFailure {
    let Asked { method, url, .. } = asked;
    let message = match why {
        Unanswered::NeverRecorded => format!("the recording has no such request: {method} {url}"),
        Unanswered::UsedUp => {
            format!("the recording has no answer left for {method} {url}: each is used once, so it needs one more")
        }
    };
    RuleFailure::new(FailureCode::HttpNotRecorded, message)
}

fn unknown_handle(handle: u32) -> RuleFailure {
    RuleFailure::new(FailureCode::HostcallBadArgs, format!("no finished request has the handle {handle}"))
}
