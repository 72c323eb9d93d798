use std::collections::BTreeSet;

use super::*;
use crate::clock::SystemEntropy;

/// RFC 6238, appendix B: the secret `12345678901234567890`, its last six digits.
const RFC: TotpSecret = TotpSecret(*b"12345678901234567890");

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000)
}

#[test]
fn codes_are_those_of_the_rfc() {
    for (seconds, code) in
        [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
    {
        assert_eq!(RFC.code(at(seconds)), code);
        assert_eq!(RFC.step(code, at(seconds)), Some(seconds / 30));
    }
}

#[test]
fn a_code_is_good_one_step_early_and_one_late_and_names_its_own_step() {
    let code = RFC.code(at(600));
    for (seconds, expected) in [(569, None), (570, Some(20)), (600, Some(20)), (659, Some(20)), (660, None)] {
        assert_eq!(RFC.step(&code, at(seconds)), expected, "{seconds}");
    }
}

#[test]
fn only_six_digits_are_a_code() {
    assert_eq!(RFC.step("287 082", at(59)), Some(1));
    for text in ["", "28708", "2870822", "28708a", "²87082", "-87082", "287082; --"] {
        assert_eq!(RFC.step(text, at(59)), None, "{text:?}");
    }
}

#[test]
fn an_app_gets_the_same_secret_by_camera_and_by_hand() {
    assert_eq!(RFC.key(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
    let url = RFC.totp("Acme: Shop", "zoë@example.com").to_url().unwrap();
    assert_eq!(
        url,
        "otpauth://totp/Acme%20%20Shop:zo%C3%AB%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme%20%20Shop"
    );
    let qr = RFC.qr("Acme", "ada@example.com").unwrap();
    assert!(qr.path.bytes().all(|byte| b"Mhvz-0123456789 ".contains(&byte)));
    assert!(qr.path.starts_with("M4 4h1v1h-1z"), "the finder pattern begins after the margin");
}

#[test]
fn a_sealed_secret_opens_for_its_user_only() {
    let seal = Seal::new(&[1; 32]).unwrap();
    let (ada, eve) = (UserId::new("auth0|ada"), UserId::new("auth0|eve"));
    let sealed = RFC.seal(&seal, &ada).unwrap();
    assert_eq!(TotpSecret::open(&seal, &ada, &sealed).unwrap().key(), RFC.key());
    assert!(TotpSecret::open(&seal, &eve, &sealed).is_err());
}

#[test]
fn recovery_codes_are_many_different_and_read_in_any_spelling() {
    let codes = RecoveryCodes::new(&SystemEntropy);
    assert_eq!(codes.shown().iter().collect::<BTreeSet<_>>().len(), 8);
    for (code, digest) in codes.shown().iter().zip(codes.digests()) {
        assert_eq!(code.len(), 19);
        for typed in [code.clone(), code.to_lowercase(), code.replace('-', ""), format!(" {} ", code.replace('-', " "))]
        {
            assert_eq!(RecoveryCodes::digest(&typed), Some(digest), "{typed:?}");
        }
    }
    for text in ["", "AAAA", "AAAA-AAAA-AAAA-AAA1", "AAAA-AAAA-AAAA-AAAAA"] {
        assert_eq!(RecoveryCodes::digest(text), None, "{text:?}");
    }
}
