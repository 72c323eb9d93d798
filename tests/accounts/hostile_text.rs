//! What strangers wrote is text, wherever it is shown (HS-21). The same corpus is opened in a real browser in `visit`.

use super::fill_in;
use crate::service::{Browser, SECRET, SHOP, Service};

/// Things that were markup in some browser, once: tags, attributes, comments, encodings, templates, polyglots.
pub(super) fn corpus() -> Vec<String> {
    let calls =
        ["alert(1)", "alert`1`", "top.alert(1)", "window['al'+'ert'](1)", "import('data:text/javascript,alert(1)')"];
    let frames = [
        "<script>{}</script>",
        "<SCRIPT SRC=data:text/javascript,{}></SCRIPT>",
        "\"><script>{}</script>",
        "'><script>{}</script>",
        "</title><script>{}</script>",
        "</textarea><script>{}</script>",
        "--><script>{}</script>",
        "<!--><script>{}</script>",
        "]]><script>{}</script>",
        "<img src=x onerror={}>",
        "<img src=x onerror=\"{}\">",
        "\"><img src=x onerror={}>",
        "' onfocus='{}' autofocus '",
        "\" onfocus=\"{}\" autofocus=\"",
        "\" autofocus onfocus={} x=\"",
        "<svg onload={}>",
        "<svg/onload={}>",
        "<svg><script>{}</script></svg>",
        "<svg><animate onbegin={} attributeName=x dur=1s>",
        "<body onload={}>",
        "<iframe srcdoc=\"<script>{}</script>\">",
        "<iframe src=\"javascript:{}\">",
        "<a href=\"javascript:{}\">x</a>",
        "javascript:{}",
        "JaVaScRiPt:{}",
        "java\tscript:{}",
        "data:text/html,<script>{}</script>",
        "<form action=\"javascript:{}\"><button autofocus>",
        "<input autofocus onfocus={}>",
        "<details open ontoggle={}>",
        "<video><source onerror={}>",
        "<audio src=x onerror={}>",
        "<marquee onstart={}>",
        "<object data=\"javascript:{}\">",
        "<embed src=\"javascript:{}\">",
        "<math><mtext><table><mglyph><style><img src=x onerror={}>",
        "<noscript><p title=\"</noscript><img src=x onerror={}>\">",
        "<style>@import 'javascript:{}';</style>",
        "<link rel=stylesheet href=data:,*{{x:expression({})}}>",
        "<meta http-equiv=refresh content=\"0;url=javascript:{}\">",
        "<base href=//evil.example/>{}",
        "&lt;script&gt;{}&lt;/script&gt;",
        "&#60;script&#62;{}&#60;/script&#62;",
        "\\u003cscript\\u003e{}\\u003c/script\\u003e",
        "%3Cscript%3E{}%3C/script%3E",
        "{{{{constructor.constructor('{}')()}}}}",
        "${{{}}}",
        "<%= {} %>",
        "#{{{}}}",
        "';{};//",
        "\";{};//",
        "`;{};//",
        "</script><script>{}</script>",
        "<scr<script>ipt>{}</scr</script>ipt>",
        "\u{0}<script>{}</script>",
        "\u{feff}<script>{}</script>",
        "＜script＞{}＜/script＞",
        "<script\u{2028}>{}</script>",
        "\u{202e}<script>{}</script>",
        "<template><script>{}</script></template>",
        "<x contenteditable onblur={} autofocus>lose focus</x>",
        "<x id=x tabindex=1 onactivate={}></x>",
        "jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk={} )//",
        "<dialog open onclose={}>",
        "<a autofocus onfocus={} href=x>",
        "<button popovertarget=x>x</button><x popover id=x onbeforetoggle={}>",
    ];
    frames
        .iter()
        .flat_map(|frame| calls.iter().map(|call| frame.replace("{{", "{").replace("}}", "}").replace("{}", call)))
        .collect()
}

/// Whether a text was put into a page as text: none of its characters that mean something made it through; and because
/// some payloads have none, nothing in the page can be led to or run but what is ours.
#[track_caller]
fn is_text_in(page: &str, payload: &str, was: &str) {
    let means_something = ["<", ">", "\"", "'"].iter().any(|sign| payload.contains(sign));
    assert!(!means_something || !page.contains(payload), "{payload:?} stands in the page ({was})");
    for (name, value) in attributes(page) {
        let is_ours = ["/", "#", "http://", "https://"].iter().any(|start| value.starts_with(start));
        let leads = ["href", "src", "action", "formaction"].contains(&name);
        assert!(!leads || is_ours, "{payload:?} leads to {value:?} ({was})");
        assert!(!name.starts_with("on") && name != "style", "{payload:?} may stand in the code of {name:?} ({was})");
    }
    assert!(!page.contains("<script") && !page.contains("<style"), "{payload:?} may stand in code ({was})");
}

