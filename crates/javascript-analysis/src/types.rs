//! TypeScript: its types are blanked, character for character, so that everything else stays where it was.
//!
//! What needs code of its own (enums, namespaces, parameter properties) is refused: erasing would change what it does.

use oxc_ast::ast::{
    AccessorProperty, Class, ExportNamedDeclaration, FormalParameter, Function, ImportDeclaration, MethodDefinition,
    PropertyDefinition, Statement, TSAsExpression, TSEnumDeclaration, TSInstantiationExpression,
    TSNamespaceDeclaration, TSNonNullExpression, TSSatisfiesExpression, TSThisParameter, TSTypeAnnotation,
    TSTypeAssertion, TSTypeParameterDeclaration, TSTypeParameterInstantiation, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use oxc_syntax::scope::ScopeFlags;

/// The spans to blank, and what cannot be blanked.
#[derive(Debug, Default)]
pub(crate) struct Types<'t> {
    text: &'t str,
    blanks: Vec<Blank>,
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
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, ..Self::default() }
    }

    /// The text without its types.
    pub(crate) fn erased(&self) -> String {
        let mut characters: Vec<(usize, char)> = self.text.char_indices().collect();
        for Blank { span, is_statement } in &self.blanks {
            let inside = |at: usize| at >= span.start as usize && at < span.end as usize;
            let mut first = *is_statement;
            for (at, character) in &mut characters {
                if inside(*at) && !matches!(character, '\n' | '\r') {
                    *character = if std::mem::take(&mut first) { ';' } else { ' ' };
                }
            }
        }
        characters.into_iter().map(|(_, character)| character).collect()
    }

    fn blank(&mut self, start: u32, end: u32) {
        self.blanks.push(Blank { span: Span::new(start, end), is_statement: false });
    }

    fn blank_span(&mut self, span: Span) {
        self.blank(span.start, span.end);
    }

    /// A mark such as `?` or `!` that stands between two offsets.
    fn blank_mark(&mut self, mark: char, start: u32, end: u32) {
        let between = self.text.get(start as usize..end as usize).unwrap_or_default();
        if let Some(at) = between.find(mark).and_then(|at| u32::try_from(at).ok()) {
            self.blank(start + at, start + at + 1);
        }
    }

    fn refuse(&mut self, span: Span, message: &'static str) {
        self.refused.push((span.start, message));
    }
}

impl<'a> Visit<'a> for Types<'_> {
    fn visit_statement(&mut self, statement: &Statement<'a>) {
        let is_type = match statement {
            Statement::TSTypeAliasDeclaration(_) | Statement::TSInterfaceDeclaration(_) => true,
            Statement::VariableDeclaration(declaration) => declaration.declare,
            Statement::FunctionDeclaration(function) => function.body.is_none(),
            Statement::ClassDeclaration(class) => class.declare,
            Statement::ImportDeclaration(import) => import.import_kind.is_type(),
            Statement::ExportNamedDeclaration(export) => export.export_kind.is_type(),
            _ => false,
        };
        if is_type {
            self.blanks.push(Blank { span: statement.span(), is_statement: true });
        } else {
            walk::walk_statement(self, statement);
        }
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        self.refuse(import.span, "`import` is not available in a rule: use `const name = require('name')`");
    }

    fn visit_export_named_declaration(&mut self, export: &ExportNamedDeclaration<'a>) {
        self.refuse(export.span, "`export` is not available in an Action: use `exports.onExecutePostLogin = …`");
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
        let rest = self.text.get(parameter.span.end as usize..).unwrap_or_default();
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
        if class.r#abstract || !class.implements.is_empty() {
            self.refuse(class.span, "`abstract` and `implements` are not available in a rule");
        }
        walk::walk_class(self, class);
    }

    fn visit_method_definition(&mut self, method: &MethodDefinition<'a>) {
        if method.accessibility.is_some() || method.r#override || method.optional {
            self.refuse(method.span, "modifiers of class members are not available in a rule: leave them out");
        }
        walk::walk_method_definition(self, method);
    }

    fn visit_property_definition(&mut self, property: &PropertyDefinition<'a>) {
        if property.accessibility.is_some()
            || property.readonly
            || property.declare
            || property.optional
            || property.definite
        {
            self.refuse(property.span, "modifiers of class members are not available in a rule: leave them out");
        }
        walk::walk_property_definition(self, property);
    }

    fn visit_accessor_property(&mut self, property: &AccessorProperty<'a>) {
        self.refuse(property.span, "`accessor` is not available in a rule");
    }
}
