//! Types are erased, and what cannot be is refused.

use super::{RULE, refused, says, set, table};
use crate::{Kind, Program, analyse};

#[test]
fn types_are_blanked_where_they_stood() {
    let source = "async function (user: User, context: Context, callback?: Callback): Promise<void> {\n  \
                  type Plan = 'a' |\n    'b';\n  interface X { a: number }\n  \
                  const é = (user.app_metadata as { plan: Plan }).plan!;\n  \
                  let later!: string, list = new Map<string, Array<number>>();\n  \
                  const f = <T,>(x: T): T => x satisfies unknown;\n  \
                  return callback!(null, <any>user, context, é, f<number>(1));\n}";
    let program = analyse("rule.ts", source, &table()).unwrap();
    let expected = "async function (user      , context         , callback           )                {\n  \
                    ;                \n        \n  ;                        \n  \
                    const é = (user.app_metadata                  ).plan ;\n  \
                    let later         , list = new Map                       ();\n  \
                    const f =     (x   )    => x                  ;\n  \
                    return callback (null,      user, context, é, f        (1));\n}";
    assert_eq!(program.code, expected);
    let js = analyse("rule.js", &program.code, &table()).unwrap();
    assert_eq!(js.code, expected, "what is left is JavaScript");
}

#[test]
fn types_beside_a_rule_are_blanked() {
    let source = "import type { User } from 'auth0';\ntype Plan = { é: 'a' };\nexport interface X { a: number }\n\
                  declare const helper: (x: Plan) => void;\n\n/** Mine. */\nasync function rule(user: User, c: any, cb: any) {\n  \
                  type Inner = 1;\n  cb(null, user, c);\n};\ntype After = Plan;\nenum E { A }\n";
    let expected = |program: &Program, line: &str| {
        assert_eq!(program.kind, Kind::Rule);
        let lines: Vec<&str> = program.code.split('\n').collect();
        assert_eq!(lines.get(6), Some(&line), "{}", program.code);
        assert!(lines.iter().take(6).all(|line| line.trim().is_empty()), "{}", program.code);
        assert!(analyse("rule.js", &program.code, &table()).is_ok(), "{}", program.code);
    };
    let source = source.replace("enum E { A }\n", "");
    let program = analyse("rule.ts", &source, &table()).unwrap();
    expected(&program, "async function rule(user      , c     , cb     ) {");
    let errors = refused("rule.ts", &source.replace("declare const helper: (x: Plan) => void", "const helper = 1"));
    assert!(errors.first().unwrap().ends_with("put what it needs inside it"), "{errors:?}");
    let errors = refused("rule.ts", &source.replace("cb(null, user, c)", "require('mongodb')"));
    assert_eq!(
        errors,
        ["rule.ts:9:3: `mongodb` cannot be required in a rule: mongodb needs a socket; use an HTTPS endpoint"]
    );
}

#[test]
fn an_action_may_be_a_module_of_typescript() {
    let source = "import type { Event } from '@auth0/actions';\nimport { type Api } from '@auth0/actions';\n\
                  interface Plan { a: string }\nexport type Other = Plan;\nconst continued = async () => {};\n\
                  export const onExecutePostLogin = async (event: Event, api: Api) => {\n  \
                  api.redirect.sendUserTo('https://x.example.com/');\n};\nexport { continued as onContinuePostLogin };\n";
    let program = analyse("action.ts", source, &table()).unwrap();
    assert_eq!(program.kind, Kind::Action);
    assert_eq!(program.redirects, set(&["https://x.example.com"]));
    let lines: Vec<&str> = program.code.lines().map(str::trim_end).collect();
    assert_eq!(lines.get(5), Some(&"       const onExecutePostLogin = async (event       , api     ) => {"));
    assert_eq!(
        lines.last(),
        Some(&"exports.onExecutePostLogin = onExecutePostLogin; exports.onContinuePostLogin = continued;")
    );
    assert!(analyse("action.js", &program.code, &table()).is_ok(), "{}", program.code);
    let function = "export async function onExecutePostLogin(event: any, api: any): Promise<void> {}";
    let program = analyse("action.ts", function, &table()).unwrap();
    assert!(program.code.ends_with("{}\nexports.onExecutePostLogin = onExecutePostLogin;"), "{}", program.code);
    let errors = refused("action.ts", "import x from 'y';\nexport const onExecutePostLogin = async () => x;");
    let import = "`import` is not available in a rule: use `const name = require('name')`, and `import type` for types";
    assert_eq!(errors, [format!("action.ts:1:1: {import}")]);
    let errors = refused("action.ts", "const onExecutePostLogin = 1;\nexport default onExecutePostLogin;");
    assert_eq!(
        errors,
        ["action.ts:2:1: an Action exports functions by their names: `export const onExecutePostLogin = …`"]
    );
}

