//! The journal and its chains.
//!
//! What an entry tells is digested; the digest, the sequence number and the link before are digested to its link. So an
//! entry that was altered does not have its digest, one that is missing or was put elsewhere does not have its link, and
//! what a redacted entry told can be gone without a trace.

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::{
    Sql, Tx,
    backend::Link,
    value::{FromRow, Row, Value, args, digest_of, json},
};
use crate::{
    Act, Damage, Entry, EntryKind, Event, Issued, Journal, JournalQuery, LoginCommit, LoginRecord, Result, TenantId,
    Timestamp, UserId, Verification,
};

/// The columns of a login's record, in the order in which one is read.
macro_rules! login_columns {
    () => {
        "login, leg, user_id, client, generation, at, outcome, summary, replay, session, code, refresh, parked"
    };
}
pub(super) use login_columns;

/// What is digested, in this order.
macro_rules! told_columns {
    () => {
        "tenant, at, kind, login, leg, counted, user_id, client, author, generation, outcome, summary, replay, session, \
         code, refresh, parked"
    };
}

/// The kind of a login's entry; events have kinds of their own.
const LOGIN: &str = "login";

/// How many entries are read at once.
const PAGE: i64 = 500;

#[async_trait]
impl Journal for Sql {
    async fn record(&self, tenant: &TenantId, event: &Event) -> Result<()> {
        let mut tx = self.begin().await?;
        self.append_event(&mut tx, tenant, event).await?;
        tx.commit().await
    }

    async fn journal(&self, tenant: &TenantId, query: &JournalQuery) -> Result<Vec<Entry>> {
        let select = concat!(
            "SELECT chain, sequence, kind, redacted, author, ",
            login_columns!(),
            " FROM journal WHERE tenant = $1 AND ($2 = '' OR user_id = $2) AND ($3 = '' OR login = $3) AND at < $4 \
             ORDER BY at DESC, chain, sequence DESC LIMIT $5"
        );
        let user = query.user.as_ref().map_or("", |user| user.as_str());
        let login = query.login.as_ref().map_or("", |login| login.as_str());
        let before = query.before.unwrap_or(Timestamp(i64::MAX));
        self.all(select, args![tenant, user, login, before, query.limit]).await
    }

    async fn forget(&self, tenant: &TenantId, before: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let update = concat!(redact!(), " WHERE tenant = $1 AND at < $2 AND NOT redacted");
        let forgotten = tx.write(update, args![tenant, before]).await?;
        for (chain, base) in tx.all::<(String, i64)>("SELECT chain, base_sequence FROM chains", args![]).await? {
            shorten(&mut tx, &chain, base, before).await?;
        }
        tx.commit().await?;
        Ok(forgotten)
    }

    async fn redact_user(&self, tenant: &TenantId, user: &UserId) -> Result<u64> {
        let mut tx = self.begin().await?;
        let redacted = redact_user(&mut tx, tenant, user).await?;
        tx.commit().await?;
        Ok(redacted)
    }
}

/// Drops what entries tell. Login and leg stay: they name no person, and make a commit idempotent.
macro_rules! redact {
    () => {
        "UPDATE journal SET redacted = (1 = 1), user_id = NULL, client = NULL, author = NULL, generation = NULL, \
         summary = NULL, replay = NULL, session = NULL, code = NULL, refresh = NULL, parked = NULL"
    };
}
use redact;

/// Drops what a person's entries tell; how many.
pub(super) async fn redact_user(tx: &mut Tx, tenant: &TenantId, user: &UserId) -> Result<u64> {
    let update = concat!(redact!(), " WHERE tenant = $1 AND user_id = $2");
    tx.write(update, args![tenant, user]).await
}

/// Drops the beginning of a chain: entries older than that which tell nothing any more. Its base moves up.
async fn shorten(tx: &mut Tx, chain: &str, base: i64, before: Timestamp) -> Result<()> {
    let select = "SELECT sequence, link FROM journal WHERE chain = $1 AND sequence < COALESCE(\
                  (SELECT min(sequence) FROM journal WHERE chain = $1 AND NOT (redacted AND at < $2)), \
                  (SELECT max(sequence) FROM journal WHERE chain = $1)) ORDER BY sequence DESC LIMIT 1";
    let Some((sequence, link)) = tx.first::<(i64, [u8; 32])>(select, args![chain, before]).await? else {
        return Ok(());
    };
    if sequence > base {
        tx.write("DELETE FROM journal WHERE chain = $1 AND sequence <= $2", args![chain, sequence]).await?;
        let update = "UPDATE chains SET base_sequence = $2, base_link = $3 WHERE chain = $1";
        tx.write(update, args![chain, sequence, link]).await?;
    }
    Ok(())
}

