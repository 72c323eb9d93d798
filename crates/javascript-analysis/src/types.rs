//! TypeScript: its types are blanked, character for character, so that everything else stays where it was.
//!
//! What needs code of its own (enums, namespaces, parameter properties) is refused: erasing would change what it does.

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    AccessorProperty, Class, Comment, Declaration, ExportAllDeclaration, ExportDeclaration, ExportDefaultDeclaration,
    ExportFromDeclaration, ExportNamedDeclaration, FormalParameter, Function, ImportDeclaration,
    ImportDeclarationSpecifier, MethodDefinition, PropertyDefinition, Statement, TSAsExpression, TSEnumDeclaration,
    TSIndexSignature, TSInstantiationExpression, TSNamespaceDeclaration, TSNonNullExpression, TSSatisfiesExpression,
    TSThisParameter, TSTypeAnnotation, TSTypeAssertion, TSTypeParameterDeclaration, TSTypeParameterInstantiation,
    VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_semantic::Semantic;
use oxc_span::{GetSpan, SourceType, Span};
use oxc_syntax::{identifier::is_identifier_name, scope::ScopeFlags};

use crate::findings::names_of;

const EXPORT: &str = "an Action exports functions by their names: `export const onExecutePostLogin = …`";
const MODIFIERS: &[&str] = &["public", "private", "protected", "readonly", "override"];
/// How many places are tried for where types end and a function begins.
const TRIED: usize = 8;

/// Whether a statement leaves nothing when its types are erased.
fn is_type(statement: &Statement<'_>) -> bool {
    match statement {
        Statement::ImportDeclaration(import) => import.import_kind.is_type() || has_types_alone(import),
        Statement::ExportDeclaration(export) => declares_type(&export.declaration),
        Statement::ExportNamedDeclaration(export) => export.export_kind.is_type(),
        Statement::ExportFromDeclaration(export) => export.export_kind.is_type(),
        Statement::EmptyStatement(_) => true,
        _ => statement.as_declaration().is_some_and(declares_type),
    }
}

fn declares_type(declaration: &Declaration<'_>) -> bool {
    match declaration {
        Declaration::TSTypeAliasDeclaration(_) | Declaration::TSInterfaceDeclaration(_) => true,
        Declaration::VariableDeclaration(declaration) => declaration.declare,
        Declaration::FunctionDeclaration(function) => function.body.is_none(),
        Declaration::ClassDeclaration(class) => class.declare,
        Declaration::TSEnumDeclaration(declaration) => declaration.declare,
        Declaration::TSNamespaceDeclaration(declaration) => declaration.declare,
        Declaration::TSExternalModuleDeclaration(declaration) => declaration.declare,
        Declaration::TSGlobalDeclaration(declaration) => declaration.declare,
        Declaration::TSImportEqualsDeclaration(_) => false,
    }
}

/// `import { type Event } from '…'`.
fn has_types_alone(import: &ImportDeclaration<'_>) -> bool {
    import.specifiers.as_ref().is_some_and(|specifiers| {
        !specifiers.is_empty()
            && specifiers.iter().all(|specifier| {
                matches!(specifier, ImportDeclarationSpecifier::ImportSpecifier(one) if one.import_kind.is_type())
            })
    })
}

