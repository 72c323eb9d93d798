//! What a host does around a rule, the same for every peer that is a library: hand it the event, merge what it says.

use std::hint::black_box;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    protocol::Task,
    rule::{Answer, Rule},
};

/// How a login ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The user is let in.
    Allow {
        /// The claims that rules set.
        id_token: Map<String, Value>,
        /// The metadata as it will be stored.
        app_metadata: Map<String, Value>,
    },
    /// A rule refused.
    Deny {
        /// Its code.
        code: String,
    },
}

/// A host with its rules deployed. Threads share it.
pub trait Deployed: Send + Sync {
    /// What one thread needs of its own.
    ///
    /// # Errors
    /// When it cannot be had.
    fn lane(&self) -> anyhow::Result<Box<dyn Lane>>;
}

/// One thread of a host.
pub trait Lane {
    /// Takes the event for all logins that follow, as the text a store or a network gave. Not measured.
    ///
    /// # Errors
    /// When the event is none.
    fn arrive(&mut self, event: &str) -> anyhow::Result<()>;

    /// What happens between two logins. Not measured.
    ///
    /// # Errors
    /// When it does not happen.
    fn rest(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Runs one login from the text of its event to its outcome, and tells it in the form that contestants are compared in.
    ///
    /// # Errors
    /// When the contestant fails.
    fn outcome(&mut self) -> anyhow::Result<Outcome>;

    /// The same, but leaves nothing behind and tells nothing. Measured.
    ///
    /// # Errors
    /// When the contestant fails.
    fn login(&mut self) -> anyhow::Result<()> {
        self.outcome().map(|outcome| drop(black_box(outcome)))
    }
}

/// Something that is measured: it deploys what a task names.
pub trait Contestant: Sync {
    /// What it is and in which version.
    fn described(&self) -> String;

    /// Deploys the rules of one tenant: all that can be done before a login is done here. Not measured.
    ///
    /// # Errors
    /// When it cannot run them.
    fn deploy(&self, task: &Task, tenant: usize) -> anyhow::Result<Box<dyn Deployed>>;

    /// Resident memory of other processes that belong to it, in KiB.
    ///
    /// # Errors
    /// When they are gone.
    fn others_kib(&self) -> anyhow::Result<u64> {
        Ok(0)
    }
}

/// One rule in the hands of a peer, ready on one thread: what most peers implement.
pub trait Decide {
    /// Runs the rule on the text of an event, isolated as the peer isolates.
    ///
    /// # Errors
    /// When the peer fails.
    fn decide(&mut self, event: &str) -> anyhow::Result<Answer>;
}

/// Makes a [`Contestant`] of a peer that is a library: `deploy` prepares a rule, which is told from others of its kind
/// by a number, and the prepared rule makes one [`Decide`] for each thread.
pub struct Library<D> {
    /// What it is and in which version.
    pub described: String,
    /// Prepares a rule.
    pub deploy: D,
}

/// A prepared rule of a [`Library`].
pub type MakeRule = Box<dyn Fn() -> anyhow::Result<Box<dyn Decide>> + Send + Sync>;

impl<D: Fn(Rule, usize) -> anyhow::Result<MakeRule> + Sync> Contestant for Library<D> {
    fn described(&self) -> String {
        self.described.clone()
    }

    fn deploy(&self, task: &Task, tenant: usize) -> anyhow::Result<Box<dyn Deployed>> {
        let number = |position| tenant * task.rules + position;
        let rules = (0..task.rules).map(|position| (self.deploy)(task.rule, number(position)));
        Ok(Box::new(Hosted(rules.collect::<anyhow::Result<_>>()?)))
    }
}

struct Hosted(Vec<MakeRule>);

impl Deployed for Hosted {
    fn lane(&self) -> anyhow::Result<Box<dyn Lane>> {
        let rules = self.0.iter().map(|make| make()).collect::<anyhow::Result<_>>()?;
        Ok(Box::new(HostLane { rules, event: String::new() }))
    }
}

struct HostLane {
    rules: Vec<Box<dyn Decide>>,
    event: String,
}

impl Lane for HostLane {
    fn arrive(&mut self, event: &str) -> anyhow::Result<()> {
        event.clone_into(&mut self.event);
        Ok(())
    }

