//! What the source of a JavaScript rule says against its manifest: advice, since a source only proposes.

use std::collections::BTreeSet;

use vestibule_engine::JavaScriptUpload;
use vestibule_javascript_analysis::{Program, analyse};
use vestibule_pipeline::{
    Manifest,
    manifest::{Origin, WriteGrant},
};

use crate::{import::IN_VAIN, reads};

/// What its author may have overlooked; nothing for a rule in another language.
pub(super) fn advice(upload: &[u8], manifest: &Manifest) -> Vec<String> {
    let Some(program) = program(upload) else { return Vec::new() };
    let capabilities = &manifest.capabilities;
    let is_granted = |origin: &str| origin.parse::<Origin>().is_ok_and(|origin| capabilities.http.contains(&origin));
    let hosts = program.origins.iter().filter(|origin| !is_granted(origin.as_str()));
    let hosts = hosts.map(|origin| format!("its source names {origin}, which `http` does not grant"));
    let keys = program.configuration.iter().filter(|key| !capabilities.configuration.contains(*key));
    let keys =
        keys.map(|key| format!("it reads configuration.{key}, which `configuration` does not name: undefined there"));
    let is_named =
        |write: &str| write.parse::<WriteGrant>().is_ok_and(|write| manifest.writes.grants().contains(&write));
    let names = program.sets_by_name.iter().filter(|write| !is_named(write.as_str()));
    let names = names.map(|write| match write.starts_with("user.") {
        true => format!("it sets {write}, which says who the user is: no later rule sees it unless `writes` names it"),
        false => format!("it sets {write}, which says who the user is: `writes` has to name it"),
    });
    let stored = program.sets.iter().filter(|_| !program.code.contains("Metadata(")).filter_map(|path| {
        let bag =
            ["user_metadata", "app_metadata"].into_iter().find(|bag| path.starts_with(&format!("user.{bag}.")))?;
        let method = if bag == "app_metadata" { "updateAppMetadata" } else { "updateUserMetadata" };
        Some(format!("it sets {path} in memory, which later rules see: `auth0.users.{method}` would store it"))
    });
    let reads = reads::unnamed(&program, manifest);
    let reads =
        reads.into_iter().map(|path| format!("its source reads {path}, which `reads` does not name: missing there"));
    program
        .warnings
        .iter()
        .map(ToString::to_string)
        .chain(hosts)
        .chain(keys)
        .chain(names)
        .chain(in_vain(&program))
        .chain(stored)
        .chain(reads)
        .collect()
}

/// What may surprise the author of a source that has no manifest.
pub(super) fn by_itself(upload: &[u8]) -> Vec<String> {
    let Some(program) = program(upload) else { return Vec::new() };
    program.warnings.iter().map(ToString::to_string).chain(in_vain(&program)).collect()
}

fn in_vain(program: &Program) -> impl Iterator<Item = String> {
    program.hosts.iter().map(|path| format!("it sets {path}, which is the host's: {IN_VAIN}"))
}

/// The origins that its source names.
pub(super) fn origins(upload: &[u8]) -> BTreeSet<String> {
    program(upload).map(|program| program.origins).unwrap_or_default()
}

fn program(upload: &[u8]) -> Option<Program> {
    let upload = serde_json::from_slice::<JavaScriptUpload>(upload).ok()?;
    analyse(&upload.file, &upload.source, vestibule_javascript::table()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "function (user, context, callback) {\n  context.idToken.email = 'x'; context.stats.n = 1;\n  helper();\n  \
                        require('request').get('https://api.example.com/', { k: configuration.KEY }, callback);\n}";

    #[track_caller]
    fn check(manifest: &str, expected: &[&str]) {
        let manifest = format!("name = \"r\"\nlanguage = \"javascript\"\nsource = \"rule.js\"\norder = 1\n{manifest}");
        let manifest = Manifest::parse(&manifest).unwrap();
        assert_eq!(advice(&JavaScriptUpload::rule(RULE).to_bytes(), &manifest), expected);
    }

    #[test]
    fn what_a_source_names_and_its_manifest_does_not_is_advised() {
        let helper =
            "rule.js:3:3: `helper` is declared nowhere; it is there only if an earlier rule set `global.helper`";
        check(
            "",
            &[
                helper,
                "its source names https://api.example.com, which `http` does not grant",
                "it reads configuration.KEY, which `configuration` does not name: undefined there",
                "it sets id_token.email, which says who the user is: `writes` has to name it",
                "it sets context.stats.n, which is the host's: it is dropped, and no later rule sees it; hand it on in `global`, or under a name of your own in `context`",
            ],
        );
        check(
            "writes = [\"id_token.email\"]\n[capabilities]\nhttp = [\"https://api.example.com\"]\nconfiguration = [\"KEY\"]",
            &[
                helper,
                "it sets context.stats.n, which is the host's: it is dropped, and no later rule sees it; hand it on in `global`, or under a name of your own in `context`",
            ],
        );
    }

    #[test]
    fn a_source_without_a_manifest_is_told_what_its_text_shows() {
        let source = "function (user, context, callback) {\n  context.sso.with_auth0 = new Intl.NumberFormat();\n}";
        let in_vain = format!("it sets context.sso.with_auth0, which is the host's: {IN_VAIN}");
        let intl =
            "rule.js:2:32: `Intl` is not there in a rule: format dates with `moment-timezone`, numbers with `toFixed`";
        assert_eq!(by_itself(&JavaScriptUpload::rule(source).to_bytes()), [intl, in_vain.as_str()]);
    }

    #[test]
    fn a_module_has_no_source_to_advise_on() {
        assert!(advice(b"\0asm", &Manifest::permissive("r")).is_empty() && by_itself(b"\0asm").is_empty());
    }
}