/// The attributes of all tags of a page, with their values as they are written.
fn attributes(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        rest = tag.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "/!-".contains(c));
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with('>') {
                break;
            }
            let ends = |text: &str| text.find(|c: char| c == '>' || c.is_whitespace()).unwrap_or(text.len());
            let (name, after) = rest.split_at(rest.find('=').unwrap_or(rest.len()).min(ends(rest)));
            let (value, after) = match (after.strip_prefix("=\""), after.strip_prefix('=')) {
                (Some(quoted), _) => quoted.split_once('"').unwrap_or((quoted, "")),
                (None, Some(bare)) => bare.split_at(ends(bare)),
                (None, None) => ("", after),
            };
            found.push((name, value));
            rest = after;
        }
    }
    found
}

#[test]
fn text_that_is_markup_is_noticed() {
    let noticed = |page: &'static str, payload: &'static str| {
        std::panic::catch_unwind(|| is_text_in(page, payload, "a test")).is_err()
    };
    assert!(!noticed("<p>javascript:alert(1)</p><a href=\"/u/login\">x</a>", "javascript:alert(1)"));
    assert!(!noticed("<p>&lt;b&gt;</p>", "<b>"));
    assert!(noticed("<p><b></p>", "<b>"));
    assert!(noticed("<a href=\"javascript:alert(1)\">x</a>", "javascript:alert(1)"));
    assert!(noticed("<a href=javascript:alert(1)>x</a>", "javascript:alert(1)"));
    assert!(noticed("<input x=\"&quot;\" onfocus=alert(1)>", "x onfocus=alert(1)"));
    assert!(!noticed("<input value=\"&lt;a href=x onclick=y&gt;\">", "<a href=x onclick=y>"));
    assert!(noticed("<script>let x = `${alert(1)}`</script>", "${alert(1)}"));
}

async fn pages(browser: &Browser<'_>, payload: &str) -> Vec<(&'static str, String)> {
    // A NUL is refused before there is a login page; the other forms get it all the same.
    let sent = if payload.contains('\u{0}') { "NUL" } else { payload };
    let asked = browser.authorize(&[("login_hint", sent), ("ui_locales", sent), ("state", sent)]).await;
    let login = browser.follow(&asked).await;
    let wrong = fill_in(browser, &login, "/u/login", &[("identifier", payload), ("password", payload)]).await;
    let signup = browser.get(&format!("/u/signup?state={}", asked.sent("state").unwrap())).await;
    let fields = [("email", payload), ("password", payload), ("field-company", payload)];
    let wrong_signup = fill_in(browser, &signup, "/u/signup", &fields).await;
    let extra = fill_in(browser, &signup, "/u/signup", &[(payload, payload)]).await;
    let query = crate::service::encoded(&[("state", payload), ("token", payload), ("with", payload)]);
    let forgot = browser.get(&format!("/u/forgot?{query}")).await;
    let reset = browser.get(&format!("/u/reset?{query}")).await;
    let error = browser.get(&format!("/authorize?{}", crate::service::encoded(&[("client_id", payload)]))).await;
    vec![
        ("login_hint", login.body),
        ("identifier", wrong.body),
        ("client name", signup.body),
        ("signup", wrong_signup.body),
        ("field name", extra.body),
        ("state", forgot.body),
        ("token", reset.body),
        ("client_id", error.body),
    ]
}

#[tokio::test]
async fn nothing_that_was_typed_or_sent_is_markup() {
    let corpus = corpus();
    assert!(corpus.len() >= 300, "{}", corpus.len());
    let service = Service::with_accounts(|accounts| {
        accounts.limits = super::limits::generous();
        let field = serde_json::json!([{"name": "company", "placeholder": "Company"}]);
        accounts.signup.fields = serde_json::from_value(field).unwrap();
    })
    .await;
    let browser = service.browser();
    for payload in &corpus {
        if !payload.contains('\u{0}') {
            service.put_client_called(SHOP, payload, Some(SECRET), |_| ()).await;
        }
        for (was, page) in pages(&browser, payload).await {
            assert!(page.starts_with("<!doctype html>"), "{was}: {page}");
            is_text_in(&page, payload, was);
        }
    }
}
