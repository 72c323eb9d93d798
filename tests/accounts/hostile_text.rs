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

/// Whether a text was put into a page as text: none of its characters that mean something made it through.
#[track_caller]
fn is_text_in(page: &str, payload: &str, was: &str) {
    let harmless = ["<", ">", "\"", "'"].iter().all(|sign| !payload.contains(sign));
    assert!(harmless || !page.contains(payload), "{payload:?} stands in the page ({was})");
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
