//! `/u/logout`: asks before somebody is logged out by a link (HS-27).

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use url::Url;

use super::{Form, Frame, Visit, source_of};

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutPage {
    frame: Frame,
    form: Form,
}

/// Asks; `afterwards` is a registered URI, or empty.
pub(crate) fn show(visit: Visit, afterwards: &str) -> Response {
    let page = LogoutPage { frame: visit.frame(), form: visit.form("logout", afterwards) };
    let leads_to: Vec<String> =
        Url::parse(afterwards).ok().and_then(|url| source_of(url.as_str())).into_iter().collect();
    visit.show(StatusCode::OK, &page, &leads_to)
}
