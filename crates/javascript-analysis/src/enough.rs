//! What of the event is enough for a Rule, where its text tells: what `reads` of its manifest can be.
//!
//! It tells where `user` and `context` are taken apart by name and handed to nobody but `callback`. What a source might do
//! besides is not guessed at: then the rule needs everything. A change needs what it changes, since only a difference
//! to what was there is a change.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use oxc_ast::{
    AstKind,
    ast::{
        Argument, BindingPattern, CallExpression, Expression, FormalParameters, ObjectPattern, Program, PropertyKey,
        Statement,
    },
};
use oxc_semantic::{NodeId, Semantic, SymbolId};
use oxc_span::{GetSpan as _, Span};
use oxc_syntax::operator::{LogicalOperator, UnaryOperator};

/// Names that reach what the parameters hold, or a global name without naming it.
const REACHING: &[&str] = &["arguments", "eval", "Function"];
/// Names of the object that has the global names as its members.
const GLOBAL: &[&str] = &["global", "globalThis"];
/// The member of every function's prototype that makes functions of texts.
const CONSTRUCTOR: &str = "constructor";
/// Modules that look at the event themselves.
const LOOKING: &[&str] = &["auth0", "@auth0/rule-utilities", "vestibule:actions"];
/// The module that sends requests, and answers those to the Management API of this login's host itself.
const EXCHANGE: &str = "vestibule:exchange";
/// The clock, the randomness and what earlier rules left: no name in a source says that they are used.
const UNNAMED: &[&str] = &["context.now", "context.seed", "shared"];
/// A source that names more takes the event apart in another way than by name.
const MOST: usize = 128;

/// Properties of the user that `app_metadata` never covers; any other name that it has covers theirs (U-2).
const NEVER_COVERED: &[&str] = &[
    "created_at",
    "email",
    "email_verified",
    "identities",
    "logins_count",
    "phone_number",
    "phone_verified",
    "updated_at",
    "user_id",
];

/// The paths that are enough, as `reads` takes them; `None` where the text does not tell. `is_ours` tells names that are
/// there for every rule from those that only an earlier one can have set.
pub(crate) fn enough(
    program: &Program<'_>,
    semantic: &Semantic<'_>,
    modules: &[String],
    is_ours: impl Fn(&str) -> bool,
) -> Option<BTreeSet<String>> {
    let (parameters, own_name) = function(program)?;
    let has_rest = parameters.rest.is_some() || parameters.items.iter().any(|item| item.initializer.is_some());
    if has_rest || modules.iter().any(|module| LOOKING.contains(&module.as_str())) {
        return None;
    }
    let [user, context, callback] = [0, 1, 2].map(|position| parameter(parameters, position));
    let paths = UNNAMED.iter().map(|path| (*path).to_owned()).collect();
    let mut survey = Survey { semantic, user: user?, context: context?, callback: callback?, paths };
    let is_declared_again = |symbol: &SymbolId| !semantic.scoping().symbol_redeclarations(*symbol).is_empty();
    if [survey.user, survey.context, survey.callback].iter().flatten().any(is_declared_again) {
        return None; // `var user = …` gives it another value, and is no use of its name.
    }
    if own_name.is_some_and(|name| !survey.uses(Some(name)).is_empty()) || survey.is_beyond_names() {
        return None; // It may call itself with anything, or reach what it does not name.
    }
    survey.all_of("user", survey.user)?;
    survey.all_of("context", survey.context)?;
    survey.calls_back()?;
    survey.stores()?;
    if modules.iter().any(|module| module == EXCHANGE) {
        survey.paths.extend(["context.request", "context.tenant"].map(str::to_owned));
        let mut free = semantic.scoping().root_unresolved_references().keys();
        if free.any(|name| GLOBAL.contains(&name.as_str()) || !is_ours(name.as_str())) {
            survey.paths.insert("user".to_owned()); // An earlier rule may have left it the token that reads the profile.
        }
    }
    Some(survey.paths).filter(|paths| paths.len() <= MOST)
}

