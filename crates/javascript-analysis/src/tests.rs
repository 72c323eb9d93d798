mod mistakes;
mod nesting;
mod typescript;

use std::collections::BTreeSet;

use serde_json::json;

use crate::{Kind, ModuleTable, Program, analyse};

fn table() -> ModuleTable {
    let module = |file: &str, needs: &[&str], aliases: &[&str], http: bool| json!({"file": format!("modules/{file}.js"), "needs": needs, "aliases": aliases, "http": http, "bytes": 1});
    let table = json!({
        "modules": {
            "lodash": module("lodash", &[], &["underscore"], false),
            "buffer": module("buffer", &[], &[], false),
            "crypto": module("crypto", &["buffer"], &[], false),
            "jsonwebtoken": module("jsonwebtoken", &["buffer", "crypto"], &[], false),
            "vestibule:exchange": module("exchange", &[], &[], true),
            "vestibule:locale": module("locale", &[], &[], false),
            "vestibule:actions": module("actions", &[], &[], false),
            "bcrypt": {"file": "modules/bcrypt.js", "needs": [], "aliases": [], "http": false, "warning": "ask a service"},
            "request": module("request", &["vestibule:exchange"], &[], true),
            "auth0": module("auth0", &["vestibule:exchange"], &[], true),
            "@auth0/rule-utilities": module("rule-utilities", &["buffer", "crypto", "jsonwebtoken"], &[], false),
        },
        "globals": {"_": "lodash", "fetch": "request", "jwt": "jsonwebtoken", "Buffer": "buffer", "request": "request", "bcrypt": "bcrypt"},
        "impossible": {"mongodb": "mongodb needs a socket; use an HTTPS endpoint"},
        "impossibleGlobals": {"mongo": "mongo needs a socket; use an HTTPS endpoint"},
        "refusedManagement": {"assignRolestoUser": "roles are the host's"},
        "refusedMethods": {"crypto": {"createSign": "ask a service"}},
        "refusedAlgorithms": {"jsonwebtoken": {"names": ["RS256", "ES256"], "why": "use HS256"}},
        "mentions": {"toLocaleString": "vestibule:locale"},
        "refusedActions": {"session.*": "sessions are the host's", "rules.wasExecuted": "remove one of the two"},
        "actionMembers": {"encodeToken": "jsonwebtoken"},
    });
    ModuleTable::parse(&table.to_string()).unwrap()
}

#[track_caller]
pub(crate) fn accepted(source: &str) -> Program {
    analyse("rule.js", source, &table()).unwrap()
}

/// The complaints, as they are shown.
#[track_caller]
fn refused(file: &str, source: &str) -> Vec<String> {
    analyse(file, source, &table()).unwrap_err().iter().map(ToString::to_string).collect()
}

pub(crate) fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_rule_is_a_function_and_its_code_is_the_source() {
    for source in [
        "function (user, context, callback) { callback(null, user, context); }",
        "// first a word\nasync function named(user, context, cb) {\n  cb();\n}\n",
        "(user, context, callback) => callback(null)",
        "/* é */ function (u, c, cb) { return cb(null, u, c); } // the end",
    ] {
        let program = accepted(source);
        assert_eq!((program.kind, program.code.as_str()), (Kind::Rule, source));
        assert!(program.modules.is_empty() && program.warnings.is_empty() && !program.needs_http, "{program:?}");
    }
}

#[test]
fn a_semicolon_behind_the_function_does_no_harm() {
    assert_eq!(accepted("function (u, c, cb) { cb(); };\n").code, "function (u, c, cb) { cb(); } \n");
}

#[test]
fn what_is_no_function_is_no_rule() {
    assert_eq!(
        refused("rule.js", "({ user: 1 })"),
        ["rule.js:1:1: a rule is a function (user, context, callback); this is something else"]
    );
}

