//! The measured rule in Rust: reads three fields, sets two. `benches/src/native.rs` does the same without a sandbox.

use vestibule::{Answer, Event, Result};

#[vestibule::rule]
fn plan_claim(event: Event<'_>) -> Result<Answer> {
    let user = event.user();
    if !user.get("email_verified")?.as_bool()? {
        return Ok(Answer::deny("email_not_verified", "Please verify your e-mail address first."));
    }
    let plan = user.get("app_metadata")?.get("plan")?.as_str()?;
    let client = event.context().get("clientID")?.as_str()?;
    Ok(Answer::allow().id_token("https://example.com/plan", plan).set_app_metadata("last_client", client).into())
}