    fn outcome(&mut self) -> anyhow::Result<Outcome> {
        on_text(&self.event, self.rules.iter_mut().map(|rule| |event: &str| rule.decide(event)))
    }
}

/// Runs rules in order on the text of an event. The first rule gets the text as it came; of a login with one rule only the
/// stored metadata is ever parsed. Later rules get a text with what those before them stored.
///
/// # Errors
/// What a rule fails with, or an event without metadata.
pub fn on_text<R>(event: &str, rules: impl Iterator<Item = R>) -> anyhow::Result<Outcome>
where
    R: FnOnce(&str) -> anyhow::Result<Answer>,
{
    let mut id_token = Map::new();
    let mut changed: Option<(Value, String)> = None;
    let mut rules = rules.peekable();
    while let Some(rule) = rules.next() {
        let changes = match rule(changed.as_ref().map_or(event, |(_, text)| text))? {
            Answer::Deny(code) => return Ok(Outcome::Deny { code }),
            Answer::Continue(changes) => changes,
        };
        id_token.extend(changes.id_token);
        let is_last = rules.peek().is_none();
        if is_last && changed.is_none() {
            let mut app_metadata = serde_json::from_str::<Stored>(event)?.user.app_metadata;
            app_metadata.extend(changes.app_metadata);
            return Ok(Outcome::Allow { id_token, app_metadata });
        }
        let mut tree = changed.map_or_else(|| serde_json::from_str(event), |(tree, _)| Ok(tree))?;
        stored(&mut tree)?.extend(changes.app_metadata);
        let text = if is_last { String::new() } else { tree.to_string() };
        changed = Some((tree, text));
    }
    let (mut tree, _) = changed.context("nothing is deployed")?;
    Ok(Outcome::Allow { id_token, app_metadata: std::mem::take(stored(&mut tree)?) })
}

/// The only part of an event that a host merges into.
#[derive(Deserialize)]
struct Stored {
    user: StoredUser,
}

#[derive(Deserialize)]
struct StoredUser {
    app_metadata: Map<String, Value>,
}

/// Runs rules in order on a tree: each sees what those before it stored.
///
/// # Errors
/// What a rule fails with, or an event without metadata.
pub fn on_tree<R>(mut event: Value, rules: impl Iterator<Item = R>) -> anyhow::Result<Outcome>
where
    R: FnOnce(&Value) -> anyhow::Result<Answer>,
{
    let mut id_token = Map::new();
    for rule in rules {
        match rule(&event)? {
            Answer::Deny(code) => return Ok(Outcome::Deny { code }),
            Answer::Continue(changes) => {
                id_token.extend(changes.id_token);
                stored(&mut event)?.extend(changes.app_metadata);
            }
        }
    }
    let app_metadata = std::mem::take(stored(&mut event)?);
    Ok(Outcome::Allow { id_token, app_metadata })
}

fn stored(event: &mut Value) -> anyhow::Result<&mut Map<String, Value>> {
    event.pointer_mut("/user/app_metadata").and_then(Value::as_object_mut).context("the event has no app_metadata")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event, rule};

    #[test]
    fn a_host_that_starts_from_text_comes_to_the_same_as_one_with_a_tree() {
        let verified = event::of_size(4_000);
        for event in [verified.clone(), event::unverified(verified)] {
            for rules in 1..4 {
                let text = on_text(
                    &event.to_string(),
                    (0..rules).map(|_| |text: &str| rule::on_tree(Rule::Fields, &serde_json::from_str(text)?)),
                );
                let tree =
                    on_tree(event.clone(), (0..rules).map(|_| |event: &Value| rule::on_tree(Rule::Fields, event)));
                assert_eq!(text.unwrap(), tree.unwrap(), "{rules} rules");
            }
        }
    }

    #[test]
    fn a_later_rule_sees_what_an_earlier_one_stored() {
        let seen = std::cell::RefCell::new(Vec::new());
        let rule = |text: &str| {
            seen.borrow_mut().push(text.contains("last_plan"));
            rule::on_tree(Rule::Fields, &serde_json::from_str(text)?)
        };
        on_text(&event::of_size(1_000).to_string(), (0..3).map(|_| rule)).unwrap();
        assert_eq!(*seen.borrow(), [false, true, true]);
    }
}