#[test]
fn a_syntax_error_is_shown_with_its_place() {
    let errors = refused("rule.js", "function (user, context, callback) {\n  let é = ;\n}");
    assert!(errors.first().unwrap().starts_with("rule.js:2:11: syntax error: "), "{errors:?}");
    let errors = refused("rule.js", "function (user) { let a; let a; }");
    assert!(errors.first().unwrap().starts_with("rule.js:1:"), "{errors:?}");
}

#[test]
fn any_version_of_a_module_is_the_one_there_is_after_what_it_needs() {
    let program = accepted(
        "function (user, context, callback) {\n  const u = require('@auth0/rule-utilities@0.1.0');\n  \
         const l = require(\"lodash@4.17.19\"), c = require(`node:crypto`);\n  callback(null, user, context);\n}",
    );
    assert_eq!(program.modules, ["buffer", "crypto", "jsonwebtoken", "@auth0/rule-utilities", "lodash"]);
    let places: Vec<String> = program.requires.iter().map(|(name, place)| format!("{name} {place}")).collect();
    assert_eq!(places, ["@auth0/rule-utilities@0.1.0 2:13", "lodash@4.17.19 3:13", "node:crypto 3:44"]);
}

#[test]
fn a_module_that_cannot_be_there_is_refused_with_what_to_do_instead() {
    let source = "function (u, c, cb) {\n  const m = require('mongodb@3.1.4');\n  mongo('x');\n  cb();\n}";
    assert_eq!(
        refused("rule.js", source),
        [
            "rule.js:2:13: `mongodb@3.1.4` cannot be required in a rule: mongodb needs a socket; use an HTTPS endpoint",
            "rule.js:3:3: `mongo` is not there in a rule: mongo needs a socket; use an HTTPS endpoint",
        ]
    );
    let unknown = refused("rule.js", "function (u, c, cb) { require('left-pad'); cb(); }");
    assert!(
        unknown.first().unwrap().contains("no module `left-pad` for rules; there are @auth0/rule-utilities, auth0")
    );
    assert!(!unknown.first().unwrap().contains("vestibule:"), "our own modules are nobody's to require");
    assert!(refused("rule.js", "function (u, c, cb) { require('vestibule:exchange'); }").len() == 1);
}

#[test]
fn magic_globals_are_modules_unless_the_source_declares_them() {
    assert_eq!(
        accepted("function (u, c, cb) { u.token = jwt.sign({}, 's'); cb(); }").modules,
        ["buffer", "crypto", "jsonwebtoken"]
    );
    assert!(accepted("function (u, c, cb) { const jwt = 1, { _ } = u; cb(jwt, _); }").modules.is_empty());
    assert!(accepted("function (u, c, cb) { cb(null, { _: 1, request: u.request }); }").modules.is_empty());
}

#[test]
fn asking_whether_a_name_is_there_is_no_use_of_it() {
    let program = accepted("function (u, c, cb) { if (typeof mongo !== 'undefined') u.x = 1; cb(); }");
    assert!(program.warnings.is_empty(), "{:?}", program.warnings);
}

#[test]
fn a_name_declared_nowhere_is_a_warning() {
    let program = accepted("function (u, c, cb) {\n  helper(u);\n  helper(c);\n  cb();\n}");
    let warnings: Vec<String> = program.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["rule.js:2:3: `helper` is declared nowhere; it is there only if an earlier rule set `global.helper`"]
    );
}

#[test]
fn a_module_whose_work_no_login_can_pay_is_a_warning() {
    for source in [
        "function (u, c, cb) {\n  require('bcrypt').compare(); cb();\n}",
        "function (u, c, cb) {\n  bcrypt.compare(); cb();\n}",
    ] {
        let warnings: Vec<String> = accepted(source).warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, ["rule.js:2:3: `bcrypt`: ask a service"]);
    }
}

