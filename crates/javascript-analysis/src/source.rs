//! From a text to a [`Program`]: a Rule is one expression, everything else is an Action.

use std::collections::BTreeSet;

use oxc_allocator::Allocator;
use oxc_ast::{AstKind, ast::Program as Tree};
use oxc_ast_visit::Visit;
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::{Semantic, SemanticBuilder};
use oxc_span::SourceType;
use oxc_syntax::operator::UnaryOperator;

use crate::{
    Diagnostic, Kind, Place, Program,
    enough::enough,
    findings::Findings,
    hosts::hosts,
    instead::instead,
    members::{Members, members},
    modules::{Found, ModuleTable},
    names,
    nesting::{self, Outline, TOO_DEEP},
    receivers::{ModuleCall, module_calls},
    types::{Types, alone},
};

/// Modules whose requests the host answers itself: what they write is staged, nothing is sent.
const STAGING: &[&str] = &["auth0", "@auth0/rule-utilities"];

/// A source and how it is parsed.
struct Source<'s> {
    file: &'s str,
    /// As the author wrote it.
    text: &'s str,
    kind: Kind,
    /// What is parsed: for a Rule, the text in parentheses.
    parsed: String,
    /// Whether it is written as a module of ES2015, as TypeScript mostly is.
    is_module: bool,
}

impl<'s> Source<'s> {
    fn rule(file: &'s str, text: &'s str) -> Self {
        Self { file, text, kind: Kind::Rule, parsed: format!("({}\n)", without_semicolon(text)), is_module: false }
    }

    fn action(file: &'s str, text: &'s str) -> Self {
        Self { file, text, kind: Kind::Action, parsed: text.to_owned(), is_module: false }
    }

    fn module(file: &'s str, text: &'s str) -> Self {
        Self { is_module: true, ..Self::action(file, text) }
    }

    fn is_typescript(&self) -> bool {
        self.file.ends_with(".ts")
    }

    fn says(&self, offset: u32, message: impl Into<String>) -> Diagnostic {
        // The parenthesis before a Rule is not the author's.
        let shift = usize::from(self.kind == Kind::Rule);
        let place = Place::of(self.text, (offset as usize).saturating_sub(shift));
        Diagnostic { file: self.file.to_owned(), place, message: message.into() }
    }

    /// Takes the parenthesis off again.
    fn code(&self, parsed: &str) -> String {
        match self.kind {
            Kind::Action => parsed.to_owned(),
            Kind::Rule => {
                let inner = parsed.strip_prefix('(').and_then(|rest| rest.strip_suffix("\n)"));
                inner.unwrap_or(parsed).to_owned()
            }
        }
    }
}

/// a semicolon behind the function is a slip that does no harm.
fn without_semicolon(text: &str) -> String {
    let end = text.trim_end();
    match end.strip_suffix(';') {
        Some(function) => format!("{function} {}", text.get(end.len()..).unwrap_or_default()),
        None => text.to_owned(),
    }
}

pub(crate) fn analyse(file: &str, text: &str, table: &ModuleTable) -> Result<Program, Vec<Diagnostic>> {
    let outline = Outline::of(text);
    if let Some(at) = outline.too_deep {
        let at = u32::try_from(at).unwrap_or_default();
        return Err(vec![Source::action(file, text).says(at, TOO_DEEP)]);
    }
    let rule = Source::rule(file, text);
    let syntax = match examine(&rule, table) {
        Ok(examined) => return examined,
        Err(syntax) => syntax,
    };
    if rule.is_typescript()
        && let Some(function) = alone(text, &outline.lines)
        && let Ok(examined) = examine(&Source::rule(file, &function), table)
    {
        return examined;
    }
    if !text.contains("onExecutePostLogin") {
        return Err(vec![syntax]);
    }
    let of_action = match examine(&Source::action(file, text), table) {
        Ok(examined) => return examined,
        Err(of_action) => of_action,
    };
    if rule.is_typescript()
        && let Ok(examined) = examine(&Source::module(file, text), table)
    {
        return examined;
    }
    let is_a_rule = syntax.place > of_action.place; // It was understood as far as there.
    Err(vec![if is_a_rule { syntax } else { of_action }])
}

