//! What is no rule is told what to write instead, with its place.

use super::{RULE, refused, says};

#[test]
fn modules_of_es2015_are_told_to_require() {
    let import = "`import` is not there in a rule: use `const name = require('name')`, inside the function";
    let export =
        "`export` is not there in a rule: a rule is the function alone, an Action sets `exports.onExecutePostLogin`";
    says("rule.js", &format!("// é\nimport _ from 'lodash';\n{RULE}"), &format!("2:1: {import}"));
    says("rule.ts", &format!("/* types */ import {{ User }} from 'auth0';\n{RULE}"), &format!("1:13: {import}"));
    says("rule.js", "function (u, c, cb) {\n  import x from 'y';\n  cb();\n}", &format!("2:3: {import}"));
    says("rule.js", "\nexport default async function (u, c, cb) { cb(); }", &format!("2:1: {export}"));
    says("action.js", "export const onExecutePostLogin = async (event, api) => {};", &format!("1:1: {export}"));
    says("action.js", "import x from 'y';\nexports.onExecutePostLogin = async () => {};", &format!("1:1: {import}"));
    says(
        "rule.js",
        "async function (u, c, cb) {\n  const x = await import('lodash');\n  cb();\n}",
        "2:19: `import()` is not there in a rule: use `require('name')`",
    );
    let meta = "2:13: `import.meta` is not there in a rule: it is no module";
    says("rule.js", "function (u, c, cb) {\n  const x = import.meta.url;\n  cb();\n}", meta);
}

#[test]
fn types_in_a_file_of_javascript_are_told_its_name() {
    let typescript = "this is TypeScript: name the file `rule.ts`";
    says("rule.js", "function (user: User, c, cb) { cb(); }", &format!("1:15: {typescript}"));
    says("rule.js", "function (u, c, cb) {\n  interface A { b: string }\n  cb();\n}", &format!("2:12: {typescript}"));
}

#[test]
fn what_waits_outside_of_an_async_function_is_told_so() {
    let wait = "`await` needs an `async` function around it; while a rule is loaded there is nothing to wait for";
    says(
        "rule.js",
        "function (u, c, cb) {\n  const x = await fetch('https://a.test');\n  cb();\n}",
        &format!("2:13: {wait}"),
    );
    says(
        "action.js",
        "const x = await fetch('https://a.test');\nexports.onExecutePostLogin = async () => {};",
        &format!("1:11: {wait}"),
    );
}

#[test]
fn jsx_is_told_to_be_text() {
    let jsx = "JSX is not there in a rule: write the text as a string, or a template literal";
    says("rule.js", "function (u, c, cb) {\n  u.x = <b>{u.name}</b>;\n  cb();\n}", &format!("2:9: {jsx}"));
    let said = refused("rule.ts", "function (u, c, cb) {\n  u.x = <b>{u.name}</b>;\n  cb();\n}");
    assert!(said.first().unwrap().ends_with(jsx) && said.first().unwrap().starts_with("rule.ts:2:"), "{said:?}");
}

#[test]
fn helpers_beside_the_function_are_told_to_be_inside() {
    let beside = "a rule is one function with nothing beside it: put what it needs inside it";
    says("rule.js", &format!("// first\nconst one = 1;\n{RULE}"), &format!("2:1: {beside}"));
    says("rule.js", "function one() {}\nfunction rule(u, c, cb) { cb(); }", &format!("2:1: {beside}"));
    let nothing = "there is nothing here: a rule is a function (user, context, callback)";
    says("rule.js", "", &format!("1:1: {nothing}"));
    says("rule.js", "// only words\n", &format!("2:1: {nothing}"));
}
