//! Which members of the event a source reads and sets, as far as their names stand in it, and which keys of the
//! configuration hold an address that it sends requests to.

use std::collections::BTreeSet;

use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentOperator, AssignmentTarget, BinaryExpression, BindingPattern,
    CallExpression, ComputedMemberExpression, Expression, ObjectProperty, Program, PropertyKey, StaticMemberExpression,
    TemplateLiteral, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};

/// Where a path begins.
const ROOTS: &[&str] = &["user", "context", "event", "configuration"];
/// Functions and methods whose first argument is an address.
const REQUESTS: &[&str] = &["request", "fetch", "axios", "got", "get", "post", "put", "patch", "delete", "head"];
/// Options that are one.
const ADDRESSES: &[&str] = &["url", "uri", "baseURL", "baseUrl", "host", "hostname"];
/// Methods that send the browser somewhere.
pub(crate) const SENDS_BROWSER: &[&str] = &["sendUserTo", "doRedirect"];
/// What people call a key that holds one.
const NAMES: &[&str] = &["URL", "URI", "HOOK", "ENDPOINT", "HOST"];

/// What was seen; paths as `context.request.geoip`.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) reads: BTreeSet<String>,
    pub(crate) sets: BTreeSet<String>,
    /// Keys of the configuration that hold an address of a service.
    pub(crate) addresses: BTreeSet<String>,
    /// Keys of the configuration that hold where the browser goes.
    pub(crate) redirect_keys: BTreeSet<String>,
    /// Whether this is about where the browser goes.
    is_redirect: bool,
}

pub(crate) fn members(program: &Program<'_>) -> Members {
    let mut members = Members::default();
    members.visit_program(program);
    members
}

/// `user.app_metadata["plan"]` as its segments; nothing where a part of it is computed.
fn path(expression: &Expression<'_>) -> Option<Vec<String>> {
    match expression.get_inner_expression() {
        Expression::Identifier(root) if ROOTS.contains(&root.name.as_str()) => Some(vec![root.name.to_string()]),
        Expression::StaticMemberExpression(member) => path_of_static(member),
        Expression::ComputedMemberExpression(member) => path_of_computed(member),
        _ => None,
    }
}

fn path_of_static(member: &StaticMemberExpression<'_>) -> Option<Vec<String>> {
    let mut path = path(&member.object)?;
    path.push(member.property.name.to_string());
    Some(path)
}

fn path_of_computed(member: &ComputedMemberExpression<'_>) -> Option<Vec<String>> {
    let mut path = path(&member.object)?;
    match &member.expression {
        Expression::StringLiteral(key) => path.push(key.value.to_string()),
        _ => return None,
    }
    Some(path)
}

/// `configuration.KEY` or `event.secrets.KEY`.
fn key(expression: &Expression<'_>) -> Option<String> {
    match path(expression)?.as_slice() {
        [root, key] if root == "configuration" => Some(key.clone()),
        [event, secrets, key] if event == "event" && secrets == "secrets" => Some(key.clone()),
        _ => None,
    }
}

/// The key that an address begins with, after its scheme.
fn leading_key(expression: &Expression<'_>) -> Option<String> {
    match expression.get_inner_expression() {
        Expression::BinaryExpression(sum) if is_scheme(&sum.left) => key(&sum.right),
        Expression::BinaryExpression(sum) => leading_key(&sum.left),
        Expression::TemplateLiteral(template) => leading_key_of(template, &["", "https://", "http://"]),
        Expression::LogicalExpression(either) => leading_key(&either.left).or_else(|| leading_key(&either.right)),
        Expression::ConditionalExpression(choice) => {
            leading_key(&choice.consequent).or_else(|| leading_key(&choice.alternate))
        }
        other => key(other),
    }
}

fn leading_key_of(template: &TemplateLiteral<'_>, before: &[&str]) -> Option<String> {
    let text = template.quasis.first()?.value.cooked.as_ref()?.as_str();
    before.contains(&text).then(|| key(template.expressions.first()?)).flatten()
}

fn is_scheme(expression: &Expression<'_>) -> bool {
    matches!(expression, Expression::StringLiteral(text) if text.value == "https://" || text.value == "http://")
}