/// The text of a Rule with the types that stand beside its function blanked; `None` where there is something else, or
/// nothing. `lines` are where lines begin that stand in no bracket.
pub(crate) fn alone(text: &str, lines: &[usize]) -> Option<String> {
    let starts = |words: &'static [&'static str]| {
        let begins =
            move |at: &usize| text.get(*at..).is_some_and(|rest| words.iter().any(|word| rest.starts_with(word)));
        lines.iter().copied().filter(begins)
    };
    let only_types = |text: &str| {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, text, SourceType::ts()).parse();
        parsed.diagnostics.is_empty() && parsed.program.body.iter().all(is_type)
    };
    let is_function = |text: &str| {
        let allocator = Allocator::default();
        let text = format!("({text}\n)");
        let parsed = Parser::new(&allocator, &text, SourceType::ts().with_script(true)).parse();
        parsed.diagnostics.is_empty() && !parsed.program.body.is_empty()
    };
    let from = starts(&["function", "async", "("]).take(TRIED).find(|at| text.get(..*at).is_some_and(only_types))?;
    let ends = starts(&["type ", "interface ", "declare ", "export ", "import "]).filter(|end| *end > from);
    let to = ends.take(TRIED).chain([text.len()]).find(|end| {
        text.get(*end..).is_some_and(only_types)
            && text.get(from..*end).is_some_and(|text| is_function(text.trim_end().trim_end_matches(';')))
    })?;
    let blank = |(at, character): (usize, char)| match character {
        '\n' | '\r' => character,
        _ if (from..to).contains(&at) => character,
        _ => ' ',
    };
    Some(text.char_indices().map(blank).collect())
}

/// The spans to blank, and what cannot be blanked.
#[derive(Debug, Default)]
pub(crate) struct Types<'t> {
    text: &'t str,
    /// The text with its comments blanked, byte for byte: where words and marks are looked for.
    words: String,
    blanks: Vec<Blank>,
    /// What a module exports: the name, and what it is called inside.
    exports: Vec<(String, String)>,
    /// What has to be written otherwise: where, and how.
    pub(crate) refused: Vec<(u32, &'static str)>,
}

#[derive(Debug)]
struct Blank {
    span: Span,
    /// A statement leaves a `;`, so that the lines around it do not run into one.
    is_statement: bool,
}

impl<'t> Types<'t> {
    pub(crate) fn new(text: &'t str, comments: &[Comment]) -> Self {
        let (mut words, mut done) = (String::with_capacity(text.len()), 0);
        for (start, end) in comments.iter().map(|comment| (comment.span.start as usize, comment.span.end as usize)) {
            words.push_str(text.get(done..start).unwrap_or_default());
            words.extend((start..end).map(|_| ' '));
            done = end;
        }
        words.push_str(text.get(done..).unwrap_or_default());
        Self { text, words, ..Self::default() }
    }

    /// The text without its types.
    pub(crate) fn erased(&mut self) -> String {
        self.blanks.sort_by_key(|blank| blank.span.start);
        let mut blanks = self.blanks.iter().peekable();
        let (mut end, mut is_statement) = (0, false);
        let erase = |(at, character): (usize, char)| {
            while let Some(blank) = blanks.next_if(|blank| blank.span.start as usize <= at) {
                end = end.max(blank.span.end as usize);
                is_statement |= blank.is_statement;
            }
            match character {
                '\n' | '\r' => character,
                _ if at >= end => character,
                _ if std::mem::take(&mut is_statement) => ';',
                _ => ' ',
            }
        };
        self.text.char_indices().map(erase).collect()
    }

    /// What a module gives to others, as a script says it. It stands behind everything else. Types are nothing to give.
    pub(crate) fn exported(&self, semantic: &Semantic<'_>) -> String {
        let scoping = semantic.scoping();
        let is_type = |local: &str| {
            let mut names = scoping.get_bindings(scoping.root_scope_id()).iter();
            let found = names.find(|(name, _)| name.as_str() == local);
            found.is_some_and(|(_, symbol)| !scoping.symbol_flags(*symbol).is_value())
        };
        let values = self.exports.iter().filter(|(_, local)| !is_type(local));
        let given = values.map(|(name, local)| match is_identifier_name(name) {
            true => format!("exports.{name} = {local};"),
            false => format!("exports[{}] = {local};", serde_json::Value::from(name.as_str())),
        });
        given.fold(String::new(), |text, one| format!("{text}{}{one}", if text.is_empty() { "\n" } else { " " }))
    }

    fn blank(&mut self, start: u32, end: u32) {
        self.blanks.push(Blank { span: Span::new(start, end), is_statement: false });
    }

