//! Letters: kept until they are sent, and nobody's twice at one time.

use vestibule_store::*;
use vestibule_testkit::stores::TestStore;

use crate::given::*;

super::on_both![
    a_letter_is_there_until_it_is_sent,
    one_of_64_takes_a_letter,
    a_letter_goes_with_its_addressee_and_with_time,
    letters_are_taken_in_the_order_in_which_they_were_written,
    a_letter_that_is_the_only_one_of_its_kind_replaces_an_unsent_one,
];

pub(crate) fn letter(id: &str, due: u64) -> NewLetter {
    NewLetter {
        id: id.to_owned(),
        user: "ada".into(),
        sealed: vec![7],
        only_one: None,
        at: at(due),
        due_at: at(due),
        expires_at: at(1_000),
    }
}

async fn put(store: &dyn Store, id: &str, due: u64) {
    store.put_letter(&tenant(), &letter(id, due)).await.unwrap();
}

async fn take(store: &dyn Store, now: u64, until: u64, most: u32) -> Vec<String> {
    let mut taken = store.take_letters(&tenant(), at(now), at(until), most).await.unwrap();
    taken.sort_by(|a, b| a.id.cmp(&b.id));
    assert!(taken.iter().all(|letter| letter.sealed == [7]));
    taken.into_iter().map(|letter| letter.id).collect()
}

async fn a_letter_is_there_until_it_is_sent(store: TestStore) {
    for (id, due) in [("a", 10), ("b", 20), ("c", 30)] {
        put(&*store, id, due).await;
    }
    assert_eq!(take(&*store, 9, 100, 9).await, [""; 0]);
    assert_eq!(take(&*store, 30, 100, 2).await, ["a", "b"]);
    assert_eq!(take(&*store, 99, 150, 9).await, ["c"]);
    store.remove_letter(&tenant(), "b").await.unwrap();
    let store = store.reopen().await;
    assert_eq!(take(&*store, 100, 200, 9).await, ["a"]);
    assert_eq!(store.take_letters(&"t2".into(), at(500), at(600), 9).await.unwrap(), []);
}

async fn one_of_64_takes_a_letter(store: TestStore) {
    put(&*store, "a", 10).await;
    let answers = race(|_| {
        let store = store.share();
        async move { store.take_letters(&tenant(), at(10), at(900), 9).await.unwrap() }
    })
    .await;
    assert_eq!(answers.iter().flatten().count(), 1);
}

async fn a_letter_goes_with_its_addressee_and_with_time(store: TestStore) {
    user(&*store, "ada").await;
    put(&*store, "a", 10).await;
    store.delete_user(&tenant(), &"ada".into(), at(1)).await.unwrap();
    assert_eq!(take(&*store, 10, 20, 9).await, [""; 0]);
    put(&*store, "b", 10).await;
    assert_eq!(take(&*store, 1_000, 2_000, 9).await, [""; 0], "it is of no use any more");
    assert_eq!(store.tidy(at(1_000)).await.unwrap().letters, 1);
}

async fn letters_are_taken_in_the_order_in_which_they_were_written(store: TestStore) {
    let written = ["q", "c", "z", "a", "m"];
    for (id, due) in written.into_iter().zip(10..) {
        put(&*store, id, due).await;
    }
    for now in [100, 200] {
        let taken = store.take_letters(&tenant(), at(now), at(now + 50), 9).await.unwrap();
        assert_eq!(taken.iter().map(|letter| letter.id.as_str()).collect::<Vec<_>>(), written, "at {now}");
    }
}

async fn a_letter_that_is_the_only_one_of_its_kind_replaces_an_unsent_one(store: TestStore) {
    let only = |id: &str, user: &str, kind: &str| NewLetter {
        user: user.into(),
        only_one: Some(kind.to_owned()),
        ..letter(id, 10)
    };
    put(&*store, "notice", 10).await;
    for new in [
        only("first", "ada", "reset"),
        only("other kind", "ada", "verify"),
        only("other user", "bob", "reset"),
        only("second", "ada", "reset"),
    ] {
        store.put_letter(&tenant(), &new).await.unwrap();
    }
    assert_eq!(take(&*store, 10, 20, 9).await, ["notice", "other kind", "other user", "second"]);
}
