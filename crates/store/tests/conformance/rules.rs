//! Revisions, generations, sealed values, and how nodes hear of them.

use std::time::{Duration, Instant};

use serde_json::{Map, json};
use vestibule_store::*;
use vestibule_testkit::stores::{NOW, TestStore};

use crate::given::*;

super::on_both![
    a_revision_is_kept_once_and_as_it_was,
    a_generation_of_unknown_revisions_is_not_proposed,
    one_generation_is_active_and_every_flip_is_known,
    one_of_64_activations_wins,
    a_revoked_generation_is_not_activated,
    a_generation_is_made_ready_before_it_is_active,
    a_waiting_node_is_told_of_a_change,
    nodes_say_what_they_are_ready_for,
    a_sealed_value_has_versions,
    one_of_64_first_values_wins,
];

fn revision(name: &str) -> Revision {
    Revision {
        digest: name.into(),
        name: name.to_owned(),
        manifest: "name = \"x\"".to_owned(),
        module: vec![0, 97, 115, 109, 255],
        files: vec![("a/b.json".to_owned(), b"{}".to_vec()), ("c".to_owned(), Vec::new())],
        at: NOW,
    }
}

fn generation(revisions: &[&str]) -> NewGeneration {
    NewGeneration {
        digest: "pipeline".into(),
        rules: revisions.iter().map(|name| ((*name).to_owned(), RevisionDigest::new(*name))).collect(),
        document: object(json!({"approved": true})),
        by: "root".to_owned(),
        at: NOW,
    }
}

async fn propose(store: &TestStore, revisions: &[&str]) -> GenerationNumber {
    for name in revisions {
        store.put_revision(&tenant(), &revision(name)).await.unwrap();
    }
    match store.propose_generation(&tenant(), &generation(revisions)).await.unwrap() {
        Proposed::Generation(number) => number,
        Proposed::Missing(digest) => panic!("{digest} is missing"),
    }
}

async fn a_revision_is_kept_once_and_as_it_was(store: TestStore) {
    store.put_revision(&tenant(), &revision("r")).await.unwrap();
    store.put_revision(&tenant(), &Revision { at: at(9), ..revision("r") }).await.unwrap();
    assert_eq!(store.revision(&tenant(), &"r".into()).await.unwrap(), Some(revision("r")));
    assert_eq!(store.revision(&"t2".into(), &"r".into()).await.unwrap(), None);
}

async fn a_generation_of_unknown_revisions_is_not_proposed(store: TestStore) {
    store.put_revision(&tenant(), &revision("a")).await.unwrap();
    let answer = store.propose_generation(&tenant(), &generation(&["a", "b"])).await.unwrap();
    assert_eq!(answer, Proposed::Missing("b".into()));
    assert!(store.generations(&tenant(), 9).await.unwrap().is_empty());
}

async fn one_generation_is_active_and_every_flip_is_known(store: TestStore) {
    let (first, second) = (propose(&store, &["a"]).await, propose(&store, &["b", "a"]).await);
    assert_eq!((first, second), (GenerationNumber(1), GenerationNumber(2)));
    assert_eq!(store.active_generation(&tenant()).await.unwrap(), None);
    let activate = |number, expected, now| {
        let store = store.share();
        async move { store.activate(&tenant(), number, expected, &Act { at: at(now), ..some_act() }).await.unwrap() }
    };
    assert_eq!(activate(first, None, 1).await, Activated::Done);
    assert_eq!(activate(second, None, 2).await, Activated::Conflict(Some(first)));
    assert_eq!(activate(second, Some(first), 3).await, Activated::Done);
    let active = store.active_generation(&tenant()).await.unwrap().unwrap();
    assert_eq!((active.number, active.activated_at), (second, Some(at(3))));
    assert_eq!(active.rules.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(activate(first, Some(second), 4).await, Activated::Done); // Rollback.
    let store = store.reopen().await;
    assert_eq!(store.active_generation(&tenant()).await.unwrap().map(|active| active.number), Some(first));
    let known = store.generations(&tenant(), 9).await.unwrap();
    assert_eq!(known.iter().map(|known| known.activated_at).collect::<Vec<_>>(), [Some(at(3)), Some(at(4))]);
    assert_eq!(store.active_generation(&"t2".into()).await.unwrap(), None);
}

async fn one_of_64_activations_wins(store: TestStore) {
    let number = propose(&store, &["a"]).await;
    let answers = race(|_| {
        let store = store.share();
        async move { store.activate(&tenant(), number, None, &some_act()).await.unwrap() }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer == Activated::Done).count(), 1);
}

async fn a_revoked_generation_is_not_activated(store: TestStore) {
    let (first, second) = (propose(&store, &["a"]).await, propose(&store, &["b"]).await);
    store.activate(&tenant(), first, None, &some_act()).await.unwrap();
    assert!(!store.revoke_generation(&tenant(), first, &some_act()).await.unwrap()); // It serves.
    assert!(store.revoke_generation(&tenant(), second, &Act { at: at(1), ..some_act() }).await.unwrap());
    let answer = store.activate(&tenant(), second, Some(first), &some_act()).await.unwrap();
    assert_eq!(answer, Activated::Unavailable);
    let answer = store.activate(&tenant(), GenerationNumber(9), Some(first), &some_act()).await.unwrap();
    assert_eq!(answer, Activated::Unavailable);
    assert_eq!(store.active_generation(&tenant()).await.unwrap().map(|active| active.number), Some(first));
    let revoked = store.generation(&tenant(), second).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(1)));
}

