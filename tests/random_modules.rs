//! Random modules: none of them crashes, stalls or bloats the host, and every refusal and failure has a code.

use std::{env, fs, process::Command};

/// Modules tried when nobody asks for more.
const IN_CI: u64 = 100_000;

/// `VESTIBULE_SMITH_MODULES` asks for another number, `VESTIBULE_SMITH_SEED` for another first seed.
fn asked(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |number| number.parse().expect("a number"))
}

#[test]
fn no_random_module_breaks_a_promise() {
    let modules = asked("VESTIBULE_SMITH_MODULES", IN_CI);
    let seeds_file = tempfile::NamedTempFile::new().unwrap();
    let mut smith = Command::new(env!("CARGO_BIN_EXE_smith"));
    smith.args(["--modules", &modules.to_string(), "--seed", &asked("VESTIBULE_SMITH_SEED", 0).to_string()]);
    smith.arg("--seeds-file").arg(seeds_file.path());
    let tally_file = tempfile::NamedTempFile::new().unwrap();
    smith.arg("--tally-file").arg(tally_file.path());
    if modules <= IN_CI {
        smith.stderr(std::process::Stdio::piped()); // Progress is for those who wait longer.
    } else {
        smith.stderr(std::process::Stdio::inherit());
    }
    let ended = smith.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    println!("{said}");
    let seeds: Vec<u64> =
        fs::read(seeds_file.path()).unwrap().as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    assert!(
        ended.status.success(),
        "{}; last tried were the seeds {seeds:?}: repeat with `smith --modules 1 --seed …`\n{said}\n{}",
        ended.status,
        String::from_utf8_lossy(&ended.stderr),
    );
    // A generator that no longer reaches the host functions would find nothing and say so to nobody.
    let tally: serde_json::Value = serde_json::from_slice(&fs::read(tally_file.path()).unwrap()).unwrap();
    let of = |class: &str| tally["classes"][class].as_object().cloned().unwrap_or_default();
    for class in ["refused", "failed", "answered"] {
        assert!(!of(class).is_empty(), "no module was {class}\n{said}");
    }
    for code in ["hostcall_bad_args", "trap"] {
        assert!(of("failed").contains_key(code), "no module failed with {code}\n{said}");
    }
    assert!(tally["host_calls"].as_u64() > Some(0), "no module called the host\n{said}");
}
