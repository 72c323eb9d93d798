//! What a source does, as far as its text tells: one walk over the tree.

use std::collections::BTreeSet;

use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, BindingPattern, CallExpression, ComputedMemberExpression,
    Declaration, Decorator, ExportDeclaration, ExportNamedDeclaration, Expression, ImportExpression, NewExpression,
    ObjectProperty, PropertyKey, StaticMemberExpression, StringLiteral, TemplateLiteral, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use url::Url;
use vestibule_abi::owned::{CLAIMS_LITERAL_ONLY, USER_LITERAL_ONLY};

use crate::members::SENDS_BROWSER;

/// Methods that take a language, and how to write in it.
const LOCALISED: &[&str] = &["toLocaleDateString", "toLocaleString", "toLocaleTimeString"];
const ENTRY: &str = "onExecutePostLogin";

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Calls of `require` with a literal: the name, where.
    pub(crate) requires: Vec<(String, u32)>,
    /// Calls of `require` with anything else.
    pub(crate) computed_requires: Vec<u32>,
    pub(crate) origins: BTreeSet<String>,
    pub(crate) redirects: BTreeSet<String>,
    pub(crate) may_redirect: bool,
    pub(crate) configuration: BTreeSet<String>,
    pub(crate) sets_by_name: BTreeSet<String>,
    /// Methods that are called: the name, where.
    pub(crate) methods: Vec<(String, u32)>,
    /// Members of `api.group.method`: where.
    pub(crate) api: Vec<(String, String, u32)>,
    /// What `algorithm` and `algorithms` of options are, as far as they are literals: where.
    pub(crate) algorithms: Vec<(Vec<String>, u32)>,
    /// Calls that ask for the words of a language, or for a form of their own: the method, where.
    pub(crate) localised: Vec<(String, u32)>,
    /// Whether `exports.onExecutePostLogin` is set.
    pub(crate) is_action: bool,
    /// Whether this is about where the browser goes, whose texts are no origins of requests.
    is_redirect: bool,
    /// What the grammar allows and the interpreter does not have: where, and what to write instead.
    pub(crate) beyond: Vec<(u32, &'static str)>,
}

impl Findings {
    fn text(&mut self, text: &str) {
        if let Some(origin) = origin(text).filter(|_| !self.is_redirect) {
            self.origins.insert(origin);
        }
    }

    /// Looks at a value that may be where the browser goes.
    fn redirecting(&mut self, is_address: bool, visit: impl FnOnce(&mut Self)) {
        let before = self.is_redirect;
        self.is_redirect = before || is_address;
        visit(self);
        self.is_redirect = before;
    }
}

/// The origin of a URL at the beginning of a text. A host that is only begun (`https://` + …) is none.
fn origin(text: &str) -> Option<String> {
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    let url = Url::parse(text).ok().filter(|_| is_url)?;
    url.host_str().filter(|host| host.contains('.') || *host == "localhost")?;
    Some(url.origin().ascii_serialization())
}

/// The literal that an expression begins with.
fn leading_text<'e>(expression: &'e Expression<'_>) -> Option<&'e str> {
    match expression {
        Expression::StringLiteral(literal) => Some(literal.value.as_str()),
        Expression::TemplateLiteral(template) => leading_quasi(template),
        Expression::BinaryExpression(sum) => leading_text(&sum.left),
        Expression::ParenthesizedExpression(inner) => leading_text(&inner.expression),
        _ => None,
    }
}

/// The literals that an expression may begin with: both sides of `configuration.FORM || 'https://…'`.
fn leading_texts<'e>(expression: &'e Expression<'_>) -> Vec<&'e str> {
    match expression.get_inner_expression() {
        Expression::LogicalExpression(either) => [leading_texts(&either.left), leading_texts(&either.right)].concat(),
        Expression::ConditionalExpression(choice) => {
            [leading_texts(&choice.consequent), leading_texts(&choice.alternate)].concat()
        }
        other => leading_text(other).into_iter().collect(),
    }
}

/// The text of a template before its first hole, where it holds the whole host.
fn leading_quasi<'e>(template: &'e TemplateLiteral<'_>) -> Option<&'e str> {
    let text = template.quasis.first()?.value.cooked.as_ref()?.as_str();
    let after_scheme = text.split_once("://")?.1;
    (template.expressions.is_empty() || after_scheme.contains('/')).then_some(text)
}

/// Whether an object has the function of an Action.
fn has_entry(expression: &Expression<'_>) -> bool {
    let Expression::ObjectExpression(object) = expression.get_inner_expression() else { return false };
    let mut properties = object.properties.iter().filter_map(|property| property.as_property());
    properties.any(|property| property.key.static_name().is_some_and(|name| name == ENTRY))
}

