//! Which module a call is of: `require('crypto').createSign()`, `crypto.createSign()`, `createSign()` of one taken apart.
//!
//! Only what the text shows. A method of anything else that has the same name is the author's own.

use oxc_ast::{
    AstKind,
    ast::{BindingPattern, CallExpression, Expression},
};
use oxc_semantic::{Semantic, SymbolId};
use oxc_span::{GetSpan as _, Span};

use crate::modules::{Found, ModuleTable};

/// A call of a module's function.
#[derive(Debug)]
pub(crate) struct ModuleCall {
    pub(crate) module: String,
    pub(crate) method: String,
    /// Where the method stands.
    pub(crate) at: u32,
    /// The objects among its arguments: its options.
    options: Vec<Span>,
}

impl ModuleCall {
    /// Whether something stands among its options.
    pub(crate) fn has_option_at(&self, offset: u32) -> bool {
        self.options.iter().any(|span| span.start <= offset && offset < span.end)
    }
}

/// All calls of functions of modules.
pub(crate) fn module_calls(semantic: &Semantic<'_>, table: &ModuleTable) -> Vec<ModuleCall> {
    let receivers = Receivers { semantic, table };
    let calls = semantic.nodes().iter().filter_map(|node| match node.kind() {
        AstKind::CallExpression(call) => receivers.call(call),
        _ => None,
    });
    calls.collect()
}

struct Receivers<'s, 'a> {
    semantic: &'s Semantic<'a>,
    table: &'s ModuleTable,
}

impl<'a> Receivers<'_, 'a> {
    fn call(&self, call: &CallExpression<'a>) -> Option<ModuleCall> {
        let (module, method, at) = match call.callee.get_inner_expression() {
            Expression::StaticMemberExpression(member) => {
                let module = self.module(member.object.get_inner_expression())?;
                (module, member.property.name.to_string(), member.property.span.start)
            }
            Expression::Identifier(name) => {
                let symbol = self.semantic.scoping().get_reference(name.reference_id()).symbol_id()?;
                let (module, method) = self.taken_apart(symbol)?;
                (module, method, name.span.start)
            }
            _ => return None,
        };
        let objects =
            call.arguments.iter().filter_map(|argument| match argument.as_expression()?.get_inner_expression() {
                Expression::ObjectExpression(object) => Some(object.span()),
                _ => None,
            });
        Some(ModuleCall { module, method, at, options: objects.collect() })
    }

    /// The module that an expression is.
    fn module(&self, expression: &Expression<'a>) -> Option<String> {
        let Expression::Identifier(name) = expression else { return self.required(expression) };
        let found = match self.semantic.scoping().get_reference(name.reference_id()).symbol_id() {
            None => self.table.find_global(&name.name),
            Some(symbol) => match self.declared_with(symbol)? {
                (BindingPattern::BindingIdentifier(_), init) => return self.required(init),
                _ => return None,
            },
        };
        module_of(found)
    }

    /// The module that a call of `require` gives.
    fn required(&self, expression: &Expression<'a>) -> Option<String> {
        let Expression::CallExpression(call) = expression.get_inner_expression() else { return None };
        let is_require = matches!(&call.callee, Expression::Identifier(name) if name.name == "require");
        match call.arguments.first()?.as_expression()? {
            Expression::StringLiteral(name) if is_require => module_of(self.table.find(&name.value)),
            _ => None,
        }
    }

    /// The module and its member that a name of `const { member: name } = require('module')` is.
    fn taken_apart(&self, symbol: SymbolId) -> Option<(String, String)> {
        let (BindingPattern::ObjectPattern(pattern), init) = self.declared_with(symbol)? else { return None };
        let is_it = |binding: &BindingPattern<'_>| matches!(binding, BindingPattern::BindingIdentifier(name) if name.symbol_id.get() == Some(symbol));
        let property = pattern.properties.iter().find(|property| is_it(&property.value))?;
        let module = match init {
            Expression::Identifier(_) => self.module(init)?,
            _ => self.required(init)?,
        };
        Some((module, property.key.static_name()?.to_string()))
    }

    fn declared_with(&self, symbol: SymbolId) -> Option<(&'a BindingPattern<'a>, &'a Expression<'a>)> {
        match self.semantic.nodes().kind(self.semantic.scoping().symbol_declaration(symbol)) {
            AstKind::VariableDeclarator(declarator) => Some((&declarator.id, declarator.init.as_ref()?)),
            _ => None,
        }
    }
}

fn module_of(found: Found<'_>) -> Option<String> {
    match found {
        Found::Module(module) => Some(module.to_owned()),
        Found::Impossible(_) | Found::Unknown => None,
    }
}
