//! Flipped bits and cut files: noticed when the store is opened or verified, or harmless, never silent.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use vestibule_store::*;
use vestibule_testkit::{
    proof::{Dice, length, tell},
    stores::{NOW, open},
};

use crate::work::{counting, ensure_user, log_in, object, tenant};

const LOGINS: usize = 120;

/// A database whose process was killed: some of it in the file, some in the log.
struct Scene {
    folder: tempfile::TempDir,
    /// An older state of the same database.
    older: PathBuf,
    content: Vec<String>,
}

const FILES: [&str; 3] = ["vestibule.db", "vestibule.db-wal", "vestibule.db-witness"];

impl Scene {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let living = folder.path().join("living");
        fs::create_dir(&living).unwrap();
        let store = open(living.join(FILES[0]).to_str().unwrap()).await.unwrap();
        for id in ["ada", "bob"] {
            ensure_user(&*store, id).await;
        }
        let older = folder.path().join("older");
        for number in 0..LOGINS {
            if number == LOGINS / 2 {
                copy(&living, &older);
            }
            log_in(&*store, ["ada", "bob"][number % 2], &format!("login-{number}")).await.unwrap();
        }
        let dead = folder.path().join("dead");
        copy(&living, &dead);
        let content = content(&*store).await.unwrap();
        store.close().await;
        Self { folder, older, content }
    }

    /// A copy to be damaged. Each has a folder of its own: what lets go of one late does not touch another.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.folder.path().join(name);
        copy(&self.folder.path().join("dead"), &to);
        to
    }

    /// What became of the damage. It panics if it is silent.
    async fn judge(&self, damaged: &Path, what: &str) -> Fate {
        let store = match open(damaged.join(FILES[0]).to_str().unwrap()).await {
            Ok(store) => store,
            Err(error) => return Fate::Noticed(error.to_string()),
        };
        let fate = match store.damage() {
            Some(damage) => {
                // Reading goes on as far as it can; writing does not.
                let refused = store.commit_login(&tenant(), &counting(&someone(), "late")).await;
                assert!(matches!(refused, Err(CommitError::Store(_))), "{what}: {refused:?}");
                Fate::Noticed(damage.to_string())
            }
            None => match store.verify().await {
                Err(error) => Fate::Noticed(error.to_string()),
                Ok(report) if !report.damage.is_empty() => Fate::Noticed(format!("{:?}", report.damage)),
                Ok(_) => match content(&*store).await {
                    Err(error) => Fate::Noticed(error.to_string()),
                    Ok(content) => {
                        assert_eq!(content, self.content, "{what}: silently lost");
                        Fate::Harmless
                    }
                },
            },
        };
        store.close().await;
        fate
    }
}

