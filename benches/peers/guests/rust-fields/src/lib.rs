//! Reads three fields of the profile, sets two claims, stores one key.

use vestibule::{Answer, Event, Result};

#[vestibule::rule]
fn fields(event: Event<'_>) -> Result<Answer> {
    let user = event.user();
    if !user.get("email_verified")?.as_bool()? {
        return Ok(Answer::deny("email_not_verified", "Please verify your e-mail address first."));
    }
    let plan = user.get("app_metadata")?.get("plan")?.as_str()?;
    Ok(Answer::allow()
        .id_token("https://example.com/plan", plan)
        .id_token("https://example.com/email", user.get("email")?.as_str()?)
        .set_app_metadata("last_plan", plan)
        .into())
}
