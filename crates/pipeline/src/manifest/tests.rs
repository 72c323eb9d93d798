//! `rule.toml` and `pipeline.toml`: what is accepted, and what each mistake says.

use std::time::Duration;

use vestibule_abi::limits::Budget;

use super::{FailurePolicy, Manifest, PipelineFile, RedirectTarget, WriteGrant, pipeline_schema, rule_schema};
use crate::pipeline::{Digest, Pipeline, Rule};

const HEAD: &str = "name = \"rule\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = 1\n";

/// The last line of what a mistake after [`HEAD`] says.
#[track_caller]
fn check(more: &str, expect: &str) {
    let error = Manifest::parse(&format!("{HEAD}{more}")).expect_err(more).to_string();
    assert_eq!(error.trim_end().lines().last().unwrap_or_default(), expect, "{more}");
}

#[test]
fn the_example_of_the_design_is_a_rule() {
    let manifest = Manifest::parse(
        r#"
name = "plan-claim"
language = "rust"
module = "target/rule.wasm"
order = 20
on_failure = "deny"
reads = ["user.email_verified", "user.app_metadata", 'context."https://example.com/x".y']
writes = ["app_metadata.plan", "id_token.https://example.com/plan", "deny"]
[when]
clients = ["shop"]
connections = ["Username-Password-Authentication"]
protocols = ["oidc-basic-profile"]
[capabilities]
http = ["https://api.example.com"]
secrets = { CRM_TOKEN = "https://api.example.com" }
configuration = ["CRM_REGION"]
redirect = ["https://forms.example.com"]
files = false
[limits]
fuel = 20_000_000
memory = "16MiB"
wall = "250ms"
"#,
    )
    .unwrap();
    assert_eq!(manifest.name.as_str(), "plan-claim");
    assert_eq!(manifest.reads.as_ref().unwrap()[2].segments(), ["context", "https://example.com/x", "y"]);
    assert_eq!(manifest.reads.as_ref().unwrap()[2].to_string(), r#"context."https://example.com/x".y"#);
    assert_eq!(manifest.capabilities.secrets["CRM_TOKEN"].as_str(), "https://api.example.com");
    let budget = manifest.budget(&Budget::CEILING).unwrap();
    assert_eq!((budget.fuel, budget.wall), (20_000_000, Duration::from_millis(250)));
    assert_eq!(budget.answer_bytes, Budget::STANDARD.answer_bytes);
}

#[test]
fn origins_and_secrets_are_bounded() {
    let origins = |count: usize| {
        let origins: Vec<String> = (0..count).map(|number| format!("\"https://{number}.example\"")).collect();
        format!("[capabilities]\nhttp = [{}]", origins.join(", "))
    };
    assert!(Manifest::parse(&format!("{HEAD}{}", origins(16))).is_ok());
    check(
        &origins(17),
        "`capabilities.http`: has 17 entries, at most 16 are allowed; divide the rule, or let it ask one service of yours",
    );
    let secrets: Vec<String> = (0..17).map(|number| format!("S{number} = \"https://0.example\"")).collect();
    check(
        &format!("{}\nsecrets = {{ {} }}", origins(1), secrets.join(", ")),
        "`capabilities.secrets`: has 17 entries, at most 16 are allowed; divide the rule, or let it ask one service of yours",
    );
}

#[test]
fn every_mistake_names_the_key_and_the_next_step() {
    for (more, expect) in [
        (
            "wirtes = []",
            "unknown field `wirtes`, expected one of `name`, `language`, `module`, `source`, `order`, `on_failure`, `reads`, `writes`, `reserved_claims`, `when`, `capabilities`, `limits`",
        ),
        ("[when]\nclient = []", "unknown field `client`, expected one of `clients`, `connections`, `protocols`"),
        ("source = \"rule.js\"", "`module`: stands beside `source`; remove one of them"),
        ("on_failure = \"ignore\"", "unknown variant `ignore`, expected `deny` or `skip`"),
        (
            "writes = [\"plan\"]",
            "`writes`: `plan` is nothing that a rule can write; write `user_metadata.KEY`, `app_metadata.KEY`, `id_token.CLAIM`, `access_token.CLAIM`, `user.KEY`, `context.KEY`, `shared.KEY` (a final `*` stands for all that begin so), `scope`, `redirect`, `second_factor` or `deny`",
        ),
        ("writes = [\"app_metadata.\"]", "`writes`: `app_metadata.` names no key; name one, or write `*` for all"),
        (
            "writes = [\"app_metadata.a*b\"]",
            "`writes`: `app_metadata.a*b` has a `*` before its end; a wildcard ends a prefix",
        ),
        (
            "writes = [\"app_metadata.blocked\"]",
            "`writes`: `app_metadata.blocked` belongs to the host; remove it: no rule can change it",
        ),
        (
            "writes = [\"user.user_id\"]",
            "`writes`: `user.user_id` belongs to the host; remove it: no rule can change it",
        ),
        (
            "writes = [\"id_token.Sub\"]",
            "`writes`: the claim `Sub` is reserved; use a name of your own, such as `https://example.com/sub`; choose another claim",
        ),
        (
            "reads = [\"users.email\"]",
            "`reads`: `users.email` does not begin with one of `user`, `context`, `configuration`, `shared`; write paths such as `user.app_metadata`",
        ),
        (
            "reads = [\"user..email\"]",
            "`reads`: `user..email` has an empty or half-quoted segment; write paths such as `user.app_metadata`",
        ),
        (
            "[when]\nclients = []",
            "`when.clients`: is empty: the rule would never run; remove it to run on all, or remove the rule from the pipeline",
        ),
        (
            "[when]\nprotocols = [\"redirect-callback\"]",
            "`when.protocols`: no login begins with `redirect-callback`, so the rule would never run; name what the login began with; `context.protocol` tells the rule that it came back",
        ),
        (
            "[capabilities]\nhttp = [\"https://a.example/path\"]",
            "`capabilities.http`: `https://a.example/path` is more than a scheme, a host and a port; write an origin such as `https://api.example.com`",
        ),
        (
            "[capabilities]\nhttp = [\"ftp://a.example\"]",
            "`capabilities.http`: `ftp://a.example` is not an `https` or `http` origin; write an origin such as `https://api.example.com`",
        ),
        (
            "[capabilities]\nhttp = [\"https://*.example\"]",
            "`capabilities.http`: `https://*.example` is no plain URL: it holds a space, a control character, `\\` or `*`; write an origin such as `https://api.example.com`",
        ),
        (
            "[capabilities]\nsecrets = { T = \"https://a.example\" }",
            "`capabilities.secrets.T`: `https://a.example` is not among `capabilities.http`; add `\"https://a.example\"` to `capabilities.http`",
        ),
        (
            "[capabilities]\nredirect = [\"http://a.example\"]",
            "`capabilities.redirect`: `http://a.example` is not `https` (`http` only for this machine); write a place such as `https://forms.example.com`",
        ),
        (
            "writes = [\"redirect\"]",
            "`capabilities.redirect`: is empty, but `writes` holds `redirect`; add `redirect = [\"https://forms.example.com\"]` with your own origin",
        ),
        (
            "[limits]\nmemory = \"16MB\"",
            "`limits.memory`: not a whole number with `KiB` or `MiB`; write a size such as `\"16MiB\"` or `\"512KiB\"`",
        ),
        ("[limits]\nmemory = \"65KiB\"", "`limits.memory`: is not a whole number of 64 KiB pages; round it up"),
        (
            "[limits]\nwall = \"fast\"",
            "`limits.wall`: not a whole number with `ms` or `s`; write a time such as `\"250ms\"` or `\"1s\"`",
        ),
        ("[limits]\nfuel = 0", "`limits.fuel`: is nothing; give it some, or remove the key"),
    ] {
        check(more, expect);
    }
}

/// A rule that refuses must not be switched off by a slip of the pen.
#[test]
fn a_protocol_that_nobody_knows_is_refused_with_the_nearest_one() {
    let of = |name: &str| Manifest::parse(&format!("{HEAD}[when]\nprotocols = [\"samlp\", \"{name}\"]"));
    for (slip, nearest) in [
        ("oidc-basic-profil", "oidc-basic-profile"),
        ("oauth2_refresh_token", "oauth2-refresh-token"),
        ("OAuth2-Password", "oauth2-password"),
        ("saml", "samlp"),
    ] {
        let error = of(slip).unwrap_err().to_string();
        let begins = format!(
            "`when.protocols`: `{slip}` is no protocol, so the rule would never run; did you mean `{nearest}`? Known are "
        );
        assert!(error.starts_with(&begins) && error.ends_with("; one of your own is a URL"), "{error}");
    }
    for own in ["https://example.com/kiosk", "urn:example:kiosk"] {
        assert!(of(own).unwrap().when.protocols.unwrap().contains(own), "{own}");
    }
}

#[test]
fn a_missing_key_is_told_with_an_example() {
    for (missing, line) in
        [("name", "name = \"plan-claim\""), ("language", "language = \"rust\""), ("order", "order = 10")]
    {
        let rest: String =
            HEAD.lines().filter(|line| !line.starts_with(missing)).map(|line| format!("{line}\n")).collect();
        assert_eq!(
            Manifest::parse(&rest).unwrap_err().to_string(),
            format!(
                "`{missing}`: is missing; add a line such as `{line}`; `vestibule schema rule` prints what else there is"
            )
        );
    }
    assert_eq!(
        PipelineFile::parse("rules = []").unwrap_err().to_string(),
        "`rules`: names no rule; list the folders of your rules: `rules = [\"plan-claim\"]`"
    );
}

#[test]
fn an_unknown_key_names_its_line() {
    let error = Manifest::parse(&format!("{HEAD}wirtes = []")).unwrap_err().to_string();
    assert!(error.contains("line 5"), "{error}");
}

#[test]
fn skip_is_only_for_rules_that_nothing_secure_depends_on() {
    for writes in [
        "app_metadata.a",
        "app_metadata.*",
        "id_token.a",
        "access_token.*",
        "scope",
        "second_factor",
        "deny",
        "context.*",
        "context.primaryUser",
        "context.saml*",
        "user.*",
        "user.email_verified",
    ] {
        let text = format!("{HEAD}on_failure = \"skip\"\nwrites = [\"{writes}\"]");
        let error = Manifest::parse(&text).expect_err(writes).to_string();
        assert!(error.starts_with("`on_failure`: `skip` is not for a rule that writes"), "{error}");
    }
    for writes in ["", "\"user_metadata.*\", \"shared.*\", \"user.nickname\", \"context.mine\""] {
        let text = format!("{HEAD}on_failure = \"skip\"\nwrites = [{writes}]");
        assert_eq!(Manifest::parse(&text).unwrap().on_failure, FailurePolicy::Skip);
    }
    check(
        "on_failure = \"skip\"",
        "`on_failure`: `skip` is not for a rule that may refuse a login, and without `writes` it may; say `on_failure = \"deny\"`, or list `writes` without `deny`",
    );
}

#[test]
fn a_grant_is_shown_as_it_is_written() {
    for text in ["app_metadata.plan", "id_token.https://example.com/*", "scope", "redirect", "second_factor", "deny"] {
        assert_eq!(text.parse::<WriteGrant>().unwrap().to_string(), text);
    }
    for (text, shown) in
        [("https://a.example", "https://a.example"), ("https://a.example/form/", "https://a.example/form")]
    {
        assert_eq!(text.parse::<RedirectTarget>().unwrap().to_string(), shown);
    }
}

#[test]
fn a_limit_above_the_ceiling_is_refused() {
    let manifest = |limits: &str| Manifest::parse(&format!("{HEAD}[limits]\n{limits}")).unwrap();
    for (limits, expect) in [
        (
            "fuel = 50_000_001",
            "`limits.fuel`: is above the operator's ceiling of 50000000; lower it, or ask the operator to raise the ceiling",
        ),
        (
            "memory = \"17MiB\"",
            "`limits.memory`: is above the operator's ceiling of 16777216 bytes; lower it, or ask the operator to raise the ceiling",
        ),
        (
            "wall = \"2s\"",
            "`limits.wall`: is above the operator's ceiling of 1000 ms; lower it, or ask the operator to raise the ceiling",
        ),
    ] {
        assert_eq!(manifest(limits).budget(&Budget::CEILING).unwrap_err().to_string(), expect);
    }
    assert_eq!(manifest("").budget(&Budget::CEILING).unwrap(), Budget::STANDARD);
}

#[test]
fn any_file_name_makes_a_permissive_rule() {
    for (file, name) in [("plan", "plan"), ("a b/ü", "a-b--"), ("..", "rule"), ("", "rule")] {
        assert_eq!(Manifest::permissive(file).name.as_str(), name);
    }
}

#[test]
fn a_pipeline_file_lists_folders() {
    assert_eq!(PipelineFile::parse("rules = [\"a\", \"b\"]").unwrap().rules, ["a", "b"]);
    for text in ["", "rules = []", "rules = [\"a\", \"a/\"]", "rules = [\"\"]", "rules = [\"a\"]\nname = \"x\""] {
        assert!(PipelineFile::parse(text).is_err(), "{text}");
    }
}

#[test]
fn rules_run_in_their_order_and_no_two_share_one() {
    let rule = |name: &str, order: i64, digest: u8| {
        let mut manifest = Manifest::permissive(name);
        manifest.order = order;
        Rule::new(manifest, Digest([digest; 32]), &Budget::CEILING).unwrap()
    };
    let pipeline = Pipeline::new(vec![rule("b", 2, 0), rule("a", -1, 0)]).unwrap();
    assert_eq!(pipeline.rules().iter().map(Rule::name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(pipeline.generation(), Pipeline::new(vec![rule("a", -1, 0), rule("b", 2, 0)]).unwrap().generation());
    assert_ne!(pipeline.generation(), Pipeline::new(vec![rule("a", -1, 1), rule("b", 2, 0)]).unwrap().generation());
    let error = |rules| Pipeline::new(rules).unwrap_err().to_string();
    assert_eq!(
        error(vec![rule("a", 1, 0), rule("b", 1, 0)]),
        "the rules `a` and `b` have the same order 1; change `order` in one of them"
    );
    assert_eq!(error(vec![rule("a", 1, 0), rule("a", 2, 0)]), "two rules are called `a`; change `name` in one of them");
    let many = (0..129).map(|at| rule(&format!("r{at}"), at, 0)).collect();
    assert_eq!(error(many), "a pipeline of 129 rules has more than 128; put fewer into it");
}

#[test]
fn the_published_schemas_know_every_key() {
    let schema = rule_schema();
    for key in [
        "name",
        "language",
        "module",
        "source",
        "order",
        "on_failure",
        "reads",
        "writes",
        "when",
        "capabilities",
        "limits",
        "reserved_claims",
    ] {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(pipeline_schema()["additionalProperties"], false);
}
