//! What the rules of a login asked for so far, and what becomes of it: all of it, or nothing.
//!
//! [`Staged::stage`] checks everything before it changes anything, so that a rule's answer counts as a whole or not at
//! all. [`Staged::conclude`] is the only place where an outcome is made.

use serde_json::{Map, Value};
use vestibule_abi::{codes::FailureCode, document::Node, limits};

use crate::{
    answer::{Change, Patch, Refusal, SecondFactor, owned},
    claim,
    event::{Demands, Event, ScopePolicy},
    failure::RuleFailure,
    manifest::{Bag, RuleName},
    outcome::{Allow, JournalLine, Note, Outcome, Profile, Provenance, Rest},
    pipeline::{Pipeline, Rule},
};

/// What `context.protocol` says after a redirect.
const REDIRECT_CALLBACK: &str = "redirect-callback";

/// What rules asked for beside the keys that the event holds.
#[derive(Debug)]
pub(super) struct Staged {
    scopes: ScopePolicy,
    scope: Option<Vec<String>>,
    redirect: Option<(RuleName, String)>,
    second_factor: Option<(RuleName, SecondFactor)>,
    mutations: usize,
    journal: Vec<JournalLine>,
}

/// How the rules ended, before it becomes an outcome.
#[derive(Debug)]
pub(super) enum End {
    Allow,
    Deny { rule: RuleName, refusal: Refusal },
    Redirect { rule: RuleName, url: String },
    SecondFactor { rule: RuleName, demand: SecondFactor },
    Failed { rule: Option<RuleName>, failure: RuleFailure },
}

impl End {
    /// The driver broke the protocol of the machine.
    pub(super) fn misuse(message: &str) -> Self {
        Self::Failed { rule: None, failure: RuleFailure::new(FailureCode::HostInternal, message) }
    }
}

impl Staged {
    pub(super) fn new(scopes: ScopePolicy) -> Self {
        Self { scopes, scope: None, redirect: None, second_factor: None, mutations: 0, journal: Vec::new() }
    }

    /// Takes a rule's changes, all or none.
    ///
    /// # Errors
    /// The first thing in it that this login does not allow; nothing is changed then.
    pub(super) fn stage(
        &mut self,
        patch: Patch<'_>,
        at: usize,
        rule: &Rule,
        event: &mut Event,
    ) -> Result<(), RuleFailure> {
        let mutations = self.mutations + patch.mutations();
        if mutations > limits::MUTATIONS_PER_LOGIN {
            let message = format!("the rules of this login ask for more than {} changes", limits::MUTATIONS_PER_LOGIN);
            return Err(RuleFailure::new(FailureCode::MutationLimit, message));
        }
        for change in &patch.changes {
            self.check_change(change, event)?;
        }
        self.check_scope(patch.scope.as_deref())?;
        for bag in [Bag::UserMetadata, Bag::AppMetadata, Bag::IdToken, Bag::AccessToken] {
            Self::check_size(bag, &patch.changes, event)?;
        }
        // From here on nothing fails: what an answer may hold has room in an event, as deep and as large as it is. Were
        // it otherwise, the fault would be ours, and such a login ends without keeping anything.
        self.mutations = mutations;
        for change in &patch.changes {
            event.put(change, at).map_err(|error| RuleFailure::new(FailureCode::HostInternal, error.to_string()))?;
        }
        self.scope = patch.scope.or_else(|| self.scope.take());
        patch.dropped.into_iter().for_each(|note| self.note(rule, note));
        self.demand(patch.redirect, patch.second_factor, rule, event);
        Ok(())
    }