async fn a_generation_is_made_ready_before_it_is_active(store: TestStore) {
    let number = |generation: Option<Generation>| generation.map(|generation| generation.number);
    let (first, second) = (propose(&store, &["a"]).await, propose(&store, &["b"]).await);
    assert_eq!(store.preparing(&tenant()).await.unwrap(), None);
    let seen = store.change_mark().await.unwrap();
    assert!(store.prepare(&tenant(), first).await.unwrap());
    assert_ne!(store.change_mark().await.unwrap(), seen, "nodes are told");
    assert_eq!(number(store.preparing(&tenant()).await.unwrap()), Some(first));
    assert_eq!(store.active_generation(&tenant()).await.unwrap(), None, "nothing serves it yet");
    assert!(!store.prepare(&tenant(), GenerationNumber(9)).await.unwrap());
    assert!(store.prepare(&tenant(), second).await.unwrap());
    assert_eq!(number(store.preparing(&tenant()).await.unwrap()), Some(second), "one at a time");
    store.activate(&tenant(), second, None, &some_act()).await.unwrap();
    assert_eq!(store.preparing(&tenant()).await.unwrap(), None, "it serves");
    assert!(store.revoke_generation(&tenant(), first, &some_act()).await.unwrap());
    assert!(!store.prepare(&tenant(), first).await.unwrap());
}

async fn a_waiting_node_is_told_of_a_change(store: TestStore) {
    let number = propose(&store, &["a"]).await;
    let seen = store.change_mark().await.unwrap();
    assert_eq!(store.wait_for_change(seen, Duration::from_millis(20)).await.unwrap(), seen);
    let begun = Instant::now();
    let waiting = tokio::spawn({
        let store = store.share();
        async move { store.wait_for_change(seen, Duration::from_secs(30)).await.unwrap() }
    });
    store.activate(&tenant(), number, None, &some_act()).await.unwrap();
    assert_ne!(waiting.await.unwrap(), seen);
    assert!(begun.elapsed() < Duration::from_secs(20), "told by the poll at the latest");
}

async fn nodes_say_what_they_are_ready_for(store: TestStore) {
    let node = |id: &str, milliseconds| Node {
        id: id.into(),
        ready: vec![(tenant(), GenerationNumber(3))],
        prepared: vec![(tenant(), GenerationNumber(4))],
        software: "0.1.0".to_owned(),
        at: at(milliseconds),
    };
    store.beat(&node("a", 1)).await.unwrap();
    store.beat(&node("b", 2)).await.unwrap();
    store.beat(&node("a", 3)).await.unwrap();
    assert_eq!(store.nodes(at(3)).await.unwrap(), [node("a", 3)]);
    assert_eq!(store.nodes(NOW).await.unwrap(), [node("a", 3), node("b", 2)]);
    store.leave(&"a".into()).await.unwrap();
    assert_eq!(store.nodes(NOW).await.unwrap(), [node("b", 2)]);
}

fn sealed(name: &str, value: &[u8], expected: Option<i64>) -> NewSealed {
    NewSealed {
        kind: SealedKind::Secret,
        name: name.to_owned(),
        sealed: value.to_vec(),
        note: object(json!({"for": "crm"})),
        expected,
    }
}

async fn a_sealed_value_has_versions(store: TestStore) {
    let put = |new: NewSealed| {
        let store = store.share();
        async move { store.put_sealed(&tenant(), &new, &some_act()).await.unwrap() }
    };
    assert_eq!(put(sealed("k", b"1", Some(3))).await, None);
    assert_eq!(put(sealed("k", b"1", Some(0))).await, Some(1));
    assert_eq!(put(sealed("k", b"2", Some(0))).await, None);
    assert_eq!(put(sealed("k", b"2", Some(1))).await, Some(2));
    assert_eq!(put(sealed("k", b"3", None)).await, Some(3));
    assert_eq!(put(sealed("j", b"x", None)).await, Some(1));
    let found = store.sealed(&tenant(), SealedKind::Secret, "k").await.unwrap().unwrap();
    assert_eq!((found.sealed.as_slice(), found.note.version), (b"3".as_slice(), 3));
    assert_eq!(store.sealed(&tenant(), SealedKind::SigningKey, "k").await.unwrap(), None);
    let notes = store.list_sealed(&tenant(), SealedKind::Secret).await.unwrap();
    assert_eq!(notes.iter().map(|note| note.name.as_str()).collect::<Vec<_>>(), ["j", "k"]);
    let all = store.all_sealed(&tenant(), SealedKind::Secret).await.unwrap();
    assert_eq!(all.iter().map(|all| all.note.clone()).collect::<Vec<_>>(), notes);
    assert!(store.all_sealed(&"t2".into(), SealedKind::Secret).await.unwrap().is_empty());
    assert!(store.remove_sealed(&tenant(), SealedKind::Secret, "k", &some_act()).await.unwrap());
    assert!(!store.remove_sealed(&tenant(), SealedKind::Secret, "k", &some_act()).await.unwrap());
}

async fn one_of_64_first_values_wins(store: TestStore) {
    let answers = race(|number| {
        let store = store.share();
        let new = NewSealed { note: Map::new(), ..sealed("key", &[u8::try_from(number).unwrap()], Some(0)) };
        async move { store.put_sealed(&tenant(), &new, &some_act()).await.unwrap() }
    })
    .await;
    assert_eq!(answers.iter().flatten().count(), 1);
}