impl Members {
    fn read(&mut self, path: &[String]) {
        if path.len() > 1 {
            self.reads.insert(path.join("."));
        }
        let key = match path {
            [root, key, ..] if root == "configuration" => key,
            [event, secrets, key, ..] if event == "event" && secrets == "secrets" => key,
            _ => return,
        };
        let upper = key.to_ascii_uppercase();
        if NAMES.iter().any(|name| upper.contains(name)) {
            self.address(key.clone());
        }
    }

    fn address(&mut self, key: impl Into<Option<String>>) {
        match self.is_redirect {
            true => self.redirect_keys.extend(key.into()),
            false => self.addresses.extend(key.into()),
        }
    }

    /// Does something that is about where the browser goes.
    fn redirecting(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.is_redirect, true);
        visit(self);
        self.is_redirect = before;
    }

    /// A member that is set: what it lies in is read, unless that is a root.
    fn set(&mut self, target: &AssignmentTarget<'_>) -> bool {
        let set = match target {
            AssignmentTarget::StaticMemberExpression(member) => path_of_static(member),
            AssignmentTarget::ComputedMemberExpression(member) => path_of_computed(member),
            _ => None,
        };
        let Some(set) = set else { return false };
        if let Some((_, owner)) = set.split_last() {
            self.read(owner);
        }
        self.sets.insert(set.join("."));
        true
    }
}

impl<'a> Visit<'a> for Members {
    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        match path_of_static(member) {
            Some(path) => self.read(&path),
            None => walk::walk_static_member_expression(self, member),
        }
    }

    fn visit_computed_member_expression(&mut self, member: &ComputedMemberExpression<'a>) {
        match path_of_computed(member) {
            Some(path) => self.read(&path),
            None => walk::walk_computed_member_expression(self, member),
        }
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        let name = match &call.callee {
            Expression::Identifier(function) => Some(function.name.as_str()),
            Expression::StaticMemberExpression(member) => Some(member.property.name.as_str()),
            _ => None,
        };
        if name.is_some_and(|name| REQUESTS.contains(&name)) {
            let address = call.arguments.first().and_then(Argument::as_expression).and_then(leading_key);
            self.address(address);
        }
        // A method is no member of the event: `user.email.split` reads `user.email`.
        match &call.callee {
            Expression::StaticMemberExpression(member) => self.visit_expression(&member.object),
            callee => self.visit_expression(callee),
        }
        match name.filter(|name| SENDS_BROWSER.contains(name)) {
            Some(_) => self.redirecting(|this| {
                this.address(call.arguments.first().and_then(Argument::as_expression).and_then(leading_key));
                this.visit_arguments(&call.arguments);
            }),
            None => self.visit_arguments(&call.arguments),
        }
    }

    fn visit_object_property(&mut self, property: &ObjectProperty<'a>) {
        let is_address = property.key.static_name().is_some_and(|name| ADDRESSES.contains(&name.as_ref()));
        if is_address {
            self.address(leading_key(&property.value));
        }
        walk::walk_object_property(self, property);
    }

    fn visit_template_literal(&mut self, template: &TemplateLiteral<'a>) {
        self.address(leading_key_of(template, &["https://", "http://"]));
        walk::walk_template_literal(self, template);
    }

    fn visit_binary_expression(&mut self, sum: &BinaryExpression<'a>) {
        if is_scheme(&sum.left) {
            self.address(key(&sum.right));
        }
        walk::walk_binary_expression(self, sum);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let (BindingPattern::ObjectPattern(pattern), Some(init)) = (&declarator.id, &declarator.init)
            && let Some(owner) = path(init)
        {
            for property in &pattern.properties {
                if let PropertyKey::StaticIdentifier(key) = &property.key {
                    self.read(&[owner.as_slice(), &[key.name.to_string()]].concat());
                }
            }
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        let is_plain = assignment.operator == AssignmentOperator::Assign;
        let is_set = self.set(&assignment.left);
        if !(is_plain && is_set) {
            self.visit_assignment_target(&assignment.left);
        }
        let is_redirect = matches!(&assignment.left, AssignmentTarget::StaticMemberExpression(member)
            if path_of_static(member).is_some_and(|path| path.join(".").starts_with("context.redirect")));
        match is_redirect {
            true => self.redirecting(|this| this.visit_expression(&assignment.right)),
            false => self.visit_expression(&assignment.right),
        }
    }
}
