//! The well-known keys of the [document](crate::document): a key in this table travels as its id instead of its text.
//!
//! The table is frozen with form 1: nothing is added, removed or moved. A rule that was compiled earlier would lose a key
//! that a newer host sends under an id the rule does not know; new names have to wait for another form.

/// The keys; a key's id is its position.
pub const NAMES: &[&str] = &[
    // The event.
    "user",
    "context",
    "configuration",
    "shared",
    // `user` (U-1).
    "user_id",
    "email",
    "email_verified",
    "username",
    "phone_number",
    "phone_verified",
    "name",
    "nickname",
    "picture",
    "given_name",
    "family_name",
    "created_at",
    "updated_at",
    "last_login",
    "last_ip",
    "logins_count",
    "last_password_reset",
    "multifactor",
    "blocked",
    "identities",
    "app_metadata",
    "user_metadata",
    "permissions",
    "groups",
    "roles",
    // `user.identities[]`.
    "connection",
    "provider",
    "isSocial",
    "profileData",
    "access_token",
    // `context` (§2).
    "tenant",
    "clientID",
    "clientName",
    "clientMetadata",
    "connectionID",
    "connectionStrategy",
    "connectionOptions",
    "connectionMetadata",
    "protocol",
    "original_protocol",
    "stats",
    "sso",
    "sessionID",
    "request",
    "authentication",
    "authorization",
    "organization",
    "riskAssessment",
    "primaryUser",
    "accessToken",
    "idToken",
    "samlConfiguration",
    "redirect",
    "jwtConfiguration",
    "now",
    "seed",
    // Inside `context`.
    "loginsCount",
    "with_auth0",
    "with_dbconn",
    "current_clients",
    "userAgent",
    "ip",
    "hostname",
    "query",
    "body",
    "geoip",
    "methods",
    "timestamp",
    "id",
    "metadata",
    "display_name",
    "tenant_domain",
    "domain_aliases",
    "confidence",
    "version",
    "assessments",
    "UntrustedIP",
    "NewDevice",
    "ImpossibleTravel",
    "code",
    "details",
    "device",
    "useragent",
    "scope",
    "url",
    // `context.request.geoip`.
    "country_code",
    "country_code3",
    "country_name",
    "city_name",
    "latitude",
    "longitude",
    "time_zone",
    "continent_code",
    "subdivision_code",
    "subdivision_name",
    // `context.request.query` and `.body`.
    "response_type",
    "audience",
    "state",
    "client_id",
    "redirect_uri",
    "prompt",
    "acr_values",
    "login_hint",
    "nonce",
    "max_age",
    "ui_locales",
    "response_mode",
    "session_token",
    // OIDC profile claims not named above.
    "sub",
    "address",
    "birthdate",
    "gender",
    "locale",
    "middle_name",
    "phone_number_verified",
    "preferred_username",
    "profile",
    "website",
    "zoneinfo",
    "formatted",
    "street_address",
    "locality",
    "region",
    "postal_code",
    "country",
    // Metadata keys that many tenants use.
    "plan",
    "status",
    "role",
    "company",
    "department",
    "title",
    "language",
    "timezone",
    "preferences",
    "consent",
    "consents",
    "terms",
    "marketing",
    "newsletter",
    "theme",
    "color",
    "features",
    "flags",
    "tags",
    "type",
    "value",
    "enabled",
    "accepted_at",
    "expires_at",
    "subscription",
    "customer_id",
    "stripe_customer_id",
    "devices",
    "last_seen",
    "first_name",
    "last_name",
];

/// Slots of the table: a power of two.
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 10;
const EMPTY: u8 = u8::MAX;

/// With this factor no two names share a slot, so that one look is enough. Were a name added, another would be searched for.
const FACTOR: u64 = 0x05da_0979_7f6d_afab;

/// For each slot, the id of the name that belongs there. Built at compile time, 1 KiB.
const TABLE: [u8; SLOTS] = build();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an index out of range would not build")]
const fn build() -> [u8; SLOTS] {
    assert!(NAMES.len() < EMPTY as usize);
    let mut table = [EMPTY; SLOTS];
    let mut id = 0;
    while id < NAMES.len() {
        let slot = slot_of(NAMES[id]);
        assert!(table[slot] == EMPTY, "two names share a slot");
        table[slot] = id as u8;
        id += 1;
    }
    table
}

const fn slot_of(key: &str) -> usize {
    (print_of(key).wrapping_mul(FACTOR) >> (u64::BITS - SLOT_BITS)) as usize
}

/// A number that differs for most keys that differ, in the same few steps for any key: made of its length and of both its
/// ends. Whoever chooses keys can make them alike: it tells keys apart, and never that they are the same.
#[must_use]
pub const fn print_of(key: &str) -> u64 {
    let key = key.as_bytes();
    let (front, back) = match (key.first_chunk(), key.last_chunk()) {
        (Some(front), Some(back)) => (u64::from_le_bytes(*front), u64::from_le_bytes(*back)),
        _ => match (key.first_chunk(), key.last_chunk()) {
            (Some(front), Some(back)) => (u32::from_le_bytes(*front) as u64, u32::from_le_bytes(*back) as u64),
            _ => match *key {
                [one] => (one as u64, 0),
                [one, two] => ((one as u64) << 8 | two as u64, 0),
                [one, two, three] => ((one as u64) << 16 | (two as u64) << 8 | three as u64, 0),
                _ => (0, 0),
            },
        },
    };
    front ^ back.rotate_left(24) ^ (key.len() as u64).rotate_left(56)
}

/// The id of a well-known key. `const`, so that a guest pays for it when it is compiled, not when it runs.
#[must_use]
#[expect(clippy::indexing_slicing, reason = "a slot is below the table's length; ids in the table are in range")]
pub const fn id_of(key: &str) -> Option<u16> {
    let id = TABLE[slot_of(key)];
    if id != EMPTY && same(NAMES[id as usize].as_bytes(), key.as_bytes()) { Some(id as u16) } else { None }
}

/// As [`id_of`], for keys that are only known when it runs: the comparison is the machine's own.
#[must_use]
pub fn lookup(key: &str) -> Option<u16> {
    let id = TABLE.get(slot_of(key)).copied().map(u16::from)?;
    if name_of(id) == Some(key) { Some(id) } else { None } // No name has the id of an empty slot.
}

/// The text of a well-known key.
#[must_use]
pub fn name_of(id: u16) -> Option<&'static str> {
    NAMES.get(usize::from(id)).copied()
}

#[expect(clippy::indexing_slicing, reason = "both slices have the length that bounds the loop")]
const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_own_id() {
        for (position, name) in NAMES.iter().enumerate() {
            assert_eq!(id_of(name).map(usize::from), Some(position), "{name} is listed twice");
            assert_eq!(lookup(name), id_of(name));
        }
    }

    #[test]
    fn other_keys_have_no_id() {
        for key in ["", "User", "user_idd", "app_metadat", "\u{0}", "a key that is longer than sixteen bytes"] {
            assert_eq!((id_of(key), lookup(key)), (None, None), "{key:?}");
        }
    }

    #[test]
    fn the_table_is_frozen() {
        // Ids are on the wire and in compiled rules.
        let digest = NAMES
            .join(" ")
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(digest, FORM_1, "form 1 is published: its table cannot change");
    }

    const FORM_1: u64 = 12_502_371_129_801_012_759;
}
