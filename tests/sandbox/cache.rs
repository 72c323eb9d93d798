//! HR-128, HR-129: compiled code from the disk is believed only if this installation wrote it for this very module.

use std::{
    fs,
    path::{Path, PathBuf},
};

use vestibule_abi::limits::Budget;
use vestibule_engine::{CompiledRule, Compiler, Grants, Profile, http::Source, inspect};
use vestibule_testkit::{
    deploy::{engine, open_cache},
    events::{self, Size},
    guests,
    oracle::alone,
};

use super::harness::{WORKER, patient, runtime};

/// The key of the installation that wrote the cache.
const KEY: u8 = 1;

#[test]
fn what_was_compiled_is_taken_from_the_cache() {
    check(|_, _| {}, KEY, true);
}

#[test]
fn code_with_a_flipped_byte_is_compiled_again() {
    for place in [0.0, 0.3, 0.7, 1.0] {
        check(
            |own, _| {
                change(own, |code| {
                    let at = ((code.len() - 1) as f64 * place) as usize;
                    code[at] ^= 1;
                })
            },
            KEY,
            false,
        );
    }
}

#[test]
fn code_that_was_cut_short_is_compiled_again() {
    for keep in [0, 1, 31, 32, 4_096] {
        check(|own, _| change(own, |code| code.truncate(keep)), KEY, false);
    }
    check(|own, _| change(own, |code| code.truncate(code.len() - 1)), KEY, false);
}

#[test]
fn code_with_a_byte_more_is_compiled_again() {
    check(|own, _| change(own, |code| code.push(0)), KEY, false);
}

#[test]
fn code_of_another_rule_under_this_rules_name_is_compiled_again() {
    check(|own, other| assert_ne!(fs::copy(other, own).expect("copied"), 0), KEY, false);
}

#[test]
fn code_of_this_rule_under_the_name_of_another_tier_is_compiled_again() {
    check(
        |own, _| {
            let name = own.to_str().expect("UTF-8").replace("optimised", "baseline");
            fs::rename(own, name).expect("renamed");
        },
        KEY,
        false,
    );
}

#[test]
fn code_of_another_installation_is_compiled_again() {
    check(|_, _| {}, KEY + 1, false);
}

#[test]
fn code_that_was_half_written_is_not_looked_at() {
    check(
        |own, _| {
            let whole = fs::read(own).expect("readable");
            fs::remove_file(own).expect("removed");
            fs::write(own.with_extension("4711.new"), &whole[..whole.len() / 2]).expect("written");
        },
        KEY,
        false,
    );
}

#[test]
fn a_folder_where_the_code_should_be_is_compiled_around() {
    check(
        |own, _| {
            fs::remove_file(own).expect("removed");
            fs::create_dir(own).expect("made");
        },
        KEY,
        false,
    );
}

/// Compiles two rules, lets somebody at the files of both, and compiles the first again under a key.
#[track_caller]
fn check(meddle: impl Fn(&Path, &Path), key: u8, from_cache: bool) {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (own, other) = (guests::empty(), guests::rule("", "unreachable"));
    let before = compiled(folder.path(), KEY, &own);
    let own_file = only_file(folder.path(), &[]);
    compiled(folder.path(), KEY, &other);
    let other_file = only_file(folder.path(), &[&own_file]);
    assert!(!before.is_from_cache(), "the cache was empty");
    meddle(&own_file, &other_file);
    let after = compiled(folder.path(), key, &own);
    assert_eq!(after.is_from_cache(), from_cache);
    let rule = engine(Profile::Fast).load(&after, Grants::default()).expect("our own code");
    let event = events::document(&events::event(Size::Small));
    let run = runtime().block_on(rule.run(&event, Budget::CEILING, Source::Denied)).expect("the engine is sound");
    assert_eq!(run.answer.expect("the right rule ran"), br#"{"continue":{}}"#);
}

fn compiled(folder: &Path, key: u8, wasm: &[u8]) -> CompiledRule {
    let compiler = Compiler::with_worker(WORKER, Some(open_cache(folder, key))).limits(patient());
    let inspected = inspect(wasm).expect("a rule");
    runtime().block_on(compiler.compile(engine(Profile::Fast), &inspected)).expect("compiled")
}

fn only_file(folder: &Path, known: &[&PathBuf]) -> PathBuf {
    let mut files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    files.find(|file| !known.contains(&file)).expect("an artifact")
}

fn change(file: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut code = fs::read(file).expect("readable");
    change(&mut code);
    fs::write(file, code).expect("writable");
}
