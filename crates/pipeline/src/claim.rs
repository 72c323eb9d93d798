//! The names of claims: which a rule may set, and which belong to the protocol and the host.
//!
//! A name is compared as a careless reader further down might see it: compatibility forms, case and invisible
//! characters do not make a reserved name another one (HR-80). Nested names are values and never promoted.

use std::{borrow::Cow, fmt};

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointSetData,
    props::{DefaultIgnorableCodePoint, WhiteSpace},
};
use vestibule_abi::limits;

/// Names no rule may set: R-49, HR-79, and what a token carries beside them. Lower case, sorted.
const RESERVED: &[&str] = &[
    "acr",
    "act",
    "active",
    "amr",
    "at_hash",
    "ath",
    "attest",
    "aud",
    "auth_time",
    "authorization_details",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "cty",
    "dest",
    "entitlements",
    "events",
    "exp",
    "groups",
    "gty",
    "htm",
    "htu",
    "iat",
    "internalservice",
    "iss",
    "jcard",
    "jku",
    "jti",
    "jwe",
    "jwk",
    "kid",
    "may_act",
    "mky",
    "nbf",
    "nonce",
    "object_id",
    "org_id",
    "org_name",
    "orig",
    "origid",
    "permissions",
    "roles",
    "rph",
    "s_hash",
    "scope",
    "sid",
    "sip_callid",
    "sip_cseq_num",
    "sip_date",
    "sip_from_tag",
    "sip_via_branch",
    "sub",
    "sub_jwk",
    "toe",
    "txn",
    "typ",
    "uuid",
    "vot",
    "vtm",
    "x5t#s256",
];

/// The longest of [`RESERVED`], in bytes: most names with a namespace are longer, and need not be looked for.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an index out of range would not build")]
const RESERVED_BYTES: usize = {
    let (mut longest, mut at) = (0, 0);
    while at < RESERVED.len() {
        if RESERVED[at].len() > longest {
            longest = RESERVED[at].len();
        }
        at += 1;
    }
    longest
};

/// Hosts whose namespaces are the vendor's own, with all below them.
const RESERVED_HOSTS: &[&str] = &["auth0.com", "webtask.io", "webtask.run"];

/// A claim a rule may set. A reserved one (`iss`, `sub`, …) cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimName<'n>(&'n str); // INVARIANT: `parse` is the only door.

impl<'n> ClaimName<'n> {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidClaimName`]: empty, longer than [`limits::KEY_BYTES`], or reserved.
    pub fn parse(name: &'n str) -> Result<Self, InvalidClaimName> {
        if name.is_empty() {
            return Err(InvalidClaimName::Empty);
        }
        if name.len() > limits::KEY_BYTES {
            return Err(InvalidClaimName::TooLong);
        }
        if is_reserved(name) {
            return Err(InvalidClaimName::Reserved(name.to_owned()));
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'n str {
        self.0
    }
}

impl fmt::Display for ClaimName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A name that no claim of a rule may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClaimName {
    /// The empty name.
    #[error("a claim needs a name")]
    Empty,
    /// Longer than [`limits::KEY_BYTES`].
    #[error("the name of a claim is longer than {} bytes", limits::KEY_BYTES)]
    TooLong,
    /// Belongs to the protocol or the host, or looks like one that does.
    #[error("the claim `{}` is reserved; use a name of your own, such as `https://example.com/{}`", .0.escape_debug(), last_word(.0))]
    Reserved(String),
}

/// Whether a name has a namespace: a URL or a URN. Only advised, except where a token is for the host itself.
#[must_use]
pub fn is_namespaced(name: &str) -> bool {
    ["http://", "https://", "urn:"].iter().any(|scheme| name.starts_with(scheme))
}

/// A name as a careless reader sees it: two names with one folded form are one for `CLAIMS_LITERAL_ONLY` and [`RESERVED`].
pub(crate) fn folded(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let invisible = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let space = CodePointSetData::new::<WhiteSpace>();
    let visible: String =
        name.chars().filter(|c| !invisible.contains(*c) && !space.contains(*c) && !c.is_control()).collect();
    // Upper before lower: that folds `ß` to `ss` and `ı` to `i`, which lower case alone leaves as they are.
    let folded = ComposingNormalizerBorrowed::new_nfkc().normalize(&visible).to_uppercase().to_lowercase();
    Cow::Owned(folded.chars().filter(|c| !invisible.contains(*c)).collect())
}

fn is_reserved(name: &str) -> bool {
    let name = folded(name);
    (name.len() <= RESERVED_BYTES && RESERVED.binary_search(&name.as_ref()).is_ok())
        || name.starts_with('$')
        || name.starts_with("urn:auth0")
        || namespace_host(&name).is_some_and(|host| is_vendor(&host))
}

/// The host of a namespace as URL parsers see it, where it could be one of [`RESERVED_HOSTS`] at all.
fn namespace_host(name: &str) -> Option<String> {
    let is_url = name.starts_with("http:") || name.starts_with("https:");
    let may_hide_a_host = !name.is_ascii() || name.contains('%'); // Parsers decode hosts.
    if !is_url || !(may_hide_a_host || RESERVED_HOSTS.iter().any(|vendor| name.contains(vendor))) {
        return None;
    }
    url::Url::parse(name).ok()?.host_str().map(str::to_owned)
}

fn is_vendor(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    RESERVED_HOSTS
        .iter()
        .any(|vendor| host == *vendor || host.strip_suffix(vendor).is_some_and(|sub| sub.ends_with('.')))
}

fn last_word(name: &str) -> String {
    let word: String = name.rsplit('/').next().unwrap_or(name).chars().filter(char::is_ascii_alphanumeric).collect();
    if word.is_empty() { "name".to_owned() } else { word.to_ascii_lowercase() }
}