/// What an entry tells, column by column.
pub(super) struct Record {
    told: Vec<Value>,
}

impl Record {
    /// A leg of a login.
    pub(super) fn of_login(tenant: &TenantId, commit: &LoginCommit, counted: bool, issued: &Issued) -> Result<Self> {
        let told = args![
            tenant,
            commit.at,
            LOGIN,
            &commit.login,
            commit.leg,
            counted,
            &commit.user,
            &commit.client,
            None::<&str>,
            commit.generation,
            commit.entry.outcome.as_str(),
            json(&commit.entry.summary)?,
            commit.entry.replay.as_deref(),
            issued.session.as_ref(),
            issued.code.as_ref(),
            issued.refresh.as_ref(),
            issued.parked.as_ref(),
        ];
        Ok(Self { told })
    }

    /// Something else.
    fn of_event(tenant: &TenantId, event: &Event) -> Result<Self> {
        let none = None::<&[u8]>;
        let told = args![
            tenant,
            event.at,
            event.kind.as_str(),
            None::<&str>,
            None::<i64>,
            false,
            event.user.as_ref(),
            None::<&str>,
            event.by.as_str(),
            None::<i64>,
            None::<&str>,
            json(&event.summary)?,
            none,
            none,
            none,
            none,
            none,
        ];
        Ok(Self { told })
    }
}

/// Makes a chain if there is none of that name.
pub(super) async fn begin_chain(tx: &mut Tx, chain: &str) -> Result<()> {
    let base: [u8; 32] = Sha256::digest(chain).into();
    let select = "SELECT sequence FROM chains WHERE chain = $1";
    if tx.first::<(i64,)>(select, args![chain]).await?.is_none() {
        let insert = "INSERT INTO chains (chain, base_sequence, base_link, checked_sequence, checked_link, sequence, \
                      link) VALUES ($1, 0, $2, 0, $2, 0, $2) ON CONFLICT DO NOTHING";
        tx.write(insert, args![chain, base]).await?;
    }
    Ok(())
}

fn link_after(link: &[u8; 32], sequence: i64, digest: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(link).chain_update(sequence.to_be_bytes()).chain_update(digest).finalize().into()
}

impl Sql {
    /// Writes down what an operator does by this transaction: the last thing in it, because it holds a chain.
    pub(super) async fn append_act(&self, tx: &mut Tx, tenant: &TenantId, act: &Act) -> Result<()> {
        self.append_event(tx, tenant, &act.event()?).await
    }

    /// Writes down what happens by this transaction: the last thing in it, because it holds a chain.
    pub(super) async fn append_event(&self, tx: &mut Tx, tenant: &TenantId, event: &Event) -> Result<()> {
        self.append(tx, &Record::of_event(tenant, event)?).await
    }

    /// Writes an entry at the end of a chain of this node, which the transaction holds from here on.
    pub(super) async fn append(&self, tx: &mut Tx, record: &Record) -> Result<()> {
        let (chain, lane) = self.lane().await;
        tx.lane = Some(lane);
        let head = tx.lock("SELECT sequence, link FROM chains WHERE chain = $1", args![chain]).await?;
        let (sequence, link): (i64, [u8; 32]) =
            head.ok_or_else(|| Damage::Journal { chain: chain.to_owned(), sequence: 0 })?;
        let sequence = sequence + 1;
        let digest = digest_of(&record.told);
        let link = link_after(&link, sequence, &digest);
        let insert = concat!(
            "INSERT INTO journal (chain, sequence, digest, link, redacted, ",
            told_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
             $22)"
        );
        let mut args = args![chain, sequence, digest, link, false];
        args.extend(record.told.iter().cloned());
        tx.write(insert, args).await?;
        tx.write("UPDATE chains SET sequence = $2, link = $3 WHERE chain = $1", args![chain, sequence, link]).await?;
        tx.inner.linked(&Link { chain: chain.to_owned(), sequence, link });
        Ok(())
    }

    /// Checks what was written since the last check, and remembers how far that goes.
    pub(super) async fn check_tail(&self) -> Result<Option<Damage>> {
        let mut report = Verification::default();
        for lane in &self.lanes {
            let mut snapshot = self.snapshot().await?;
            let select = "SELECT checked_sequence, checked_link, sequence, link FROM chains WHERE chain = $1";
            let Some(ends) = snapshot.first::<Ends>(select, args![lane.chain.as_str()]).await? else {
                continue;
            };
            check_chain(&mut snapshot, &lane.chain, &ends, &mut report).await?;
            drop(snapshot);
            if report.damage.is_empty() && ends.to > ends.from {
                let update = "UPDATE chains SET checked_sequence = $2, checked_link = $3 WHERE chain = $1";
                self.write(update, args![lane.chain.as_str(), ends.to, ends.to_link]).await?;
            }
        }
        Ok(report.damage.into_iter().next())
    }

    /// Checks all chains from their bases.
    pub(super) async fn check_journal(&self, report: &mut Verification) -> Result<()> {
        let mut snapshot = self.snapshot().await?;
        let chains = snapshot.all::<(String,)>("SELECT chain FROM chains ORDER BY chain", args![]).await?;
        for (chain,) in chains {
            let select = "SELECT base_sequence, base_link, sequence, link FROM chains WHERE chain = $1";
            if let Some(ends) = snapshot.first::<Ends>(select, args![chain.as_str()]).await? {
                check_chain(&mut snapshot, &chain, &ends, report).await?;
            }
        }
        Ok(())
    }
}

