//! The attribute `#[vestibule::rule]`: it leaves the function as it is and adds the export that the host calls.
//!
//! It looks at nothing but the function's name and the number of its parameters, so it needs no parser and costs no
//! compile time. What the types have to be is said by traits in the crate `vestibule`, with the compiler's own errors.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Makes a function the rule of this crate: the host calls it once for each login.
///
/// It takes one argument, a type that can be read from the event, and gives an answer or a `Result` of one. A crate has
/// exactly one rule. Natively the function stays an ordinary one, so that `cargo test` can call it.
#[proc_macro_attribute]
pub fn rule(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match export(arguments, &item) {
        Ok(export) => item.into_iter().chain(export).collect(),
        Err(message) => {
            let error = parse(&format!("::core::compile_error!({message:?});"));
            item.into_iter().chain(error).collect()
        }
    }
}

/// The export beside the function, or what is wrong with it.
fn export(arguments: TokenStream, item: &TokenStream) -> Result<TokenStream, String> {
    if !arguments.is_empty() {
        return Err("`#[vestibule::rule]` takes no arguments; what a rule may do stands in `rule.toml`".into());
    }
    let name = signature(item)?;
    let call =
        format!("|event| ::vestibule::IntoAnswer::into_answer({name}(::vestibule::FromEvent::from_event(event)?))");
    Ok(parse(&format!(
        r#"
        // Natively the types are checked all the same, and the function counts as used.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(::vestibule::Event<'_>) -> ::vestibule::Result<::vestibule::Answer> = {call};

        #[cfg(target_arch = "wasm32")]
        const _: () = {{
            #[allow(unsafe_code, reason = "the export that the host calls")]
            #[unsafe(no_mangle)]
            extern "C" fn run() {{
                ::vestibule::__private::run({call})
            }}
        }};
        "#
    )))
}

/// The name of the function, if it is one that can be a rule.
fn signature(item: &TokenStream) -> Result<String, String> {
    let not_a_function = || "`#[vestibule::rule]` goes on a function".to_owned();
    let mut tokens = item.clone().into_iter();
    loop {
        match tokens.next().ok_or_else(not_a_function)? {
            TokenTree::Ident(word) if word.to_string() == "fn" => break,
            TokenTree::Ident(word) if word.to_string() == "async" => {
                return Err("a rule is not `async`: `http::Pending` keeps several requests in flight".into());
            }
            _ => {}
        }
    }
    let Some(TokenTree::Ident(name)) = tokens.next() else { return Err(not_a_function()) };
    let parameters = tokens.find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => Some(group),
        _ => None,
    });
    match parameters.as_ref().map(count) {
        Some(1) => Ok(name.to_string()),
        _ => Err(format!("a rule takes one argument, the event: `fn {name}(event: Event<'_>) -> Result<Answer>`")),
    }
}

/// How many parameters stand between the parentheses.
fn count(parameters: &Group) -> usize {
    let mut depth = 0_i32;
    let (mut commas, mut trailing, mut previous) = (0, true, ' ');
    for token in parameters.stream() {
        trailing = false;
        let sign = if let TokenTree::Punct(punct) = &token { punct.as_char() } else { ' ' };
        match sign {
            '<' => depth += 1,
            '>' if previous != '-' => depth -= 1,
            ',' if depth == 0 => {
                commas += 1;
                trailing = true;
            }
            _ => {}
        }
        previous = sign;
    }
    commas + usize::from(!trailing)
}

fn parse(code: &str) -> TokenStream {
    // Only ever fails on a mistake in the text above, which the first use of the macro would show.
    code.parse().unwrap_or_default()
}