    /// What later rules see of it.
    pub(super) fn demands(&self) -> Demands<'_> {
        Demands {
            redirect: self.redirect.as_ref().map(|(_, url)| url.as_str()),
            second_factor: self.second_factor.as_ref().map(|(_, demand)| demand),
            scope: self.scope.as_deref(),
        }
    }

    pub(super) fn note(&mut self, rule: &Rule, note: Note) {
        self.journal.push(JournalLine { rule: rule.manifest.name.clone(), note });
    }

    /// How the login ends when all rules ran: a redirect goes before a second factor.
    pub(super) fn end(&mut self) -> End {
        match (self.redirect.take(), self.second_factor.take()) {
            (Some((rule, url)), _) => End::Redirect { rule, url },
            (None, Some((rule, demand))) => End::SecondFactor { rule, demand },
            (None, None) => End::Allow,
        }
    }

    /// Makes the outcome. Whatever is staged leaves with [`End::Allow`] only.
    pub(super) fn conclude(&mut self, end: End, event: &mut Event, pipeline: &Pipeline) -> Outcome {
        match end {
            End::Allow => Outcome::Allow(self.allow(event, pipeline)),
            End::Deny { rule, refusal } => Outcome::Deny { rule, refusal, rest: self.nothing(event) },
            End::Failed { rule, failure } => Outcome::Failed { rule, failure, rest: self.nothing(event) },
            End::Redirect { rule, url } => Outcome::Redirect { rule, url, rest: self.parked(event) },
            End::SecondFactor { rule, demand } => Outcome::SecondFactor { rule, demand, rest: self.parked(event) },
        }
    }

    fn check_change(&self, change: &Change<'_>, event: &Event) -> Result<(), RuleFailure> {
        let Change { bag, key, value } = change;
        if *bag == Bag::AccessToken && self.scopes.is_management && !claim::is_namespaced(key) {
            let message = format!("the claim `{}` needs a namespace in a token of this API", key.escape_debug());
            return Err(RuleFailure::new(FailureCode::ClaimReserved, message));
        }
        let is_primary_user = *bag == Bag::Context && *key == owned::PRIMARY_USER;
        let is_linked = |id: Node<'_>| id.as_str().is_some_and(|id| event.is_linked(id));
        if is_primary_user && !value.is_none_or(is_linked) {
            let message = "`context.primaryUser` is no identity that is linked to this user; write `provider|user_id`";
            return Err(RuleFailure::new(FailureCode::MutationForbidden, message));
        }
        Ok(())
    }

    fn check_scope(&self, scope: Option<&[String]>) -> Result<(), RuleFailure> {
        let Some(scope) = scope else { return Ok(()) };
        let refused = |message: String| Err(RuleFailure::new(FailureCode::ScopeNotAllowed, message));
        if self.scopes.is_management {
            return refused("no rule changes the scope of the management API".to_owned());
        }
        match scope.iter().find(|scope| !self.scopes.permits(scope)) {
            Some(scope) => refused(format!(
                "the scope `{scope}` was not granted before, and is not one that a rule may add for this client"
            )),
            None => Ok(()),
        }
    }

    /// Checks a bag as it would be after the merge. One that was too large before may shrink.
    fn check_size(bag: Bag, changes: &[Change<'_>], event: &Event) -> Result<(), RuleFailure> {
        if !changes.iter().any(|change| change.bag == bag) {
            return Ok(());
        }
        let (most, code) = match bag.is_metadata() {
            true => (limits::METADATA_BYTES, FailureCode::MetadataTooLarge),
            false => (limits::CLAIMS_BYTES, FailureCode::ClaimsTooLarge),
        };
        let own = changes.iter().filter(|change| change.bag == bag);
        let own = own.map(|change| (change.key, change.value));
        if let Some(bytes) = event.bag(bag).outgrows(most, own) {
            let message = format!("`{bag}` would have {bytes} bytes, at most {most} are allowed");
            return Err(RuleFailure::new(code, message));
        }
        Ok(())
    }

    fn demand(&mut self, redirect: Option<String>, factor: Option<SecondFactor>, rule: &Rule, event: &Event) {
        let name = &rule.manifest.name;
        match redirect {
            Some(_) if event.context_text("protocol").as_deref() == Some(REDIRECT_CALLBACK) => {
                self.note(rule, Note::RedirectIgnored)
            }
            Some(url) => self.redirect = Some((name.clone(), url)),
            None => {}
        }
        match (factor, &mut self.second_factor) {
            (Some(_), _) if event.has_second_factor() => self.note(rule, Note::SecondFactorMet),
            (Some(new), Some((_, demand))) => demand.allow_remember_browser &= new.allow_remember_browser,
            (Some(new), none) => *none = Some((name.clone(), new)),
            (None, _) => {}
        }
    }

    fn allow(&mut self, event: &mut Event, pipeline: &Pipeline) -> Allow {
        let bags = [Bag::UserMetadata, Bag::AppMetadata, Bag::IdToken, Bag::AccessToken];
        let provenance = bags.into_iter().flat_map(|bag| {
            let rule = |at: usize| pipeline.rules().get(at).map(|rule| rule.manifest.name.clone());
            event
                .bag(bag)
                .changes()
                .filter_map(move |(key, at)| Some(Provenance { bag, key: key.to_owned(), rule: rule(at)? }))
        });
        Allow {
            provenance: provenance.collect(),
            id_token: event.id_token.set_to_object(),
            access_token: event.access_token.set_to_object(),
            scope: self.scope.take().unwrap_or_else(|| self.scopes.granted.clone()),
            context: event.context.changes_to_object(),
            journal: std::mem::take(&mut self.journal),
            profile: profile(event),
        }
    }

    /// A login that is over: nothing of it stays but the journal.
    fn nothing(&mut self, event: &mut Event) -> Rest {
        event.user.restore();
        self.rest(Map::new(), event)
    }

    /// A login that is parked: it keeps the root properties of the user (U-4).
    fn parked(&mut self, event: &mut Event) -> Rest {
        let user_changes = event.user.changes_to_object();
        self.rest(user_changes, event)
    }

    fn rest(&mut self, user_changes: Map<String, Value>, event: &mut Event) -> Rest {
        event.user_metadata.restore();
        event.app_metadata.restore();
        let scope = std::mem::take(&mut self.scopes.granted);
        Rest { profile: profile(event), user_changes, scope, journal: std::mem::take(&mut self.journal) }
    }
}

fn profile(event: &mut Event) -> Profile {
    Profile {
        user: event.user.take(),
        user_metadata: event.user_metadata.take(),
        app_metadata: event.app_metadata.take(),
    }
}
