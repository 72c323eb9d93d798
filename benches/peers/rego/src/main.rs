//! Rego, by regorus: claims and metadata as rules of a policy, which the host reads as one object.
//!
//! As its documentation has it: the policy is added to an `Engine` once, the prepared engine is cloned for each thread,
//! and each login sets the input and evaluates one rule.

use anyhow::bail;
use regorus::Engine;
use vestibule_contest::{
    host::{Decide, Library, MakeRule},
    rule::{Answer, Rule},
    serve::serve,
};

const FIELDS: &str = r#"
answer := {"deny": "email_not_verified"} if not input.user.email_verified

answer := {"continue": {
	"id_token": {
		"https://example.com/plan": input.user.app_metadata.plan,
		"https://example.com/email": input.user.email,
	},
	"app_metadata": {"last_plan": input.user.app_metadata.plan},
}} if input.user.email_verified
"#;

const GROUPS: &str = r#"
sales := [group | some group in input.user.groups; startswith(group, "sales:")]

answer := {"deny": "email_not_verified"} if not input.user.email_verified

answer := {"continue": {
	"id_token": {
		"https://example.com/sales_groups": count(sales),
		"https://example.com/last_sales_group": sales[count(sales) - 1],
	},
	"app_metadata": {"sales_groups": count(sales)},
}} if input.user.email_verified
"#;

fn main() -> anyhow::Result<()> {
    let deploy = |rule: Rule, number: usize| -> anyhow::Result<MakeRule> {
        let policy = match rule {
            Rule::Fields => FIELDS,
            Rule::Groups => GROUPS,
            Rule::Compute => bail!("Rego has no loop that carries a state"),
        };
        let mut engine = Engine::new();
        engine.add_policy("rule.rego".to_owned(), format!("package rule{number}\n\nimport rego.v1\n{policy}"))?;
        let answer = format!("data.rule{number}.answer");
        Ok(Box::new(move || Ok(Box::new(Prepared { engine: engine.clone(), answer: answer.clone() }))))
    };
    serve(&Library { described: format!("regorus {}", script::version("regorus")), deploy })
}

struct Prepared {
    engine: Engine,
    answer: String,
}

impl Decide for Prepared {
    fn decide(&mut self, event: &str) -> anyhow::Result<Answer> {
        self.engine.set_input_json(event)?;
        let answer = self.engine.eval_rule(self.answer.clone())?;
        Ok(serde_json::from_str(&answer.to_json_str()?)?)
    }
}