/// A piece of a chain: after `from` and up to `to`.
struct Ends {
    from: i64,
    from_link: [u8; 32],
    to: i64,
    to_link: [u8; 32],
}

/// Follows a chain and reports the first entry that does not follow.
async fn check_chain(snapshot: &mut Tx, chain: &str, ends: &Ends, report: &mut Verification) -> Result<()> {
    let select = concat!(
        "SELECT sequence, digest, link, redacted, ",
        told_columns!(),
        " FROM journal WHERE chain = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"
    );
    let (mut sequence, mut link) = (ends.from, ends.from_link);
    let damage = |sequence| Damage::Journal { chain: chain.to_owned(), sequence };
    loop {
        let page = snapshot.all::<Linked>(select, args![chain, sequence, PAGE]).await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            sequence += 1;
            link = link_after(&link, sequence, &entry.digest);
            report.entries += 1;
            if entry.sequence != sequence || entry.link != link || !entry.is_itself() {
                report.damage.push(damage(sequence));
                return Ok(());
            }
        }
    }
    if (sequence, link) != (ends.to, ends.to_link) {
        report.damage.push(damage(sequence.min(ends.to) + 1));
    }
    Ok(())
}

/// An entry as a link of its chain.
struct Linked {
    sequence: i64,
    digest: [u8; 32],
    link: [u8; 32],
    redacted: bool,
    told: Vec<Value>,
}

impl Linked {
    /// Whether it tells what was digested, or nothing any more.
    fn is_itself(&self) -> bool {
        self.redacted || digest_of(&self.told) == self.digest
    }
}

impl FromRow for Ends {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { from: row.next()?, from_link: row.next()?, to: row.next()?, to_link: row.next()? })
    }
}

impl FromRow for Linked {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            sequence: row.next()?,
            digest: row.next()?,
            link: row.next()?,
            redacted: row.next()?,
            told: row.rest(),
        })
    }
}

impl FromRow for LoginRecord {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            login: row.next()?,
            leg: row.next()?,
            user: row.next()?,
            client: row.next()?,
            generation: row.next()?,
            at: row.next()?,
            outcome: row.next()?,
            summary: row.json_or_none()?.unwrap_or_default(),
            replay: row.next()?,
            issued: Issued { session: row.next()?, code: row.next()?, refresh: row.next()?, parked: row.next()? },
        })
    }
}

impl FromRow for Entry {
    fn from_row(row: &mut Row) -> Result<Self> {
        let (chain, sequence) = (row.next()?, row.next()?);
        let (kind, redacted, author): (String, bool, Option<String>) = (row.next()?, row.next()?, row.next()?);
        let what = if redacted {
            EntryKind::Redacted
        } else if kind == LOGIN {
            EntryKind::Login(LoginRecord::from_row(row)?)
        } else {
            EntryKind::Event(event(kind, author.unwrap_or_default(), row)?)
        };
        Ok(Self { chain, sequence, what })
    }
}

/// Reads what of a login's columns an event has.
fn event(kind: String, by: String, row: &mut Row) -> Result<Event> {
    let (_, _, user): (Option<String>, Option<i64>, Option<UserId>) = (row.next()?, row.next()?, row.next()?);
    let (_, _, at, _): (Option<String>, Option<i64>, Timestamp, Option<String>) =
        (row.next()?, row.next()?, row.next()?, row.next()?);
    Ok(Event { kind, user, by, summary: row.json_or_none()?.unwrap_or_default(), at })
}
