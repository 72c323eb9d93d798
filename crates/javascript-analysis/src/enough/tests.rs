use super::NEVER_COVERED;
use crate::tests::{accepted, set};

/// What a rule's text needs beside the clock and what earlier rules left.
#[track_caller]
fn paths(body: &str) -> Option<Vec<String>> {
    let program = accepted(&format!("function (user, context, callback) {{ {body} }}"));
    let always = ["context.now", "context.seed", "shared"];
    program.enough.map(|enough| enough.into_iter().filter(|path| !always.contains(&path.as_str())).collect())
}

#[test]
fn a_source_that_takes_the_event_apart_by_name_needs_no_more_than_that() {
    for (body, expected) in [
        ("callback(null, user, context);", "[]"),
        ("global.seen = global.seen || 1; callback(null, user, context);", "[]"),
        ("if (user && user.email_verified) return callback(null, user, context);", r#"["user.email_verified"]"#),
        (
            "callback(user?.name.length ? null : new UnauthorizedError(context.request.ip));",
            r#"["context.request", "user.app_metadata.name", "user.name"]"#,
        ),
        ("var plan = (user.app_metadata || {}).plan; callback(null, user, context);", r#"["user.app_metadata"]"#),
        ("const { app_metadata, email: mail } = user; callback();", r#"["user.app_metadata", "user.email"]"#),
        (
            "user.app_metadata['https://e.com/x'].y = 1; delete user.user_metadata.a; callback(null, user, context)",
            r#"["user.app_metadata.\"https://e.com/x\"", "user.user_metadata.a"]"#,
        ),
        (
            "context.idToken[ns + 'x'] = user['nickname'].trim(); var ns = Math.random(); callback(null, user, context)",
            r#"["context.idToken", "user.app_metadata.nickname", "user.nickname"]"#,
        ),
        (
            "auth0.users.updateAppMetadata(user.user_id, { a: 1 }).then(() => callback(null, user, context)).catch(callback);",
            r#"["user.app_metadata", "user.user_id"]"#,
        ),
        (
            "auth0.users.updateUserMetadata(user.user_id, {}, function (error) { callback(error, user, context); });",
            r#"["user.user_id", "user.user_metadata"]"#,
        ),
        (
            "request.get('https://a.example', () => callback(null, user, context));",
            r#"["context.request", "context.tenant"]"#,
        ),
        (
            "request.get(mgmt.url, () => callback(null, user, context));",
            r#"["context.request", "context.tenant", "user"]"#,
        ),
        ("user.app_metadata.valueOf``; callback(null, user, context);", r#"["user.app_metadata"]"#),
        ("var _ = require('lodash'); callback(null, user, _.isEmpty({}) ? context : context);", "everything"),
        ("var _ = require('lodash'); _.isEmpty({}); callback(null, user, context);", "[]"),
    ] {
        let told = paths(body).map_or_else(|| "everything".to_owned(), |paths| format!("{paths:?}"));
        assert_eq!(told, expected, "{body}");
    }
}

#[test]
fn a_source_that_may_do_more_needs_everything() {
    for body in [
        "console.log(user); callback(null, user, context);",
        "var copy = JSON.stringify(context); callback(null, user, context);",
        "for (var key in user) {} callback(null, user, context);",
        "callback(null, user[context.protocol], context);",
        "var u = user; callback(null, u, context);",
        "var all = user || {}; callback(null, user, context);",
        "user = {}; callback(null, user, context);",
        "callback(null, { email: user.email }, context);",
        "callback(null, user, Object.assign({}, context));",
        "callback.apply(null, [null, user, context]);",
        "setTimeout(callback, 0, null);",
        "var end = callback; end(null);",
        "callback(arguments[0]);",
        "eval('user.email'); callback(null, user, context);",
        "const { email, ...rest } = user; callback(null, user, context);",
        "const { [context.protocol]: x } = user; callback(null, user, context);",
        "if (user.hasOwnProperty('email')) {} user.toString(); callback(null, user, context);",
        "var domain = auth0.domain; callback(null, user, context);",
        "auth0.users.updateAppMetadata(user.user_id, {}).then(function (all) { callback(null, user, context); });",
        "auth0.users.updateAppMetadata(user.user_id, {}, callback);",
        "var all = auth0.users.updateAppMetadata(user.user_id, {}); callback(null, user, context);",
        "auth0.users.updateAppMetadata(user.user_id, {}).catch(function () {}).then(log); callback(null, user, context);",
        "var sdk = require('auth0'); callback(null, user, context);",
        "global.auth0.users.updateAppMetadata(user.user_id, {}); callback(null, user, context);",
        "globalThis[context.protocol] = 1; callback(null, user, context);",
        "this.auth0.users.updateAppMetadata(user.user_id, {}); callback(null, user, context);",
        "new Function('return this')().x = 1; callback(null, user, context);",
        "[].at.constructor('return auth0')(); callback(null, user, context);",
        "global.global.auth0.users.updateAppMetadata(user.user_id, {}); callback(null, user, context);",
        "globalThis.eval('auth0'); callback(null, user, context);",
        "var user = { a: 1 }; callback(null, user, context);",
        "if (!user.email_verified) return callback(user); callback(null, user, context);",
        "global.require('auth0'); callback(null, user, context);",
        "require('vestibule:' + 'internals').login.user; callback(null, user, context);",
        "var load = require; callback(null, user, context);",
        "var arguments; JSON.stringify(arguments[0]); callback(null, user, context);",
        "with ({ callback: console.log }) callback(null, user, context);",
        "user.valueOf``; callback(null, user, context);",
        "function callback(error, all) { console.log(all); } callback(null, user, context);",
        "for (var context of []) {} callback(null, user, context);",
        "setTimeout.catch(1, callback);",
        "user.app_metadata['a\"b'] = 1; callback(null, user, context);",
    ] {
        assert_eq!(paths(body), None, "{body}");
    }
    for source in [
        "function again(user, context, callback) { again({}, context, callback); }",
        "function ({ email }, context, callback) { callback(null, email, context); }",
        "function (user, ...rest) { rest[1](null, user); }",
        "function (user = {}, context, callback) { callback(null, user, context); }",
        "exports.onExecutePostLogin = async (event, api) => { api.access.deny(event.user.email); };",
    ] {
        assert_eq!(accepted(source).enough, None, "{source}");
    }
}

#[test]
fn a_name_of_its_own_is_not_the_parameter() {
    let source = "function (u, c, cb) { const user = { all: 1 }; JSON.stringify(user); cb(null, u, c); }";
    let enough = accepted(source).enough.unwrap();
    assert_eq!(enough, set(&["context.now", "context.seed", "shared"]));
}

/// The runtime has the list a second time, as the text of another language.
#[test]
fn what_metadata_never_cover_is_what_the_runtime_never_covers() {
    let runtime = include_str!("../../../../sdk/javascript/runtime/src/prelude/event.js");
    let (_, names) = runtime.split_once("const HOSTS_USER = setOf([").unwrap();
    let (names, _) = names.split_once("])").unwrap();
    for name in NEVER_COVERED {
        assert!(names.contains(&format!("\"{name}\"")), "{name}");
    }
}