/// The names that a declaration makes.
pub(crate) fn names_of(declaration: &Declaration<'_>) -> Vec<String> {
    match declaration {
        Declaration::VariableDeclaration(variables) => {
            let names = variables.declarations.iter().flat_map(|variable| variable.id.get_binding_identifiers());
            names.map(|name| name.name.to_string()).collect()
        }
        Declaration::FunctionDeclaration(function) => function.id.iter().map(|name| name.name.to_string()).collect(),
        Declaration::ClassDeclaration(class) => class.id.iter().map(|name| name.name.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn is_named(expression: &Expression<'_>, name: &str) -> bool {
    matches!(expression, Expression::Identifier(identifier) if identifier.name == name)
}

fn is_member(expression: &Expression<'_>, object: &str, property: &str) -> bool {
    matches!(expression, Expression::StaticMemberExpression(member)
        if is_named(&member.object, object) && member.property.name == property)
}

/// The bag and key of an assignment such as `user.email = …` and `context.idToken.email_verified = …`.
fn bag_and_key<'t>(target: &'t AssignmentTarget<'_>) -> Option<(&'static str, &'t str)> {
    let (object, key) = match target {
        AssignmentTarget::StaticMemberExpression(member) => (&member.object, member.property.name.as_str()),
        AssignmentTarget::ComputedMemberExpression(member) => match &member.expression {
            Expression::StringLiteral(literal) => (&member.object, literal.value.as_str()),
            _ => return None,
        },
        _ => return None,
    };
    let bag = if is_named(object, "user") {
        "user"
    } else if is_member(object, "context", "idToken") {
        "id_token"
    } else if is_member(object, "context", "accessToken") {
        "access_token"
    } else {
        return None;
    };
    Some((bag, key))
}

fn who_in(bag: &str) -> &'static [&'static str] {
    if bag == "user" { USER_LITERAL_ONLY } else { CLAIMS_LITERAL_ONLY }
}

/// Whether the arguments of such a method ask for no more than there is without `Intl`.
fn is_in_english(arguments: &[Argument<'_>]) -> bool {
    let is_default = |argument: &Argument<'_>| match argument.as_expression() {
        Some(Expression::StringLiteral(language)) => language.value == "en-US" || language.value == "en",
        Some(expression) => expression.is_undefined(),
        None => false,
    };
    match arguments {
        [] => true,
        [language] => is_default(language),
        _ => false,
    }
}

/// What an option says, where that is a literal or an array of them.
fn literals(expression: &Expression<'_>) -> Vec<(String, u32)> {
    let text = |literal: &StringLiteral<'_>| (literal.value.to_string(), literal.span.start);
    match expression {
        Expression::StringLiteral(literal) => vec![text(literal)],
        Expression::ArrayExpression(array) => {
            let known = array.elements.iter().map(|element| match element.as_expression() {
                Some(Expression::StringLiteral(literal)) => Some(text(literal)),
                _ => None,
            });
            known.collect::<Option<Vec<_>>>().unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn is_context_member(target: &AssignmentTarget<'_>, name: &str) -> bool {
    matches!(target, AssignmentTarget::StaticMemberExpression(member)
        if is_named(&member.object, "context") && member.property.name == name)
}

impl<'a> Visit<'a> for Findings {
    fn visit_decorator(&mut self, decorator: &Decorator<'a>) {
        let message = "a decorator is not there in a rule: call it as a function on the class or method";
        self.beyond.push((decorator.span.start, message));
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        self.beyond.push((import.span.start, "`import()` is not there in a rule: use `require('name')`"));
        walk::walk_import_expression(self, import);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if is_named(&call.callee, "require") {
            match call.arguments.first() {
                Some(Argument::StringLiteral(name)) => self.requires.push((name.value.to_string(), call.span.start)),
                Some(Argument::TemplateLiteral(name)) if name.expressions.is_empty() => {
                    let text = name.quasis.first().and_then(|quasi| quasi.value.cooked.as_ref());
                    self.requires.push((text.map(ToString::to_string).unwrap_or_default(), call.span.start));
                }
                _ => self.computed_requires.push(call.span.start),
            }
            return;
        }
        if let Expression::StaticMemberExpression(member) = &call.callee {
            self.methods.push((member.property.name.to_string(), member.property.span.start));
            if LOCALISED.contains(&member.property.name.as_str()) && !is_in_english(&call.arguments) {
                self.localised.push((member.property.name.to_string(), member.property.span.start));
            }
            if SENDS_BROWSER.contains(&member.property.name.as_str()) {
                self.may_redirect = true;
                let first = call.arguments.first().and_then(Argument::as_expression).map(leading_texts);
                let first = first.unwrap_or_default();
                self.redirects.extend(first.iter().filter_map(|text| origin(text)));
                self.visit_expression(&call.callee);
                // Where the browser goes is no place for a request.
                for (at, argument) in call.arguments.iter().enumerate() {
                    self.redirecting(at == 0 && !first.is_empty(), |this| this.visit_argument(argument));
                }
                return;
            }
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_new_expression(&mut self, new: &NewExpression<'a>) {
        // It reads its key from what it is given, not by a name in this source.
        let is_given =
            |argument: &Argument<'_>| argument.as_expression().is_some_and(|given| is_named(given, "configuration"));
        if is_named(&new.callee, "Auth0RedirectRuleUtilities") && new.arguments.iter().any(is_given) {
            self.configuration.insert("SESSION_TOKEN_SECRET".to_owned());
        }
        walk::walk_new_expression(self, new);
    }

    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        if is_named(&member.object, "configuration") {
            self.configuration.insert(member.property.name.to_string());
        }
        if let Expression::StaticMemberExpression(object) = &member.object {
            let (group, method) = (object.property.name.as_str(), member.property.name.as_str());
            if is_named(&object.object, "api") {
                self.api.push((group.to_owned(), method.to_owned(), object.property.span.start));
            } else if is_named(&object.object, "event") && group == "secrets" {
                self.configuration.insert(method.to_owned());
            }
        }
        walk::walk_static_member_expression(self, member);
    }

    fn visit_computed_member_expression(&mut self, member: &ComputedMemberExpression<'a>) {
        // A literal in brackets is a key, such as the namespace of a claim: never where a request goes.
        match &member.expression {
            Expression::StringLiteral(key) if is_named(&member.object, "configuration") => {
                self.configuration.insert(key.value.to_string());
            }
            Expression::StringLiteral(_) => {}
            expression => self.visit_expression(expression),
        }
        self.visit_expression(&member.object);
    }

    fn visit_object_property(&mut self, property: &ObjectProperty<'a>) {
        if property.computed {
            self.visit_property_key(&property.key);
        }
        if property.key.static_name().is_some_and(|name| name == "algorithm" || name == "algorithms") {
            let (names, places): (Vec<String>, Vec<u32>) = literals(&property.value).into_iter().unzip();
            self.algorithms.extend(places.first().map(|place| (names, *place)));
        }
        self.visit_expression(&property.value);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        let of_configuration = declarator
            .init
            .as_ref()
            .is_some_and(|init| is_named(init, "configuration") || is_member(init, "event", "secrets"));
        if let (true, BindingPattern::ObjectPattern(pattern)) = (of_configuration, &declarator.id) {
            for property in &pattern.properties {
                if let PropertyKey::StaticIdentifier(key) = &property.key {
                    self.configuration.insert(key.name.to_string());
                }
            }
        }
        // The namespace of claims is kept in a constant more often than the address of a service is.
        let is_namespace = matches!(&declarator.id, BindingPattern::BindingIdentifier(name)
            if name.name.to_ascii_lowercase().contains("namespace") || name.name == "ns");
        if !is_namespace {
            walk::walk_variable_declarator(self, declarator);
        }
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        if let Some((bag, key)) = bag_and_key(&assignment.left)
            && who_in(bag).contains(&key)
        {
            self.sets_by_name.insert(format!("{bag}.{key}"));
        }
        if is_context_member(&assignment.left, "redirect") {
            self.may_redirect = true;
            if let Expression::ObjectExpression(object) = &assignment.right {
                let urls = object.properties.iter().filter_map(|property| property.as_property());
                self.redirects.extend(urls.flat_map(|property| leading_texts(&property.value)).filter_map(origin));
                self.visit_assignment_target(&assignment.left);
                // Where the browser goes is no place for a request; what is computed on the way may be.
                for property in object.properties.iter().filter_map(|property| property.as_property()) {
                    let is_address = !leading_texts(&property.value).is_empty();
                    self.redirecting(is_address, |this| this.visit_expression(&property.value));
                }
                return;
            }
        }
        if let AssignmentTarget::StaticMemberExpression(member) = &assignment.left {
            let is_exports = is_named(&member.object, "module") && member.property.name == "exports";
            self.is_action |= member.property.name == ENTRY || (is_exports && has_entry(&assignment.right));
        }
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_export_named_declaration(&mut self, export: &ExportNamedDeclaration<'a>) {
        self.is_action |= export.specifiers.iter().any(|specifier| specifier.exported.name() == ENTRY);
    }

    fn visit_export_declaration(&mut self, export: &ExportDeclaration<'a>) {
        self.is_action |= names_of(&export.declaration).iter().any(|name| name == ENTRY);
        walk::walk_export_declaration(self, export);
    }

    fn visit_string_literal(&mut self, literal: &StringLiteral<'a>) {
        self.text(&literal.value);
    }

    fn visit_template_literal(&mut self, template: &TemplateLiteral<'a>) {
        if let Some(text) = leading_quasi(template) {
            self.text(text);
        }
        walk::walk_template_literal(self, template);
    }
}
