//! The measured rules as an Extism plug-in: JSON in, JSON out, parsed into types of what is needed, as the guide of
//! `extism-pdk` does it with `Json`.

use extism_pdk::{FnResult, FromBytes, Json, ToBytes, encoding, plugin_fn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const STEPS: u32 = 500_000;

#[derive(Deserialize, FromBytes)]
#[encoding(Json)]
struct Event<U> {
    user: U,
}

#[derive(Deserialize)]
struct Fields {
    email: String,
    email_verified: bool,
    app_metadata: AppMetadata,
}

#[derive(Deserialize)]
struct AppMetadata {
    plan: String,
}

#[derive(Deserialize)]
struct Groups {
    email_verified: bool,
    groups: Vec<String>,
}

#[derive(Deserialize)]
struct Compute {
    email: String,
    email_verified: bool,
}

#[derive(Serialize, ToBytes)]
#[encoding(Json)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Continue { id_token: Value, app_metadata: Value },
    Deny(&'static str),
}

#[plugin_fn]
pub fn fields(Json(event): Json<Event<Fields>>) -> FnResult<Answer> {
    let user = event.user;
    if !user.email_verified {
        return Ok(Answer::Deny("email_not_verified"));
    }
    let plan = user.app_metadata.plan;
    Ok(Answer::Continue {
        id_token: json!({ "https://example.com/plan": plan, "https://example.com/email": user.email }),
        app_metadata: json!({ "last_plan": plan }),
    })
}

#[plugin_fn]
pub fn groups(Json(event): Json<Event<Groups>>) -> FnResult<Answer> {
    if !event.user.email_verified {
        return Ok(Answer::Deny("email_not_verified"));
    }
    let (mut count, mut last) = (0, "");
    for group in event.user.groups.iter().filter(|group| group.starts_with("sales:")) {
        (count, last) = (count + 1, group);
    }
    Ok(Answer::Continue {
        id_token: json!({ "https://example.com/sales_groups": count, "https://example.com/last_sales_group": last }),
        app_metadata: json!({ "sales_groups": count }),
    })
}

#[plugin_fn]
pub fn compute(Json(event): Json<Event<Compute>>) -> FnResult<Answer> {
    if !event.user.email_verified {
        return Ok(Answer::Deny("email_not_verified"));
    }
    let mut state = 2_463_534_242 ^ event.user.email.len() as u32;
    for _ in 0..STEPS {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    Ok(Answer::Continue {
        id_token: json!({ "https://example.com/proof": state, "https://example.com/steps": STEPS }),
        app_metadata: json!({ "proof": state }),
    })
}
