//! No source ends the process, however deep it is, and none takes long to be told so.

use super::{refused, table};
use crate::{SOURCE_BYTES, analyse, nesting::TOO_DEEP};

/// As many of a text as a source has room for, between others.
fn filled(before: &str, unit: &str, middle: &str, close: &str, after: &str) -> String {
    let room = SOURCE_BYTES - before.len() - middle.len() - after.len();
    let times = room / (unit.len() + close.len());
    format!("{before}{}{middle}{}{after}", unit.repeat(times), close.repeat(times))
}

/// What begins, what is repeated, what is in the middle, what closes each, what ends.
type Shape = (&'static str, &'static str, &'static str, &'static str, &'static str);

#[track_caller]
fn is_too_deep(file: &str, shapes: &[Shape]) {
    for (before, unit, middle, close, after) in shapes {
        let said = refused(file, &filled(before, unit, middle, close, after));
        assert!(said.len() == 1 && said.iter().all(|said| said.ends_with(TOO_DEEP)), "`{unit}`: {said:?}");
    }
}

const F: &str = "function (a, b, c) {";

#[test]
fn brackets_in_brackets_have_an_end() {
    let file = "rule.js";
    is_too_deep(file, &[(F, "(", "1", ")", "}"), (F, "[", "1", "]", "}"), (F, "{", "", "}", "}")]);
    is_too_deep(file, &[(F, "(", "", "", ""), ("", "[", "", "", ""), (F, "{", "", "", ""), (F, "if(", "", "", "")]);
    is_too_deep(file, &[(F, "`${", "a", "}`", "}"), (F, "(a=", "1", ")=>1", "}"), (F, "a[", "1", "]", "}")]);
    is_too_deep(file, &[(F, "a(", "1", ")", "}"), (F, "new a(", "", ")", "}"), (F, "[...", "a", "]", "}")]);
    is_too_deep(file, &[(F, "function a(){", "", "}", "}"), (F, "class a{a(){", "", "}}", "}")]);
    is_too_deep(file, &[("function (", "[", "a", "]", "){}"), ("function (", "{a:", "a", "}", "){}")]);
    is_too_deep(file, &[(F, "try{", "", "}finally{}", "}"), (F, "switch(a){default:", ";", "}", "}")]);
}

#[test]
fn chains_without_brackets_have_an_end() {
    let file = "rule.js";
    is_too_deep(file, &[(F, "!", "a", "", "}"), (F, "-~", "a", "", "}"), (F, "typeof ", "a", "", "}")]);
    is_too_deep(file, &[(F, "new ", "a", "", "}"), (F, "a=>", "a", "", "}"), (F, "async a=>", "a", "", "}")]);
    is_too_deep(file, &[(F, "a?b:", "a", "", "}"), (F, "a?", "a", ":a", "}"), (F, "a=", "a", "", "}")]);
    is_too_deep(file, &[("function(){a", ".y", "", "", "}"), ("function(){a", "?.y", "", "", "}")]);
    is_too_deep(file, &[("function(){a", "()", "", "", "}"), ("function(){a", "``", "", "", "}")]);
    is_too_deep(file, &[("function(){a", "+a", "", "", "}"), ("function(){''", "+''", "", "", "}")]);
    is_too_deep(file, &[("function(){a", "&&a", "", "", "}"), (F, "a**", "a", "", "}")]);
    is_too_deep(
        file,
        &[(F, "if(a)", ";", "", "}"), (F, "if(a);else ", ";", "", "}"), (F, "do ", ";", " while(a)", "}")],
    );
    is_too_deep(file, &[(F, "for(;;)", ";", "", "}"), (F, "while(a)", ";", "", "}"), (F, "a:", ";", "", "}")]);
    is_too_deep(file, &[("async function(a){", "await ", "a", "", "}"), (F, "class extends ", "a", "{}", "}")]);
}

#[test]
fn types_in_types_have_an_end() {
    let file = "rule.ts";
    const T: &str = "function (a) { let b: ";
    is_too_deep(
        file,
        &[(T, "A<", "A", ">", "}"), (T, "[", "A", "]", "}"), (T, "[", "", "", ""), (T, "(", "A", ")", "}")],
    );
    is_too_deep(file, &[(T, "{a:", "A", "}", "}"), (T, "keyof ", "A", "", "}"), (T, "()=>", "A", "", "}")]);
    is_too_deep(file, &[(T, "A extends A?A:", "A", "", "}"), (T, "A extends A?", "A", ":A", "}")]);
    is_too_deep(file, &[("function(a){let b:A", "[]", "", "", "}"), ("function(a){let b:A", ".A", "", "", "}")]);
    is_too_deep(
        file,
        &[("function(a){a", " as A", "", "", "}"), ("function(a){a", "!", "", "", "}"), (F, "<A>", "a", "", "}")],
    );
    is_too_deep(file, &[(F, "a<", "", "", "}"), (F, "a<", "A", ">()", "}"), (F, "<A,>()=>", "a", "", "}")]);
    is_too_deep(
        file,
        &[(F, "a?(", "a", "):a", "}"), (F, "a?(a):", "a", "=>a", "}"), (F, "async(a=", "1", ")=>1", "}")],
    );
}

#[test]
fn the_stack_is_enough_where_the_scan_is_misled() {
    // To the scan the mark behind `}` begins a text, as far as the line goes.
    let mislead = "function (a) { {}/\"/; let b: ";
    for (before, unit) in [("{}/\"/; ", "("), ("{}/\"/; ", "["), ("{}/\"/; ", "{"), ("{}/\"/; a=", "class{[")] {
        refused("rule.js", &filled(before, unit, "", "", ""));
    }
    for unit in ["[", "A<", "{a:", "(", "(a:"] {
        refused("rule.ts", &filled(mislead, unit, "", "", ""));
    }
    let _ = analyse("rule.js", &filled("function (a) { a = /", "(", "b", ")", "/; }"), &table());
}

#[test]
fn what_people_write_is_not_too_deep() {
    let file = [
        "function (a, b, c) {\n",
        &"  if (a.x < 1 && a.y / 2 > 3) { a.z = /[(\\/]/.test('((((') }\n".repeat(1_000),
        &"  var { x: { y } } = a, html = `<b>${a.name}</b><br>`\n".repeat(1_000),
        "  if (a.x === 1) { b.y(); }",
        &" else if (a.x === 2) { b.z(); }".repeat(500),
        "\n  var s = ''",
        &" +\n 'some text'".repeat(1_000),
        ";\n  c(null, a, b);\n}",
    ]
    .concat();
    let said = analyse("rule.js", &file, &table());
    assert!(said.is_ok(), "{said:?}");
}

#[test]
fn what_is_too_long_is_not_read() {
    let source = format!("{F}}}{}", " ".repeat(SOURCE_BYTES));
    let said = format!("rule.js:1:1: the source has {} bytes, allowed are 262144", source.len());
    assert_eq!(refused("rule.js", &source), [said]);
}
