//! Computes for about a millisecond of native code, sets two claims, stores one key.

use vestibule::{Answer, Event, Result};

const STEPS: u32 = 500_000;

#[vestibule::rule]
fn compute(event: Event<'_>) -> Result<Answer> {
    let user = event.user();
    if !user.get("email_verified")?.as_bool()? {
        return Ok(Answer::deny("email_not_verified", "Please verify your e-mail address first."));
    }
    let mut state = 2_463_534_242 ^ user.get("email")?.as_str()?.len() as u32;
    for _ in 0..STEPS {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    Ok(Answer::allow()
        .id_token("https://example.com/proof", state)
        .id_token("https://example.com/steps", STEPS)
        .set_app_metadata("proof", state)
        .into())
}
