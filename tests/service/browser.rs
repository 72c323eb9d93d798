//! A browser without script: it keeps cookies, and fills in forms.

use std::{collections::BTreeMap, sync::Mutex};

use axum::body::Body;
use http::{Request, StatusCode, header};
use url::Url;

use super::{ADA, Answer, CALLBACK, PASSWORD, SHOP, Service, challenge, encoded};

/// Where a browser can be: at the router in this process, or at a server.
pub(crate) trait Site {
    /// Where browsers find it.
    fn url(&self) -> &Url;

    /// A request to a path of it, or to a URL.
    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(self.url().join(path).unwrap().as_str())
    }

    /// Sends a request, which may stay without an answer.
    async fn try_send(&self, request: Request<Body>) -> Result<Answer, NoAnswer>;

    /// Sends a request.
    async fn send(&self, request: Request<Body>) -> Answer {
        self.try_send(request).await.unwrap()
    }
}

/// What was asked for was not acknowledged: the connection was refused or cut, or the server says that it cannot now.
#[derive(Debug)]
pub(crate) struct NoAnswer(pub(crate) String);

/// A browser.
pub(crate) struct Browser<'s, S = Service> {
    site: &'s S,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl<'s> Browser<'s> {
    /// The service it is at.
    pub(crate) const fn service(&self) -> &'s Service {
        self.site
    }
}

impl<'s, S: Site> Browser<'s, S> {
    /// A new one, at this site.
    pub(crate) fn new(site: &'s S) -> Self {
        Self { site, cookies: Mutex::default() }
    }

    /// Its cookies, by name.
    pub(crate) fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().unwrap().clone()
    }

    /// Plants a cookie.
    pub(crate) fn plant(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// Goes to a page of the service.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.unwrap()
    }

    /// Goes to a page of a service that may not be there.
    pub(crate) async fn try_get(&self, path: &str) -> Result<Answer, NoAnswer> {
        let request = self.request("GET", path).body(Body::empty()).unwrap();
        Ok(self.keep(self.site.try_send(request).await?))
    }

    /// Sends a form from a page of the service.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.try_post(path, form).await.unwrap()
    }

    async fn try_post(&self, path: &str, form: &[(&str, &str)]) -> Result<Answer, NoAnswer> {
        let request = self
            .request("POST", path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, self.site.url().origin().ascii_serialization());
        Ok(self.keep(self.site.try_send(request.body(Body::from(encoded(form))).unwrap()).await?))
    }

    /// Goes where an answer sends it, which is a page of the service.
    pub(crate) async fn follow(&self, answer: &Answer) -> Answer {
        self.get(&path_of(self.site.url(), &answer.location())).await
    }

    /// Asks for authorization: a code request with these parameters in place of, or beside, the usual ones.
    pub(crate) async fn authorize(&self, parameters: &[(&str, &str)]) -> Answer {
        self.get(&format!("/authorize?{}", authorization(parameters))).await
    }

    /// Fills in the login page that an answer leads to.
    pub(crate) async fn sign_in(&self, answer: &Answer, email: &str, password: &str) -> Answer {
        self.try_sign_in(answer, email, password).await.unwrap()
    }

    /// The same, at a service that may be gone by then.
    pub(crate) async fn try_sign_in(&self, answer: &Answer, email: &str, password: &str) -> Result<Answer, NoAnswer> {
        assert_eq!(answer.location().path(), "/u/login", "{}", answer.location());
        let page = self.try_get(&path_of(self.site.url(), &answer.location())).await?;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let (state, csrf) = (hidden(&page.body, "state"), hidden(&page.body, "csrf"));
        let form = [("state", state.as_str()), ("csrf", csrf.as_str()), ("identifier", email), ("password", password)];
        self.try_post("/u/login", &form).await
    }

    /// Logs the user in: authorization, login page, and what came of it.
    pub(crate) async fn log_in(&self, parameters: &[(&str, &str)]) -> Answer {
        let asked = self.authorize(parameters).await;
        self.sign_in(&asked, ADA, PASSWORD).await
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let cookies: Vec<String> = self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let builder = self.site.request(method, path).header(header::USER_AGENT, "TestBrowser/1");
        if cookies.is_empty() { builder } else { builder.header(header::COOKIE, cookies.join("; ")) }
    }

    fn keep(&self, answer: Answer) -> Answer {
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if set.contains("Max-Age=0") {
                self.cookies.lock().unwrap().remove(name);
            } else {
                self.plant(name, value);
            }
        }
        answer
    }
}

/// The query of an authorization request; a parameter that is given replaces the usual one, an empty one removes it.
pub(crate) fn authorization(parameters: &[(&str, &str)]) -> String {
    let challenge = challenge();
    let usual = [
        ("response_type", "code"),
        ("client_id", SHOP),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email"),
        ("state", "the-client's state"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let is_given = |name: &str| parameters.iter().any(|(given, _)| *given == name);
    let usual = usual.into_iter().filter(|(name, _)| !is_given(name));
    let given = parameters.iter().copied().filter(|(_, value)| !value.is_empty());
    encoded(&usual.chain(given).collect::<Vec<_>>())
}

/// Path and query of a URL of a site.
#[track_caller]
fn path_of(site: &Url, url: &Url) -> String {
    assert_eq!(url.origin(), site.origin(), "{url}");
    url[url::Position::BeforePath..].to_owned()
}

/// The value of a hidden field.
#[track_caller]
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no field `{name}`: {page}"));
    rest.split_once('"').unwrap().0.to_owned()
}
