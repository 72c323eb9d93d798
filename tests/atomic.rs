//! Logins and metadata writes on the same few accounts at one time, through the service: they are serial, and whole.
//!
//! Every login runs a rule that counts, every metadata write counts as well, and both hear which number they wrote. So the
//! numbers are the order of all writes, and a judge can say of each account:
//! - the numbers that were acknowledged are 1, 2, 3, … without a gap or a double: no update was lost;
//! - whoever began after a number was acknowledged saw it, or wrote a higher one: the order is that of real time;
//! - both bags hold the last number, and the journal has as many logins as were allowed, and refused: no login is partial;
//! - the login of every code and token is in the journal with its number: no code without a commit.

mod judge;
mod operation;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::future::join_all;
use vestibule_testkit::{
    guests,
    proof::{Dice, length, tell, tried},
    stores::TestStore,
};

use self::{
    judge::{Judged, judge},
    operation::{Account, Done, operate},
};
use crate::{
    accounts::generous,
    login::rules::denying,
    service::{Service, TestRule},
};

/// Operations on one set of accounts.
const ROUND: u64 = 1_000;
const ACCOUNTS: u64 = 4;
const WORKERS: u64 = 8;
/// The client whose logins a rule refuses after the other rule has counted.
const REFUSED: &str = "refused";

/// A service whose rules count, and refuse one client.
async fn furnished(store: TestStore) -> Service {
    let service = Service::made(store, |_| (), |accounts| accounts.limits = generous()).await;
    service.put_client(REFUSED, Some(crate::service::SECRET), |_| ()).await;
    let writes =
        ["user_metadata.tally".to_owned(), "app_metadata.tally".to_owned(), format!("id_token.{}", guests::TALLY)];
    let manifest = vestibule_testkit::deploy::manifest("tally", 1, &format!("writes = {writes:?}"));
    let TestRule(mut refusing, module, grants) = denying(2, "unauthorized", "Not with this client");
    refusing.when.clients = Some([REFUSED.to_owned()].into());
    let tally = TestRule(manifest, guests::tallying(), vestibule_engine::Grants::default());
    service.deploy(vec![tally, TestRule(refusing, module, grants)]);
    service
}

async fn prove(proof: &str, store: TestStore) {
    let ops = length("VESTIBULE_OPS", 5_000);
    let service = Arc::new(furnished(store).await);
    let (mut done, mut sum) = (0, Judged::default());
    while done < ops {
        let now = ROUND.min(ops - done);
        let first = tried() + done;
        let accounts = accounts(&service, first).await;
        let history = run(&service, &accounts, first, now).await;
        sum += judge(&service, &accounts, history).await;
        done += now;
    }
    let Judged { written, refused, conflicts, codes } = sum;
    assert!(
        written > ops / 4 && refused > ops / 50 && conflicts > ops / 500 && codes > ops / 20,
        "no contest: {sum:?}"
    );
    assert_eq!(service.store.verify().await.unwrap().damage, vec![]);
    let more =
        format!("\"written\": {written}, \"refused\": {refused}, \"conflicts\": {conflicts}, \"codes\": {codes}");
    tell(proof, ops, 0, &more);
}

/// Accounts that nobody has used.
async fn accounts(service: &Service, round: u64) -> Arc<Vec<Account>> {
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        let account = Account::new(round * ACCOUNTS + number);
        service.put_user(account.id.as_str(), &account.email).await;
        accounts.push(account);
    }
    Arc::new(accounts)
}

/// Does so many operations, several at one time.
async fn run(service: &Arc<Service>, accounts: &Arc<Vec<Account>>, seed: u64, ops: u64) -> Vec<Done> {
    let next = Arc::new(AtomicU64::new(0));
    let workers = (0..WORKERS).map(|worker| {
        let (service, accounts, next) = (Arc::clone(service), Arc::clone(accounts), Arc::clone(&next));
        tokio::spawn(async move {
            let (mut dice, mut history) = (Dice::new(seed * WORKERS + worker + 1), Vec::new());
            while next.fetch_add(1, Ordering::Relaxed) < ops {
                let account = usize::try_from(dice.below(ACCOUNTS)).unwrap();
                history.push(operate(&service, &accounts[account], account, &mut dice).await);
            }
            history
        })
    });
    join_all(workers).await.into_iter().flat_map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_and_metadata_writes_are_serial_on_sqlite() {
    prove("atomic-service-sqlite", TestStore::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_and_metadata_writes_are_serial_on_postgresql() {
    prove("atomic-service-postgresql", TestStore::postgres().await).await;
}
