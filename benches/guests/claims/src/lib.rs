//! A rule that only sets claims: what most rules do on a refresh.

use vestibule::{Answer, Event, Result};

#[vestibule::rule]
fn claims(event: Event<'_>) -> Result<Answer> {
    let plan = event.user().get("app_metadata")?.get("plan")?.as_str()?;
    let client = event.context().get("clientID")?.as_str()?;
    Ok(Answer::allow().id_token("https://example.com/plan", plan).access_token("https://example.com/client", client).into())
}
