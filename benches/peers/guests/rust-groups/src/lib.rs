//! Goes through two hundred groups, sets two claims, stores one key.

use vestibule::{Answer, Event, Result};

#[vestibule::rule]
fn groups(event: Event<'_>) -> Result<Answer> {
    let user = event.user();
    if !user.get("email_verified")?.as_bool()? {
        return Ok(Answer::deny("email_not_verified", "Please verify your e-mail address first."));
    }
    let (mut count, mut last) = (0, "");
    for group in user.get("groups")?.elements()? {
        let group = group.as_str()?;
        if group.starts_with("sales:") {
            (count, last) = (count + 1, group);
        }
    }
    Ok(Answer::allow()
        .id_token("https://example.com/sales_groups", count)
        .id_token("https://example.com/last_sales_group", last)
        .set_app_metadata("sales_groups", count)
        .into())
}