/// The rule's parameters, and the name it can call itself by.
fn function<'p, 'a>(program: &'p Program<'a>) -> Option<(&'p FormalParameters<'a>, Option<SymbolId>)> {
    let [Statement::ExpressionStatement(statement)] = program.body.as_slice() else { return None };
    match statement.expression.get_inner_expression() {
        Expression::FunctionExpression(function) => {
            Some((&function.params, function.id.as_ref().map(|name| name.symbol_id())))
        }
        Expression::ArrowFunctionExpression(function) => Some((&function.params, None)),
        _ => None,
    }
}

/// A parameter that is a plain name; the inner `None`: there is none at this position.
fn parameter(parameters: &FormalParameters<'_>, position: usize) -> Option<Option<SymbolId>> {
    match parameters.items.get(position).map(|item| &item.pattern) {
        None => Some(None),
        Some(BindingPattern::BindingIdentifier(name)) => Some(Some(name.symbol_id())),
        Some(_) => None,
    }
}

/// The bag that a method of `auth0.users` stores.
fn stored_by(method: &str) -> Option<&'static str> {
    match method {
        "updateUserMetadata" => Some("user.user_metadata"),
        "updateAppMetadata" => Some("user.app_metadata"),
        _ => None,
    }
}

struct Survey<'s, 'a> {
    semantic: &'s Semantic<'a>,
    user: Option<SymbolId>,
    context: Option<SymbolId>,
    callback: Option<SymbolId>,
    paths: BTreeSet<String>,
}

