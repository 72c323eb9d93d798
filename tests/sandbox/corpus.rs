//! The catalogue, section by section: spec `hostile-rules` §5. A failing case is named by its id.

use vestibule_testkit::hostile::{Case, Expect, Guest, answers, calls, effects, imports, running, structure};

use super::harness::check;

// 5.1 Structure, parsing and compilation.

#[test]
fn what_is_no_module_is_refused() {
    check(structure::not_modules());
}

#[test]
fn a_proposal_that_is_off_is_refused() {
    check(structure::proposals());
}

#[test]
fn odd_binary_forms_are_refused_or_harmless() {
    check(structure::binary_forms());
}

#[test]
fn a_structure_over_its_bound_is_refused() {
    check(structure::structures());
}

/// Compiles four of the largest modules there may be, for both engines: about 10 s.
#[test]
fn what_is_just_within_every_bound_runs() {
    check(structure::within_bounds());
}

#[test]
fn a_module_cut_at_any_byte_is_contained() {
    let whole = structure::small();
    check((0..whole.len()).map(|end| variant("HR-02", format!("cut at {end}"), whole[..end].to_vec())).collect());
}

/// Some of the flipped modules are modules and have to be compiled: about 20 s.
#[test]
fn a_module_with_any_byte_flipped_is_contained() {
    let whole = structure::small();
    let flipped = |at: usize, mask: u8| {
        let mut wasm = whole.clone();
        wasm[at] ^= mask;
        variant("HR-04", format!("byte {at} xor {mask:#x}"), wasm)
    };
    check((0..whole.len()).flat_map(|at| [0x01, 0x40, 0xff].map(|mask| flipped(at, mask))).collect());
}

fn variant(id: &'static str, name: String, wasm: Vec<u8>) -> Case {
    Case { id, name, guest: Guest::Module(wasm), manifest: None, expect: Expect::Contained }
}

// 5.2 Imports, exports, start.

#[test]
fn an_import_that_is_not_offered_is_refused() {
    check(imports::imports());
}

#[test]
fn exports_are_what_the_contract_says() {
    check(imports::exports());
}

#[test]
fn what_runs_before_the_first_login_is_confined() {
    check(imports::start());
}

// 5.3 CPU, stack, memory.

#[test]
fn a_rule_that_never_ends_is_ended() {
    check(running::cpu());
}

#[test]
fn a_rule_that_recurses_without_end_runs_out_of_stack() {
    check(running::stack());
}

#[test]
fn memory_and_tables_end_where_the_budget_does() {
    check(running::memory());
}

#[test]
fn every_trap_says_its_kind() {
    check(running::traps());
}

// 5.4 Pointers, lengths, handles.

#[test]
fn an_answer_from_nowhere_is_refused() {
    check(calls::answers());
}

#[test]
fn a_host_call_with_a_bad_argument_ends_the_run() {
    check(calls::arguments());
}

#[test]
fn a_storm_of_host_calls_is_cut_off() {
    check(calls::storms());
}

// 5.5 Answers.

#[test]
fn an_answer_that_is_not_json_fails() {
    check(answers::not_json());
}

#[test]
fn an_answer_outside_the_canonical_profile_fails() {
    check(answers::profile());
}

#[test]
fn a_key_that_is_a_trap_for_its_reader_is_refused() {
    check(answers::keys());
}

#[test]
fn an_answer_of_another_shape_fails() {
    check(answers::shapes());
}

// 5.6 Forbidden effects.

#[test]
fn a_reserved_claim_is_refused() {
    check(effects::claims());
}

#[test]
fn what_belongs_to_the_host_cannot_be_written() {
    check(effects::identity());
}

#[test]
fn what_was_not_declared_cannot_be_written() {
    check(effects::undeclared());
}

#[test]
fn nobody_writes_more_than_fits() {
    check(effects::amounts());
}

#[test]
fn the_browser_goes_only_where_the_manifest_says() {
    check(effects::redirects());
}