#[test]
fn the_hosts_in_texts_are_proposed_to_a_rule_that_sends_requests() {
    let source = "function (user, context, callback) {\n\
        const namespace = 'https://claims.example.com/';\n\
        context.idToken['https://keys.example.com/a'] = 1;\n\
        const map = { 'http://schemas.example.org/x': 'y' };\n\
        const id = encodeURIComponent(user.user_id);\n\
        request.get(`https://api.example.com:8443/v1/${id}`, done);\n\
        request.post('https://hooks.example.com' + '/x', done);\n\
        request.post(`https://${id}.example.com/`, done);\n\
        context.redirect = { url: 'https://forms.example.com/?a=' + id };\n\
        function done() { callback(null, user, context); }\n}";
    let program = accepted(source);
    assert!(program.needs_http && program.may_redirect);
    assert_eq!(program.origins, set(&["https://api.example.com:8443", "https://hooks.example.com"]));
    assert_eq!(program.redirects, set(&["https://forms.example.com"]));
    let quiet = accepted("function (u, c, cb) { u.picture = 'https://cdn.example.com/a.png'; cb(); }");
    assert!(quiet.origins.is_empty(), "a rule without requests needs no grant");
}

#[test]
fn configuration_keys_are_found_however_they_are_read() {
    let program = accepted(
        "function (u, c, cb) { const { A, B: renamed } = configuration; cb(configuration.C || configuration['D'], renamed, A); }",
    );
    assert_eq!(program.configuration, set(&["A", "B", "C", "D"]));
}

#[test]
fn what_says_who_the_user_is_has_to_be_granted_by_name() {
    let program = accepted(
        "function (user, context, cb) { user.email = 'x'; context.idToken['email_verified'] = true; context.accessToken.plan = 1; cb(); }",
    );
    assert_eq!(program.sets_by_name, set(&["id_token.email_verified", "user.email"]));
}

#[test]
fn what_needs_a_whole_tenant_is_refused_by_name() {
    let source = "function (u, c, cb) {\n  const { ManagementClient } = require('auth0');\n  \
                  new ManagementClient({}).assignRolestoUser({}, {}, cb);\n}";
    assert_eq!(
        refused("rule.js", source),
        ["rule.js:3:28: `assignRolestoUser` is not available in a rule: roles are the host's"]
    );
    assert!(accepted("function (u, c, cb) { u.assignRolestoUser(cb); }").modules.is_empty(), "only with the SDK");
}

#[test]
fn an_action_is_told_by_its_export() {
    let source = "const a = 1;\nexports.onExecutePostLogin = async (event, api) => {\n  \
                  api.redirect.sendUserTo('https://x.example.com/', { query: { t: api.redirect.encodeToken({ secret: event.secrets.S, payload: { a } }) } });\n};\n";
    let program = accepted(source);
    assert_eq!((program.kind, program.code.as_str()), (Kind::Action, source));
    assert_eq!(program.modules, ["vestibule:actions", "buffer", "crypto", "jsonwebtoken"]);
    assert_eq!(program.configuration, set(&["S"]));
    assert!(program.may_redirect);
    assert_eq!(program.redirects, set(&["https://x.example.com"]));
}

#[test]
fn methods_that_need_their_cloud_are_refused_by_name() {
    let source = "exports.onExecutePostLogin = async (event, api) => {\n  api.session.revoke('x');\n  api.rules.wasExecuted('y');\n};";
    assert_eq!(
        refused("action.js", source),
        [
            "action.js:2:7: `api.session.revoke` is not available here: sessions are the host's",
            "action.js:3:7: `api.rules.wasExecuted` is not available here: remove one of the two",
        ]
    );
}

#[test]
fn an_action_may_be_the_object_of_a_module() {
    for source in [
        "module.exports = { onExecutePostLogin: async (event, api) => {} };",
        "module.exports = { async onExecutePostLogin(event, api) {}, 'onContinuePostLogin': async () => {} };",
        "const onExecutePostLogin = async () => {};\nmodule.exports = { onExecutePostLogin };",
    ] {
        assert_eq!(accepted(source).kind, Kind::Action, "{source}");
    }
    says("action.js", "const a = { onExecutePostLogin: 1 };", "1:1: an Action sets `exports.onExecutePostLogin`");
}