    fn blank_span(&mut self, span: Span) {
        self.blank(span.start, span.end);
    }

    /// A mark such as `?` or `!` that stands between two offsets.
    fn blank_mark(&mut self, mark: char, start: u32, end: u32) {
        let between = self.words.get(start as usize..end as usize).unwrap_or_default();
        if let Some(at) = between.find(mark).and_then(|at| u32::try_from(at).ok()) {
            self.blank(start + at, start + at + 1);
        }
    }

    /// The words before a member of a class that only its types are about.
    fn blank_modifiers(&mut self, start: u32, end: u32) {
        let before = self.words.get(start as usize..end as usize).unwrap_or_default();
        for modifier in MODIFIERS {
            let is_word = |(at, word): &(usize, &str)| {
                let beside = |text: Option<&str>, last: bool| {
                    let near = text.and_then(|text| if last { text.chars().next_back() } else { text.chars().next() });
                    near.is_some_and(|near| near.is_alphanumeric() || near == '_' || near == '$')
                };
                !beside(before.get(..*at), true) && !beside(before.get(at + word.len()..), false)
            };
            let found = before.match_indices(modifier).find(is_word);
            if let Some(at) = found.and_then(|(at, _)| u32::try_from(at).ok()) {
                self.blanks.push(Blank {
                    span: Span::sized(start + at, u32::try_from(modifier.len()).unwrap_or_default()),
                    is_statement: false,
                });
            }
        }
    }

    fn refuse(&mut self, span: Span, message: &'static str) {
        self.refused.push((span.start, message));
    }
}