#[derive(Debug, PartialEq)]
enum Fate {
    Noticed(String),
    Harmless,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in FILES {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

fn someone() -> User {
    User {
        tenant: tenant(),
        id: "ada".into(),
        version: Version(1),
        connection: "db".into(),
        email: None,
        email_verified: false,
        username: None,
        profile: object(json!({})),
        user_metadata: None,
        app_metadata: None,
        identities: Vec::new(),
        blocked: false,
        logins_count: 0,
        last_login: None,
        last_ip: None,
        last_password_reset: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// All that a reader can see.
async fn content(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let mut content = Vec::new();
    for user in store.users(&tenant(), None, 100).await? {
        content.push(format!("{:?}", store.provenance(&tenant(), &user.id).await?));
        content.push(format!("{:?}", store.sessions_of(&tenant(), &user.id, NOW).await?));
        content.push(format!("{user:?}"));
    }
    let query = JournalQuery { limit: 10_000, ..JournalQuery::default() };
    content.extend(store.journal(&tenant(), &query).await?.iter().map(|entry| format!("{entry:?}")));
    content.push(format!("{:?} {:?}", store.tenants().await?, store.not_before().await?));
    Ok(content)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_or_a_cut_file_is_noticed_or_harmless() {
    let scene = Scene::set().await;
    assert_eq!(scene.judge(&scene.copy("untouched"), "untouched").await, Fate::Harmless);
    let trials = length("VESTIBULE_FLIPS", 400);
    let (mut noticed, mut harmless) = (0, 0);
    for trial in 0..trials {
        let damaged = scene.copy(&format!("trial-{trial}"));
        let mut dice = Dice::new(trial + 1);
        let file = FILES[usize::try_from(dice.below(3)).unwrap()];
        let mut bytes = fs::read(damaged.join(file)).unwrap();
        let place = usize::try_from(dice.below(bytes.len() as u64)).unwrap();
        let what = if trial % 8 == 0 {
            bytes.truncate(place);
            format!("{file} cut at {place}")
        } else {
            bytes[place] ^= 1 << dice.below(8);
            format!("{file} flipped at {place}")
        };
        fs::write(damaged.join(file), bytes).unwrap();
        match scene.judge(&damaged, &what).await {
            Fate::Noticed(_) => noticed += 1,
            Fate::Harmless => harmless += 1,
        }
        fs::remove_dir_all(&damaged).unwrap();
    }
    // Pages hold much that nothing rests on; were nothing noticed, nothing would have been tried.
    assert!(noticed > trials / 4, "only {noticed} of {trials} were noticed");
    tell("damage-sqlite", trials, 0, &format!("\"noticed\": {noticed}, \"harmless\": {harmless}"));
}

/// HR-125: each is told for what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_and_replaced_files_are_named() {
    let scene = Scene::set().await;
    let cases: [(&str, &[&str], &[&str]); 5] = [
        ("rollback detected", &["vestibule.db-wal"], &[]),
        ("rollback detected", &["vestibule.db", "vestibule.db-wal"], &[]),
        ("the witness file is missing", &["vestibule.db-witness"], &[]),
        ("rollback detected", &[], &["vestibule.db", "vestibule.db-wal"]),
        ("ends at commit", &["vestibule.db-wal"], &["vestibule.db"]),
    ];
    for (number, (told, removed, replaced)) in cases.into_iter().enumerate() {
        let damaged = scene.copy(&format!("case-{number}"));
        for file in removed {
            fs::remove_file(damaged.join(file)).unwrap();
        }
        for file in replaced {
            fs::copy(scene.older.join(file), damaged.join(file)).unwrap();
        }
        let fate = scene.judge(&damaged, told).await;
        assert!(matches!(&fate, Fate::Noticed(text) if text.contains(told)), "case {number}: {fate:?}");
    }
}

/// A store that has its witness open would not miss the file before the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_vanishes_from_a_living_store_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (database, witness) = (folder.path().join(FILES[0]), folder.path().join(FILES[2]));
    let store = open(database.to_str().unwrap()).await.unwrap();
    ensure_user(&*store, "ada").await;
    let older = fs::read(&witness).unwrap();
    log_in(&*store, "ada", "login").await.unwrap();
    assert_eq!(store.verify().await.unwrap().damage, vec![]);
    fs::remove_file(&witness).unwrap();
    let missing = store.verify().await.unwrap().damage;
    assert!(matches!(missing[..], [Damage::WitnessMissing { .. }]), "{missing:?}");
    fs::write(&witness, older).unwrap();
    let cut = store.verify().await.unwrap().damage;
    assert!(matches!(cut[..], [Damage::WitnessLost { .. }]), "{cut:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_can_go_on_with_what_is_left() {
    let scene = Scene::set().await;
    let damaged = scene.copy("accepted");
    for file in &FILES[..2] {
        fs::copy(scene.older.join(file), damaged.join(file)).unwrap();
    }
    let address = damaged.join(FILES[0]).to_str().unwrap().to_owned();
    let store = open(&address).await.unwrap();
    assert!(matches!(store.damage(), Some(Damage::RolledBack { .. })));
    store.accept_damage(NOW).await.unwrap();
    log_in(&*store, "ada", "after").await.unwrap();
    assert_eq!(store.verify().await.unwrap().damage, vec![]);
    store.close().await;
    let store = open(&address).await.unwrap();
    assert_eq!(store.damage(), None);
    assert!(store.login(&tenant(), &"after".into()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("vestibule.db").to_str().unwrap().to_owned();
    let store = open(&address).await.unwrap();
    let second = open(&address).await;
    assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    store.close().await;
    open(&address).await.unwrap();
}
