//! `new`, `schema`, `doctor` and `completions`. Whether a scaffold builds is tested by `cargo xtask test`, which has the
//! toolchains set up; here it is what a person gets on disk.

use crate::folder::Folder;

#[test]
fn a_new_rule_has_all_its_files_and_an_acceptable_manifest() {
    for (language, source) in [("rust", "src/lib.rs"), ("assemblyscript", "assembly/index.ts")] {
        let folder = Folder::new();
        folder.run(&["new", "plan-claim", "--lang", language]).with_code(0);
        for file in ["rule.toml", "README.md", "cases/verified.json", "events/sample.json", ".gitignore", source] {
            let text = std::fs::read_to_string(folder.path().join("plan-claim").join(file)).unwrap();
            assert!(!text.contains("{{"), "a placeholder is left in {file}: {text}");
        }
        // The manifest is accepted: what is missing is the module.
        let told = folder.run(&["run", "--rule", "plan-claim", "--event", "event.json", "--json"]).with_code(3).json();
        assert!(told["error"]["message"].as_str().unwrap().contains("target/rule.wasm"), "{told}");
    }
}

#[test]
fn a_new_rule_never_overwrites_and_needs_a_name_that_every_tool_accepts() {
    let folder = Folder::new();
    folder.write("taken/file", "mine");
    let told = folder.run(&["new", "taken", "--json"]).with_code(3).json();
    assert_eq!(told["error"]["code"], "already_there");
    for name in ["Plan", "1plan", "plan_claim", "plan claim", "-plan", ".."] {
        let told = folder.run(&["new", "--json", "--", name]).with_code(3).json();
        assert_eq!(told["error"]["code"], "option_invalid", "{name}");
    }
}

#[test]
fn the_sdk_can_be_chosen() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("my-sdk")).unwrap();
    folder.run(&["new", "plan", "--sdk", "my-sdk"]).with_code(0);
    let cargo_toml = std::fs::read_to_string(folder.path().join("plan/Cargo.toml")).unwrap();
    assert!(cargo_toml.contains("/my-sdk\" }"), "{cargo_toml}");
    let told = folder.run(&["new", "other", "--sdk", "nowhere", "--json"]).with_code(3).json();
    assert_eq!(told["error"]["code"], "file_missing");
}

#[test]
fn schemas_are_json_schemas() {
    let folder = Folder::new();
    for file in ["rule", "pipeline", "case", "recording"] {
        let schema = folder.run(&["schema", file]).with_code(0).json();
        assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"), "{file}");
    }
}

#[test]
fn completions_know_the_verbs() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = folder.run(&["completions", shell]).with_code(0).stdout;
        assert!(script.contains("doctor") && script.contains("http-recording"), "{shell}");
    }
}

#[test]
fn the_doctor_names_every_language_and_its_code_says_whether_all_can_be_built() {
    let folder = Folder::new();
    let told = folder.run(&["doctor", "--json"]);
    let checks = told.json()["checks"].as_array().unwrap().clone();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["vestibule", "cargo", "Rust rules", "AssemblyScript rules", "JavaScript rules"]);
    let all_found = checks.iter().all(|check| check["found"] == true);
    assert_eq!(told.code, if all_found { 0 } else { 6 });
}

#[test]
fn help_lists_the_exit_codes() {
    let folder = Folder::new();
    let told = folder.run(&["--help"]).with_code(0).stdout;
    for code in 0..=6 {
        assert!(told.contains(&format!("\n  {code}  ")), "{code} is not in:\n{told}");
    }
}
