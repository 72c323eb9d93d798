//! What every store must do, on SQLite and on PostgreSQL: each test runs on both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

mod given;

mod letters;
mod logins;
mod one_time;
mod operations;
mod rules;
mod sessions;
mod tenants;
mod users;

/// Makes two tests of each: one for each database.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(vestibule_testkit::stores::TestStore::sqlite().await).await;
            }
        )*}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(vestibule_testkit::stores::TestStore::postgres().await).await;
            }
        )*}
    };
}
use on_both;
