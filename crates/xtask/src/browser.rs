//! As much of a browser as a login needs: cookies, forms, and redirects that are looked at before they are followed.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use url::{Url, form_urlencoded};

/// What a form is sent as.
const FORM: &str = "application/x-www-form-urlencoded";

/// A browser with its own cookies.
pub(crate) struct Browser {
    runtime: Runtime,
    base: Url,
    cookies: BTreeMap<String, String>,
}

/// What came back.
pub(crate) struct Page {
    /// The status.
    pub(crate) status: StatusCode,
    /// Where it leads, if it is a redirect.
    pub(crate) location: Option<Url>,
    /// Its text.
    pub(crate) text: String,
}

impl Browser {
    /// A browser that begins at this URL.
    pub(crate) fn new(base: &str) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
        Ok(Self { runtime, base: Url::parse(base)?, cookies: BTreeMap::new() })
    }

    /// The URL of a path here.
    pub(crate) fn url(&self, path: &str) -> anyhow::Result<Url> {
        Ok(self.base.join(path)?)
    }

    /// Looks at a page.
    pub(crate) fn get(&mut self, url: &Url) -> anyhow::Result<Page> {
        self.send(Method::GET, url, None)
    }

    /// Sends a form.
    pub(crate) fn post(&mut self, url: &Url, fields: &[(&str, &str)]) -> anyhow::Result<Page> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, url, Some((FORM, form)))
    }

    /// Sends JSON, as a program would.
    pub(crate) fn post_json(&mut self, url: &Url, body: &Value) -> anyhow::Result<Page> {
        self.send(Method::POST, url, Some(("application/json", body.to_string())))
    }

    /// Fills in the form of a page, with what it carries hidden, and sends it.
    pub(crate) fn submit(&mut self, url: &Url, page: &Page, fields: &[(&str, &str)]) -> anyhow::Result<Page> {
        let hidden: Vec<(String, String)> = hidden_fields(&page.text);
        let mut all: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.extend_from_slice(fields);
        self.post(url, &all)
    }

    fn send(&mut self, method: Method, url: &Url, body: Option<(&str, String)>) -> anyhow::Result<Page> {
        let (kind, body) = body.unwrap_or((FORM, String::new()));
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ORIGIN, self.base.origin().ascii_serialization())
            .header(header::CONTENT_TYPE, kind)
            .body(Full::new(Bytes::from(body)))?;
        let (parts, body) = self.runtime.block_on(async {
            let client = Client::builder(TokioExecutor::new()).build_http();
            let (parts, body) = client.request(request).await.context("the server does not answer")?.into_parts();
            anyhow::Ok((parts, body.collect().await?.to_bytes()))
        })?;
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie without a value")?;
            self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        let location = match parts.headers.get(header::LOCATION) {
            Some(to) => Some(url.join(to.to_str()?)?),
            None => None,
        };
        let text = String::from_utf8_lossy(&body).into_owned();
        if parts.status.is_server_error() {
            bail!("{url} answered {}: {text}", parts.status);
        }
        Ok(Page { status: parts.status, location, text })
    }
}

impl Page {
    /// Where it leads.
    pub(crate) fn leads_to(&self) -> anyhow::Result<&Url> {
        self.location.as_ref().with_context(|| format!("this leads nowhere ({}): {}", self.status, self.text))
    }
}

/// The hidden fields of a page's forms.
fn hidden_fields(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("<input ").skip(1).filter(|input| input.starts_with("type=\"hidden\""));
    let field = |input: &str| Some((attribute(input, "name")?, attribute(input, "value")?));
    inputs.filter_map(field).collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&#38;", "&").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_fields_are_found_and_others_are_not() {
        let page = r#"<form><input type="hidden" name="state" value="a&amp;b"><input name="x" value="y"></form>"#;
        assert_eq!(hidden_fields(page), [("state".to_owned(), "a&b".to_owned())]);
    }
}
