//! What the generators found, each as a case of its own.

use vestibule_abi::codes::RefusalCode;
use vestibule_engine::inspect;

/// The code with which a module of these fields is refused.
#[track_caller]
fn refused(fields: &str) -> RefusalCode {
    let text = format!(r#"(module (memory (export "memory") 1) (func (export "run")) {fields})"#);
    inspect(&wat::parse_str(text).unwrap()).unwrap_err().code
}

/// Random modules, first seed: `inspect` accepted these and the compiler did not, so that the author was told
/// `module_malformed` of a module that is well formed.
#[test]
fn host_references_are_refused_before_anything_is_compiled() {
    for fields in [
        "(func (param externref))",
        "(func (result externref) (ref.null extern))",
        "(func (local externref))",
        "(table 1 externref)",
        "(global externref (ref.null extern))",
        "(elem externref (ref.null extern))",
    ] {
        assert_eq!(refused(fields), RefusalCode::FeatureNotAllowed, "{fields}");
    }
}