/// Parses and examines; the outer error is the first syntax error.
fn examine(source: &Source<'_>, table: &ModuleTable) -> Result<Result<Program, Vec<Diagnostic>>, Diagnostic> {
    let allocator = Allocator::default();
    let is_typescript = source.is_typescript();
    let language = if is_typescript { SourceType::ts() } else { SourceType::cjs() };
    let language = if source.is_module { language.with_module(true) } else { language.with_script(true) };
    let options = ParseOptions {
        parse_regular_expression: true,
        allow_return_outside_function: false,
        ..ParseOptions::default()
    };
    let parsed = Parser::new(&allocator, &source.parsed, language).with_options(options).parse();
    if let Some(error) = parsed.diagnostics.iter().next() {
        return Err(syntax_error(source, error));
    }
    if let Some(at) = nesting::too_deep(&parsed.program) {
        return Ok(Err(vec![source.says(at, TOO_DEEP)]));
    }
    let built =
        SemanticBuilder::new_compiler().with_build_nodes(true).with_check_syntax_error(true).build(&parsed.program);
    if let Some(error) = built.diagnostics.iter().next() {
        return Err(syntax_error(source, error));
    }
    if source.kind == Kind::Rule && !is_function(&parsed.program) {
        return Err(source.says(1, "a rule is a function (user, context, callback); this is something else"));
    }
    let mut code = source.code(&source.parsed);
    let mut refused = Vec::new();
    if is_typescript {
        let mut types = Types::new(&source.parsed, &parsed.program.comments);
        types.visit_program(&parsed.program);
        refused.extend(types.refused.iter().map(|(offset, message)| source.says(*offset, *message)));
        code = source.code(&types.erased()) + &types.exported(&built.semantic);
    }
    let mut findings = Findings::default();
    findings.visit_program(&parsed.program);
    refused.extend(findings.beyond.iter().map(|(offset, message)| source.says(*offset, *message)));
    let members = members(&parsed.program);
    if source.kind == Kind::Action && !findings.is_action && refused.is_empty() {
        return Err(source.says(0, "an Action sets `exports.onExecutePostLogin`"));
    }
    let program = Examination { source, table, refused, warnings: Vec::new(), wanted: Vec::new() };
    Ok(program.conclude(code, findings, members, (&parsed.program, &built.semantic)))
}