impl<'a> Survey<'_, 'a> {
    /// Where a parameter is named.
    fn uses(&self, symbol: Option<SymbolId>) -> Vec<NodeId> {
        let references = symbol.into_iter().flat_map(|symbol| self.semantic.scoping().get_resolved_references(symbol));
        references.map(|reference| reference.node_id()).collect()
    }

    /// Where a name is used that nobody declared.
    fn uses_of_global(&self, name: &str) -> Vec<NodeId> {
        let scoping = self.semantic.scoping();
        let unresolved = scoping.root_unresolved_references().iter().filter(|(known, _)| known.as_str() == name);
        unresolved.flat_map(|(_, ids)| ids.iter().map(|id| scoping.get_reference(*id).node_id())).collect()
    }

    fn kind(&self, node: NodeId) -> AstKind<'a> {
        self.semantic.nodes().kind(node)
    }

    fn parent(&self, node: NodeId) -> (NodeId, AstKind<'a>) {
        let parent = self.semantic.nodes().parent_id(node);
        (parent, self.kind(parent))
    }

    fn span(&self, node: NodeId) -> Span {
        self.kind(node).span()
    }

    /// The members named one after the other from here on, and the expression they come to.
    fn members(&self, from: NodeId) -> (Vec<String>, NodeId) {
        let (mut path, mut at) = (Vec::new(), from);
        loop {
            let (parent, kind) = self.parent(at);
            match kind {
                AstKind::StaticMemberExpression(member) if member.object.span() == self.span(at) => {
                    path.push(member.property.name.to_string());
                }
                AstKind::ComputedMemberExpression(member) if member.object.span() == self.span(at) => {
                    let Expression::StringLiteral(key) = &member.expression else { return (path, at) };
                    path.push(key.value.to_string());
                }
                AstKind::ChainExpression(_)
                | AstKind::ParenthesizedExpression(_)
                | AstKind::TSAsExpression(_)
                | AstKind::TSNonNullExpression(_)
                | AstKind::TSSatisfiesExpression(_)
                | AstKind::TSTypeAssertion(_) => {}
                _ => return (path, at),
            }
            at = parent;
        }
    }

    /// The call that an expression is the function of.
    fn call_of(&self, callee: NodeId) -> Option<(NodeId, &'a CallExpression<'a>)> {
        match self.parent(callee) {
            (id, AstKind::CallExpression(call)) if call.callee.span() == self.span(callee) => Some((id, call)),
            _ => None,
        }
    }

    /// Takes up what all uses of a parameter need.
    fn all_of(&mut self, root: &str, parameter: Option<SymbolId>) -> Option<()> {
        for node in self.uses(parameter) {
            let (mut path, at) = self.members(node);
            if self.call_of(at).is_some() || matches!(self.parent(at).1, AstKind::TaggedTemplateExpression(_)) {
                path.pop()?; // A method is no member of the event: `user.email.split` needs `user.email`.
            }
            match path.as_slice() {
                [] => self.bare(root, at)?,
                [first, rest @ ..] => self.need(root, first, rest)?,
            }
        }
        Some(())
    }

    /// A parameter by itself: handed to `callback`, taken apart into names, or only looked at.
    fn bare(&mut self, root: &str, at: NodeId) -> Option<()> {
        let span = self.span(at);
        match self.parent(at).1 {
            AstKind::CallExpression(call) => {
                let is_error = call.arguments.first().is_some_and(|error| error.span() == span); // Its text is the reason.
                (self.is_named(&call.callee, self.callback) && !is_error).then_some(())
            }
            AstKind::VariableDeclarator(declarator) => match &declarator.id {
                BindingPattern::ObjectPattern(pattern) => self.taken_apart(root, pattern),
                _ => None,
            },
            AstKind::UnaryExpression(unary) => (unary.operator == UnaryOperator::LogicalNot).then_some(()),
            AstKind::IfStatement(_) => Some(()),
            AstKind::LogicalExpression(both) => {
                (both.operator == LogicalOperator::And && both.left.span() == span).then_some(())
            }
            AstKind::ConditionalExpression(choice) => (choice.test.span() == span).then_some(()),
            _ => None,
        }
    }

    fn taken_apart(&mut self, root: &str, pattern: &ObjectPattern<'_>) -> Option<()> {
        if pattern.rest.is_some() {
            return None;
        }
        pattern.properties.iter().try_for_each(|property| match &property.key {
            PropertyKey::StaticIdentifier(key) => self.need(root, &key.name, &[]),
            _ => None,
        })
    }

    /// Metadata are needed key by key, all else whole from its first level on: `user.name.length` needs the name.
    fn need(&mut self, root: &str, first: &str, rest: &[String]) -> Option<()> {
        let is_bag = root == "user" && matches!(first, "user_metadata" | "app_metadata");
        let path = match rest.first().filter(|_| is_bag) {
            Some(key) => format!("{root}.{first}.{}", segment(key)?),
            None => format!("{root}.{}", segment(first)?),
        };
        self.paths.insert(path);
        if root == "user" && !is_bag && !NEVER_COVERED.contains(&first) {
            self.paths.insert(format!("user.app_metadata.{}", segment(first)?));
        }
        Some(())
    }

    /// `callback` ends the rule with what it was given, or with an error; nobody else gets it.
    fn calls_back(&self) -> Option<()> {
        self.uses(self.callback).into_iter().try_for_each(|node| {
            let (path, at) = self.members(node);
            let is_fine = match (self.call_of(at), self.parent(at).1) {
                (Some((_, call)), _) => {
                    let gives = |position: usize, what| match call.arguments.get(position) {
                        None => true,
                        Some(argument) => argument.as_expression().is_some_and(|given| {
                            given.is_null_or_undefined() || self.is_named(given, what)
                        }),
                    };
                    !call.arguments.iter().any(Argument::is_spread) && gives(1, self.user) && gives(2, self.context)
                }
                // Given an error, and nothing else.
                (None, AstKind::CallExpression(call)) => {
                    call.arguments.len() == 1
                        && matches!(&call.callee, Expression::StaticMemberExpression(member) if member.property.name == "catch")
                }
                (None, _) => false,
            };
            (path.is_empty() && is_fine).then_some(())
        })
    }

    fn is_named(&self, expression: &Expression<'_>, symbol: Option<SymbolId>) -> bool {
        let Expression::Identifier(name) = expression.get_inner_expression() else { return false };
        symbol.is_some() && self.semantic.scoping().get_reference(name.reference_id()).symbol_id() == symbol
    }

    /// Whether it may reach what the parameters hold, or a global name, without naming it.
    fn is_beyond_names(&self) -> bool {
        let reaches = |kind: AstKind<'_>| match kind {
            AstKind::ThisExpression(_) | AstKind::WithStatement(_) => true,
            AstKind::StaticMemberExpression(member) => member.property.name == CONSTRUCTOR,
            AstKind::StringLiteral(text) => text.value == CONSTRUCTOR,
            AstKind::BindingIdentifier(name) => REACHING.contains(&name.name.as_str()),
            _ => false,
        };
        let leads_on =
            |name: &str| ["auth0", "require"].contains(&name) || GLOBAL.contains(&name) || REACHING.contains(&name);
        let mut globals = GLOBAL.iter().flat_map(|name| self.uses_of_global(name));
        let mut required = self.uses_of_global("require").into_iter();
        let is_plain = |node| {
            let argument = self.call_of(node).and_then(|(_, call)| call.arguments.first());
            match argument {
                Some(Argument::StringLiteral(_)) => true,
                Some(Argument::TemplateLiteral(name)) => name.expressions.is_empty(),
                Some(_) | None => false,
            }
        };
        REACHING.iter().any(|name| !self.uses_of_global(name).is_empty())
            || globals.any(|node| self.members(node).0.first().is_none_or(|name| leads_on(name)))
            || required.any(|node| !is_plain(node))
            || self.semantic.nodes().iter().any(|node| reaches(node.kind()))
    }

    /// What storing metadata needs: the bag, of which `{}` deletes every key, and whose user it is.
    fn stores(&mut self) -> Option<()> {
        for node in self.uses_of_global("auth0") {
            let (path, at) = self.members(node);
            let [users, method] = path.as_slice() else { return None };
            let (id, call) = self.call_of(at).filter(|_| users == "users")?;
            if !self.is_dropped(id, call) {
                return None;
            }
            self.paths.extend([stored_by(method)?, "user.user_id"].map(str::to_owned));
        }
        Some(())
    }

    /// Whether nobody takes what storing gives, which is the whole user.
    fn is_dropped(&self, id: NodeId, call: &CallExpression<'_>) -> bool {
        let takes_at_most = |argument: Option<&Argument<'_>>, most: usize| match argument {
            None => true,
            Some(Argument::FunctionExpression(function)) => takes(&function.params) <= most,
            Some(Argument::ArrowFunctionExpression(function)) => takes(&function.params) <= most,
            Some(_) => false,
        };
        if call.arguments.iter().any(Argument::is_spread) || !takes_at_most(call.arguments.get(2), 1) {
            return false;
        }
        let mut promise = id;
        loop {
            let (path, at) = self.members(promise);
            let Some((next, call)) = self.call_of(at) else { break };
            match path.as_slice() {
                [then] if then == "then" => {
                    return takes_at_most(call.arguments.first(), 0) && !call.arguments.is_empty();
                }
                [goes_on] if goes_on == "catch" || goes_on == "finally" => promise = next,
                _ => return false,
            }
        }
        let (parent, kind) = self.parent(promise);
        let is_statement = |kind: AstKind<'_>| matches!(kind, AstKind::ExpressionStatement(_));
        is_statement(kind) || (matches!(kind, AstKind::AwaitExpression(_)) && is_statement(self.parent(parent).1))
    }
}

/// How many values a function takes.
fn takes(parameters: &FormalParameters<'_>) -> usize {
    if parameters.rest.is_some() { usize::MAX } else { parameters.items.len() }
}

/// A name as a segment of a path; `None` for one that cannot be written there.
fn segment(name: &str) -> Option<String> {
    let is_plain = !name.is_empty() && !name.contains('"') && !name.ends_with("[]");
    is_plain.then(|| if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() })
}