impl<'a> Visit<'a> for Types<'_> {
    fn visit_statement(&mut self, statement: &Statement<'a>) {
        if is_type(statement) {
            self.blanks.push(Blank { span: statement.span(), is_statement: true });
        } else {
            walk::walk_statement(self, statement);
        }
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        self.refuse(
            import.span,
            "`import` is not available in a rule: use `const name = require('name')`, and `import type` for types",
        );
    }

    fn visit_export_named_declaration(&mut self, export: &ExportNamedDeclaration<'a>) {
        let values = export.specifiers.iter().filter(|specifier| !specifier.export_kind.is_type());
        self.exports.extend(values.map(|one| (one.exported.name().to_string(), one.local.name().to_string())));
        self.blanks.push(Blank { span: export.span, is_statement: true });
    }

    fn visit_export_declaration(&mut self, export: &ExportDeclaration<'a>) {
        self.exports.extend(names_of(&export.declaration).into_iter().map(|name| (name.clone(), name)));
        self.blank(export.span.start, export.declaration.span().start);
        walk::walk_export_declaration(self, export);
    }

    fn visit_export_from_declaration(&mut self, export: &ExportFromDeclaration<'a>) {
        self.refuse(export.span, EXPORT);
    }

    fn visit_export_default_declaration(&mut self, export: &ExportDefaultDeclaration<'a>) {
        self.refuse(export.span, EXPORT);
    }

    fn visit_export_all_declaration(&mut self, export: &ExportAllDeclaration<'a>) {
        self.refuse(export.span, EXPORT);
    }

    fn visit_ts_enum_declaration(&mut self, declaration: &TSEnumDeclaration<'a>) {
        self.refuse(declaration.span, "an `enum` cannot be erased: use a constant object");
    }

    fn visit_ts_namespace_declaration(&mut self, declaration: &TSNamespaceDeclaration<'a>) {
        self.refuse(declaration.span, "a `namespace` cannot be erased: use a constant object");
    }

    fn visit_ts_type_annotation(&mut self, annotation: &TSTypeAnnotation<'a>) {
        self.blank_span(annotation.span);
    }

    fn visit_ts_type_parameter_declaration(&mut self, parameters: &TSTypeParameterDeclaration<'a>) {
        self.blank_span(parameters.span);
    }

    fn visit_ts_type_parameter_instantiation(&mut self, arguments: &TSTypeParameterInstantiation<'a>) {
        self.blank_span(arguments.span);
    }

    fn visit_ts_instantiation_expression(&mut self, expression: &TSInstantiationExpression<'a>) {
        walk::walk_ts_instantiation_expression(self, expression);
    }

    fn visit_ts_this_parameter(&mut self, parameter: &TSThisParameter<'a>) {
        let rest = self.words.get(parameter.span.end as usize..).unwrap_or_default();
        let comma = rest.trim_start().starts_with(',').then(|| rest.find(',').unwrap_or_default() + 1);
        let end = parameter.span.end + comma.and_then(|length| u32::try_from(length).ok()).unwrap_or_default();
        self.blank(parameter.span.start, end);
    }

    fn visit_ts_as_expression(&mut self, expression: &TSAsExpression<'a>) {
        self.blank(expression.expression.span().end, expression.span.end);
        self.visit_expression(&expression.expression);
    }

    fn visit_ts_satisfies_expression(&mut self, expression: &TSSatisfiesExpression<'a>) {
        self.blank(expression.expression.span().end, expression.span.end);
        self.visit_expression(&expression.expression);
    }

    fn visit_ts_type_assertion(&mut self, expression: &TSTypeAssertion<'a>) {
        self.blank(expression.span.start, expression.expression.span().start);
        self.visit_expression(&expression.expression);
    }

    fn visit_ts_non_null_expression(&mut self, expression: &TSNonNullExpression<'a>) {
        self.blank(expression.expression.span().end, expression.span.end);
        self.visit_expression(&expression.expression);
    }

    fn visit_formal_parameter(&mut self, parameter: &FormalParameter<'a>) {
        if parameter.accessibility.is_some() || parameter.readonly || parameter.r#override {
            self.refuse(parameter.span, "a parameter property cannot be erased: assign it in the constructor");
        }
        if parameter.optional {
            self.blank_mark(
                '?',
                parameter.pattern.span().end,
                parameter.span.end.max(parameter.pattern.span().end + 1),
            );
        }
        walk::walk_formal_parameter(self, parameter);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if declarator.definite {
            self.blank_mark('!', declarator.id.span().end, declarator.span.end);
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        walk::walk_function(self, function, flags);
    }

    fn visit_class(&mut self, class: &Class<'a>) {
        if class.r#abstract {
            self.refuse(class.span, "`abstract` is not available in a rule");
        }
        if let (Some(first), Some(last)) = (class.implements.first(), class.implements.last()) {
            let before = self.words.get(..first.span.start as usize).and_then(|text| text.rfind("implements"));
            if let Some(start) = before.and_then(|start| u32::try_from(start).ok()) {
                self.blank(start, last.span.end);
            }
        }
        walk::walk_class(self, class);
    }

    fn visit_method_definition(&mut self, method: &MethodDefinition<'a>) {
        if method.value.body.is_none() {
            self.blank_span(method.span); // A signature of one that follows.
            return;
        }
        self.blank_modifiers(method.span.start, method.key.span().start);
        if method.optional {
            self.blank_mark('?', method.key.span().end, method.value.span.end);
        }
        walk::walk_method_definition(self, method);
    }

    fn visit_property_definition(&mut self, property: &PropertyDefinition<'a>) {
        if property.declare {
            self.blank_span(property.span);
            return;
        }
        self.blank_modifiers(property.span.start, property.key.span().start);
        if property.optional {
            self.blank_mark('?', property.key.span().end, property.span.end);
        }
        if property.definite {
            self.blank_mark('!', property.key.span().end, property.span.end);
        }
        walk::walk_property_definition(self, property);
    }

    fn visit_ts_index_signature(&mut self, signature: &TSIndexSignature<'a>) {
        self.blank_span(signature.span);
    }

    fn visit_accessor_property(&mut self, property: &AccessorProperty<'a>) {
        self.refuse(property.span, "`accessor` is not available in a rule");
    }
}