fn syntax_error(source: &Source<'_>, error: &oxc_diagnostics::OxcDiagnostic) -> Diagnostic {
    let offset = error.labels.iter().next().map_or(0, |label| label.offset());
    let (start, is_typescript) = (usize::from(source.kind == Kind::Rule), source.file.ends_with(".ts"));
    match instead(&source.parsed, start, is_typescript, offset as usize, &error.message) {
        Some((at, message)) => source.says(u32::try_from(at).unwrap_or(offset), message),
        None => source.says(offset, format!("syntax error: {}", lower_first(&error.message))),
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

fn is_function(program: &Tree<'_>) -> bool {
    use oxc_ast::ast::{Expression, Statement};
    let [Statement::ExpressionStatement(statement)] = program.body.as_slice() else { return false };
    matches!(
        statement.expression.get_inner_expression(),
        Expression::FunctionExpression(_) | Expression::ArrowFunctionExpression(_)
    )
}

/// Findings held against what there is.
struct Examination<'s> {
    source: &'s Source<'s>,
    table: &'s ModuleTable,
    refused: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    /// Modules, in the order in which they were met.
    wanted: Vec<String>,
}

impl Examination<'_> {
    fn conclude(
        mut self,
        code: String,
        findings: Findings,
        members: Members,
        (tree, semantic): (&Tree<'_>, &Semantic<'_>),
    ) -> Result<Program, Vec<Diagnostic>> {
        if self.source.kind == Kind::Action {
            self.want("vestibule:actions");
            self.actions(&findings);
        }
        let requires = self.requires(&findings);
        self.free_names(semantic);
        for module in self.table.mentioned(self.source.text) {
            self.want(module);
        }
        self.methods_of_modules(&findings, semantic);
        let has_sdk = self.wanted.iter().any(|name| name == "auth0");
        for (method, offset) in findings.methods.iter().filter(|_| has_sdk) {
            if let Some(why) = self.table.refused_management(method) {
                self.refused.push(self.source.says(*offset, format!("`{method}` is not available in a rule: {why}")));
            }
        }
        self.refused.sort_by_key(|diagnostic| diagnostic.place);
        self.warnings.sort_by_key(|diagnostic| diagnostic.place);
        if !self.refused.is_empty() {
            return Err(self.refused);
        }
        let modules = self.table.in_order(self.wanted.iter().map(String::as_str));
        let sending = self.wanted.iter().map(String::as_str).filter(|module| !STAGING.contains(module));
        let needs_http = self.table.sends_requests(&self.table.in_order(sending));
        let origins = if needs_http { findings.origins } else { BTreeSet::new() };
        Ok(Program {
            kind: self.source.kind,
            code,
            needs_http,
            enough: enough(tree, semantic, &modules, |name| {
                names::is_there(name) || !matches!(self.table.find_global(name), Found::Unknown)
            }),
            modules,
            requires,
            origins,
            redirects: findings.redirects,
            may_redirect: findings.may_redirect,
            configuration: findings.configuration,
            sets_by_name: findings.sets_by_name,
            reads: members.reads,
            hosts: hosts(&members.sets),
            sets: members.sets,
            addresses: if needs_http { members.addresses } else { BTreeSet::new() },
            redirect_keys: members.redirect_keys,
            warnings: self.warnings,
        })
    }

    fn want(&mut self, module: &str) {
        if !self.wanted.iter().any(|wanted| wanted == module) {
            self.wanted.push(module.to_owned());
        }
    }

    fn requires(&mut self, findings: &Findings) -> Vec<(String, Place)> {
        let mut requires: Vec<(String, Place)> = Vec::new();
        for (asked, offset) in &findings.requires {
            let said = match self.table.find(asked) {
                Found::Module(module) => {
                    self.want(module);
                    self.warn_of(module, *offset);
                    None
                }
                Found::Impossible(why) => Some(format!("`{asked}` cannot be required in a rule: {why}")),
                Found::Unknown => {
                    let names: Vec<&str> = self.table.names().collect();
                    Some(format!("there is no module `{asked}` for rules; there are {}", names.join(", ")))
                }
            };
            self.refused.extend(said.map(|message| self.source.says(*offset, message)));
            if !requires.iter().any(|(known, _)| known == asked) {
                requires.push((asked.clone(), self.source.says(*offset, "").place));
            }
        }
        let computed = "`require` with a computed name finds only what is required by a literal elsewhere in this file";
        self.warnings.extend(findings.computed_requires.iter().map(|offset| self.source.says(*offset, computed)));
        requires
    }

    /// What whoever uses this module should know.
    fn warn_of(&mut self, module: &str, offset: u32) {
        let warning = self.table.warning(module).map(|warning| format!("`{module}`: {warning}"));
        self.warnings.extend(warning.map(|message| self.source.says(offset, message)));
    }

    /// Names that nobody declared: magic globals of old, or mistakes.
    fn free_names(&mut self, semantic: &Semantic<'_>) {
        let mut free: Vec<(String, u32, bool)> = Vec::new();
        for (name, references) in semantic.scoping().root_unresolved_references() {
            for reference in references.iter().map(|id| semantic.scoping().get_reference(*id)) {
                if reference.is_value() {
                    let parent = semantic.nodes().parent_kind(reference.node_id());
                    let is_asked_for =
                        matches!(parent, AstKind::UnaryExpression(unary) if unary.operator == UnaryOperator::Typeof);
                    free.push((name.to_string(), semantic.reference_span(reference).start, is_asked_for));
                }
            }
        }
        free.sort_by_key(|(_, offset, _)| *offset);
        let mut told = BTreeSet::new();
        for (name, offset, is_asked_for) in free {
            if names::is_there(&name) {
                continue;
            }
            match self.table.find_global(&name) {
                Found::Module(module) => {
                    self.want(module);
                    if told.insert(name) {
                        self.warn_of(module, offset);
                    }
                }
                Found::Impossible(why) if !is_asked_for => {
                    self.refused.push(self.source.says(offset, format!("`{name}` is not there in a rule: {why}")));
                }
                Found::Unknown if !is_asked_for && told.insert(name.clone()) => {
                    let message = match name.as_str() {
                        "Intl" => {
                            "`Intl` is not there in a rule: format dates with `moment-timezone`, numbers with `toFixed`"
                                .to_owned()
                        }
                        _ => format!(
                            "`{name}` is declared nowhere; it is there only if an earlier rule set `global.{name}`"
                        ),
                    };
                    self.warnings.push(self.source.says(offset, message));
                }
                Found::Impossible(_) | Found::Unknown => {}
            }
        }
    }

    /// What the modules that it uses cannot do here, and what needs the words of a language. Where the text does not show
    /// that it is the module which is asked, that is a warning.
    fn methods_of_modules(&mut self, findings: &Findings, semantic: &Semantic<'_>) {
        let calls = module_calls(semantic, self.table);
        let mut told = BTreeSet::new();
        for ModuleCall { module, method, at, .. } in &calls {
            if let Some(why) = self.table.refused_method(std::slice::from_ref(module), method) {
                told.insert(*at);
                self.refused.push(self.source.says(*at, format!("`{method}` is not available in a rule: {why}")));
            }
        }
        for (method, offset) in findings.methods.iter().filter(|(_, offset)| !told.contains(offset)) {
            if let Some(why) = self.table.refused_method(&self.wanted, method) {
                let message = format!("`{method}` of a module is not available in a rule: {why}");
                self.warnings.push(self.source.says(*offset, message));
            }
        }
        for (algorithms, offset) in &findings.algorithms {
            if let Some(why) = self.table.refused_algorithms(&self.wanted, algorithms) {
                let asked = calls.iter().filter(|call| call.has_option_at(*offset));
                let mut asked = asked.map(|call| std::slice::from_ref(&call.module));
                let is_asked = asked.any(|module| self.table.refused_algorithms(module, algorithms).is_some());
                let names = algorithms.join(", ");
                if is_asked {
                    self.refused.push(self.source.says(*offset, format!("{names} is not available in a rule: {why}")));
                } else {
                    let message = format!("{names} of a module is not available in a rule: {why}");
                    self.warnings.push(self.source.says(*offset, message));
                }
            }
        }
        for (method, offset) in &findings.localised {
            let message = format!(
                "`{method}` with a language or options throws, there is no `Intl` in a rule: format dates with `moment-timezone`, numbers with `toFixed`"
            );
            self.warnings.push(self.source.says(*offset, message));
        }
    }

    fn actions(&mut self, findings: &Findings) {
        for (group, method, offset) in &findings.api {
            if let Some(why) = self.table.refused_action(group, method) {
                let message = format!("`api.{group}.{method}` is not available here: {why}");
                self.refused.push(self.source.says(*offset, message));
            }
            if let Some(module) = self.table.of_action_member(method) {
                self.want(module);
            }
        }
    }
}