#[test]
fn what_a_module_cannot_do_here_is_refused_where_the_source_shows_it() {
    let source = "function (u, c, cb) {\n  require('crypto').createSign('RSA-SHA256');\n  \
                  jwt.verify(u.t, 'k', { algorithms: ['RS256', 'ES256'] });\n  jwt.sign({}, 'k', { algorithm: 'RS256' });\n  cb();\n}";
    assert_eq!(
        refused("rule.js", source),
        [
            "rule.js:2:21: `createSign` is not available in a rule: ask a service",
            "rule.js:3:39: RS256, ES256 is not available in a rule: use HS256",
            "rule.js:4:34: RS256 is not available in a rule: use HS256",
        ]
    );
    let taken = "function (u, c, cb) {\n  const k = require('crypto'), { createSign: sign } = k;\n  sign('x');\n  k.createSign('x');\n  cb();\n}";
    let said = "`createSign` is not available in a rule: ask a service";
    assert_eq!(refused("rule.js", taken), [format!("rule.js:3:3: {said}"), format!("rule.js:4:5: {said}")]);
    let fine = "function (u, c, cb) { jwt.verify(u.t, 'k', { algorithms: ['HS256', 'RS256'] }); u.createSign(); cb({ algorithm: u.x }); }";
    assert!(accepted(fine).warnings.is_empty());
    let unclear = "function (u, c, cb) {\n  const k = require('crypto'), options = { algorithm: 'RS256' };\n  u.createSign(k);\n  \
                   jwt.sign({}, 'k', options);\n  request.post('https://a.test', { json: { algorithm: 'ES256' } }, cb);\n}";
    let warnings: Vec<String> = accepted(unclear).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "rule.js:2:55: RS256 of a module is not available in a rule: use HS256",
            "rule.js:3:5: `createSign` of a module is not available in a rule: ask a service",
            "rule.js:5:55: ES256 of a module is not available in a rule: use HS256",
        ]
    );
    let other =
        "function (u, c, cb) { request.post('https://a.test', { json: { algorithm: 'RS256' } }, cb); u.createSign(); }";
    assert!(accepted(other).warnings.is_empty(), "of a service's own");
}

#[test]
fn what_needs_the_words_of_a_language_is_a_warning_with_its_line() {
    let source = "function (u, c, cb) {\n  const d = new Date();\n  u.a = d.toLocaleDateString('de');\n  \
                  u.b = d.toLocaleTimeString('en-US', { hour: 'numeric' });\n  u.c = new Intl.NumberFormat('de');\n  cb();\n}";
    let program = accepted(source);
    let warnings: Vec<String> = program.warnings.iter().map(ToString::to_string).collect();
    let throws = "with a language or options throws, there is no `Intl` in a rule: format dates with `moment-timezone`, numbers with `toFixed`";
    assert_eq!(
        warnings,
        [
            format!("rule.js:3:11: `toLocaleDateString` {throws}"),
            format!("rule.js:4:11: `toLocaleTimeString` {throws}"),
            "rule.js:5:13: `Intl` is not there in a rule: format dates with `moment-timezone`, numbers with `toFixed`"
                .to_owned(),
        ]
    );
    let program = accepted("function (u, c, cb) { u.a = (1).toLocaleString() + (2).toLocaleString('en-US'); cb(); }");
    assert!(program.warnings.is_empty(), "{:?}", program.warnings);
    assert_eq!(program.modules, ["vestibule:locale"], "it writes what there is no Intl for");
}