#[test]
fn words_before_the_members_of_a_class_are_blanked() {
    let source = "function (user: any, context: any, callback: any) {\n  class Plan implements A, B<C> {\n    \
                  private readonly price: number = 1;\n    public static publicName?: string;\n    protected later!: string;\n    \
                  declare nothing: string;\n    [key: string]: any;\n    private(x: string): void;\n    \
                  private(x: any) { return x; }\n    public async get$(): Promise<void> {}\n    override toString() { return ''; }\n  }\n  \
                  callback(null, user, context);\n}";
    let program = analyse("rule.ts", source, &table()).unwrap();
    let lines: Vec<&str> = program.code.lines().map(str::trim_end).collect();
    let expected = [
        "  class Plan                    {",
        "                     price         = 1;",
        "           static publicName         ;",
        "              later         ;",
        "",
        "",
        "",
        "    private(x     ) { return x; }",
        "           async get$()                {}",
        "             toString() { return ''; }",
    ];
    assert_eq!(lines.get(1..11).unwrap(), expected);
    assert!(analyse("rule.js", &program.code, &table()).is_ok(), "{}", program.code);
}

#[test]
fn types_that_need_code_are_refused() {
    let errors = refused("rule.ts", "function (u: any, c: any, cb: any) {\n  enum A { B }\n  cb();\n}");
    assert_eq!(errors, ["rule.ts:2:3: an `enum` cannot be erased: use a constant object"]);
}

#[test]
fn typescript_that_needs_code_of_its_own_is_told_what_to_write() {
    let beside = "a rule is one function with nothing beside it: put what it needs inside it";
    says(
        "rule.ts",
        "function (u, c, cb) {\n  enum Plan { Free }\n  cb();\n}",
        "2:3: an `enum` cannot be erased: use a constant object",
    );
    says("rule.ts", &format!("enum Plan {{ Free }}\n{RULE}"), &format!("1:1: {beside}"));
    says("rule.ts", &format!("namespace Util {{ export const a = 1; }}\n{RULE}"), &format!("1:1: {beside}"));
    let decorator = "a decorator is not there in a rule: call it as a function on the class or method";
    for file in ["rule.ts", "rule.js"] {
        says(file, "function (u, c, cb) {\n  @log class A {}\n  cb();\n}", &format!("2:3: {decorator}"));
        says(file, "function (u, c, cb) {\n  class A { @log m() {} }\n  cb();\n}", &format!("2:13: {decorator}"));
    }
}

#[test]
fn an_export_has_any_name_and_types_are_none() {
    let source = "interface Plan { a: string }\ntype Other = Plan;\nconst first = 1;\n\
                  export const onExecutePostLogin = async () => {};\nexport { first as \"x y\", first as $b, Plan, Other };\n";
    let program = analyse("action.ts", source, &table()).unwrap();
    let exports = "exports.onExecutePostLogin = onExecutePostLogin; exports[\"x y\"] = first; exports.$b = first;";
    assert_eq!(program.code.lines().last(), Some(exports));
    assert!(analyse("action.js", &program.code, &table()).is_ok(), "{}", program.code);
}

#[test]
fn words_in_comments_stay_and_those_behind_them_go() {
    let source = "function (u: any, c: any, cb: any) {\n  \
                  class A /* implements é */ implements /* implements X */ B {\n    \
                  /* private */ private /* readonly! */ readonly a /* ? */ ?: string;\n    later /* ! */ !: string;\n  }\n  cb();\n}";
    let program = analyse("rule.ts", source, &table()).unwrap();
    let lines: Vec<&str> = program.code.lines().map(str::trim_end).collect();
    let expected = [
        "  class A /* implements é */                                 {",
        "    /* private */         /* readonly! */          a /* ? */          ;",
        "    later /* ! */          ;",
    ];
    assert_eq!(lines.get(1..4).unwrap(), expected);
    assert!(analyse("rule.js", &program.code, &table()).is_ok(), "{}", program.code);
}
