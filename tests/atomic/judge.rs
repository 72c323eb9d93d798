//! Says whether what everybody heard fits one order, and whether what is stored fits what they heard.

use std::{collections::BTreeMap, ops::AddAssign};

use serde_json::json;
use vestibule_store::{EntryKind, JournalQuery, LoginRecord, TenantId};
use vestibule_testkit::guests::TALLY;

use super::operation::{Account, Done, Heard, stored, tally};
use crate::service::Service;

/// How much there was of what.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Judged {
    /// Logins that were allowed, and metadata writes.
    pub(super) written: u64,
    /// Logins that a rule refused.
    pub(super) refused: u64,
    /// Metadata writes that came too late.
    pub(super) conflicts: u64,
    /// Logins by a code.
    pub(super) codes: u64,
}

impl AddAssign for Judged {
    fn add_assign(&mut self, other: Self) {
        self.written += other.written;
        self.refused += other.refused;
        self.conflicts += other.conflicts;
        self.codes += other.codes;
    }
}

/// Judges a history of some accounts.
pub(super) async fn judge(service: &Service, accounts: &[Account], history: Vec<Done>) -> Judged {
    let mut sum = Judged::default();
    for (position, account) in accounts.iter().enumerate() {
        let history: Vec<_> = history.iter().filter(|done| done.account == position).collect();
        sum += judge_one(service, account, &history).await;
    }
    sum
}

async fn judge_one(service: &Service, account: &Account, history: &[&Done]) -> Judged {
    let who = &account.email;
    let (mut judged, mut numbers, mut logins) = (Judged::default(), Vec::new(), BTreeMap::new());
    for Done { floor, heard, .. } in history {
        match heard {
            Heard::Login { id, number, by_code } => {
                assert!(number > floor, "{who}: a login wrote {number} after {floor} was acknowledged");
                numbers.push(*number);
                logins.insert(id.as_str(), *number);
                judged.codes += u64::from(*by_code);
            }
            Heard::Written { number } => {
                assert!(number > floor, "{who}: {number} was written after {floor} was acknowledged");
                numbers.push(*number);
            }
            Heard::Read { ours, theirs } => {
                assert_eq!(ours, theirs, "{who}: half of something was seen");
                assert!(ours >= floor, "{who}: {ours} was read after {floor} was acknowledged");
            }
            Heard::Refused => judged.refused += 1,
            Heard::Conflict => judged.conflicts += 1,
            Heard::Busy => {}
        }
    }
    numbers.sort_unstable();
    judged.written = u64::try_from(numbers.len()).unwrap();
    assert_eq!(numbers, (1..=judged.written).collect::<Vec<_>>(), "{who}: an update was lost, or done twice");
    let user = stored(service, account).await;
    let bags = (tally(user.user_metadata.as_ref()), tally(user.app_metadata.as_ref()));
    assert_eq!(bags, (judged.written, judged.written), "{who}: what is stored is not what was acknowledged");

    let records = records(service, account).await;
    let ended = |how: &str| records.iter().filter(|record| record.outcome == how).count();
    assert_eq!((ended("allow"), ended("deny") as u64), (logins.len(), judged.refused), "{who}: partial logins");
    for record in records.iter().filter(|record| record.outcome == "allow") {
        let number = record.summary["id_token"][TALLY].as_u64();
        assert_eq!(
            logins.get(record.login.as_str()).copied(),
            number,
            "{who}: {} is not as it was heard",
            record.login
        );
    }
    let counted = records.iter().filter(|record| record.summary["protocol"] != json!("oauth2-refresh-token")).count();
    assert_eq!(user.logins_count, i64::try_from(counted).unwrap(), "{who}");
    judged
}

/// All logins of somebody in the journal.
async fn records(service: &Service, account: &Account) -> Vec<LoginRecord> {
    let query = JournalQuery { user: Some(account.id.clone()), limit: u32::MAX, ..JournalQuery::default() };
    let entries = service.store.journal(&TenantId::default(), &query).await.unwrap();
    let login = |entry| match entry {
        EntryKind::Login(record) => Some(record),
        EntryKind::Event(_) => None,
        EntryKind::Redacted => panic!("redacted"),
    };
    entries.into_iter().filter_map(|entry| login(entry.what)).collect()
}