#[test]
fn an_address_of_last_resort_is_one_that_the_source_names() {
    let source = "function (user, context, callback) {\n\
        context.redirect = { url: configuration.FORM || 'https://consent.example.com/form' };\n\
        callback(null, user, context);\n}";
    let program = accepted(source);
    assert_eq!(program.redirects, set(&["https://consent.example.com"]));
    assert_eq!((program.redirect_keys, program.configuration), (set(&["FORM"]), set(&["FORM"])));
    assert_eq!(program.origins, set(&[]));
    let program = accepted(
        "function (user, context, cb) { context.redirect = { url: user.x ? 'https://a.example.com/' : `https://b.example.com/${user.y}` }; cb(); }",
    );
    assert_eq!(program.redirects, set(&["https://a.example.com", "https://b.example.com"]));
    let action = accepted(
        "exports.onExecutePostLogin = async (event, api) => { fetch('https://d.example.com/'); \
         api.redirect.sendUserTo(event.secrets.FORM ?? 'https://c.example.com/'); };",
    );
    assert_eq!((action.origins, action.configuration), (set(&["https://d.example.com"]), set(&["FORM"])));
    assert_eq!((action.redirects, action.redirect_keys), (set(&["https://c.example.com"]), set(&["FORM"])));
}

/// A source that is no rule, and the one thing that is said of it.
#[track_caller]
fn says(file: &str, source: &str, said: &str) {
    assert_eq!(refused(file, source), [format!("{file}:{said}")], "{source}");
}

const RULE: &str = "function (user, context, callback) { callback(null, user, context); }";

#[test]
fn addresses_in_the_configuration_are_found_beside_those_in_texts() {
    let source = "function (user, context, callback) {\n\
        const slack = require('request')(configuration.SLACK_HOOK_URL);\n\
        request.get('https://api.example.com/person', done);\n\
        request({ uri: configuration.CRM + '/people', headers: { k: configuration.CRM_KEY } }, done);\n\
        request.post(`https://${configuration.AREA}.example.com/`, done);\n\
        fetch(configuration.PLAIN);\n\
        context.redirect = { url: configuration.FORM_URL };\n\
        function done() { callback(null, user, context); }\n}";
    let program = accepted(source);
    assert_eq!(program.origins, set(&["https://api.example.com"]));
    assert_eq!(program.addresses, set(&["AREA", "CRM", "PLAIN", "SLACK_HOOK_URL"]));
    let quiet = accepted("function (user, context, cb) { user.picture = configuration.PICTURE_URL; cb(); }");
    assert!(quiet.addresses.is_empty(), "a rule without requests needs no grant");
}

#[test]
fn a_redirect_by_the_utilities_is_a_redirect_and_no_request() {
    let source = "function (user, context, callback) {\n\
        const { Auth0RedirectRuleUtilities } = require('@auth0/rule-utilities@0.1.0');\n\
        const util = new Auth0RedirectRuleUtilities(user, context, configuration);\n\
        if (util.canRedirect) util.doRedirect('https://forms.example.com/x');\n\
        auth0.users.updateAppMetadata(user.user_id, {}).then(() => callback(null, user, context));\n}";
    let program = accepted(source);
    assert!(!program.needs_http && program.may_redirect);
    assert_eq!((program.redirects, program.origins), (set(&["https://forms.example.com"]), set(&[])));
    assert_eq!(program.configuration, set(&["SESSION_TOKEN_SECRET"]));
    let sdk = accepted("function (u, c, cb) { const { ManagementClient } = require('auth0'); cb(); }");
    assert!(!sdk.needs_http, "what it writes is staged");
}

#[test]
fn members_of_the_event_are_found_where_their_names_stand_in_the_source() {
    let program = accepted(
        "function (user, context, cb) {\n  const { name, app_metadata: { plan } } = user;\n  \
         const at = context.request?.geoip['country_code'];\n  user.email.split('@');\n  user.nickname = at;\n  \
         user.user_metadata.seen = 1;\n  user.count += 1;\n  user[at];\n  cb(null, user, context);\n}",
    );
    assert_eq!(
        program.reads,
        set(&[
            "context.request.geoip.country_code",
            "user.app_metadata",
            "user.count",
            "user.email",
            "user.name",
            "user.user_metadata"
        ])
    );
    assert_eq!(program.sets, set(&["user.count", "user.nickname", "user.user_metadata.seen"]));
}
