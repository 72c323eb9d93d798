use std::sync::Mutex;

use super::*;

struct World {
    limits: Limits,
    now: Arc<Mutex<Duration>>,
}

fn world(settings: LimitSettings) -> World {
    let now = Arc::new(Mutex::new(Duration::ZERO));
    let clock = Arc::clone(&now);
    World { limits: Limits::with_ticks(&settings, Arc::new(move || *clock.lock().unwrap())), now }
}

impl World {
    fn later(&self, seconds: u64) {
        *self.now.lock().unwrap() += Duration::from_secs(seconds);
    }

    /// How many of so many tries are let through.
    fn tries(&self, count: usize, trying: impl Fn(usize) -> Trying) -> usize {
        (0..count).filter(|at| self.limits.login(&trying(*at)).is_ok()).count()
    }
}

fn from(address: &str, account: &str) -> Trying {
    let account = AccountKey::of("default", "db", account);
    Trying { address: address.parse().unwrap(), account, browser: None }
}

#[test]
fn one_account_can_be_tried_twenty_times_then_ten_times_a_minute() {
    let world = world(LimitSettings::default());
    assert_eq!(world.tries(100, |_| from("203.0.113.7", "a@example.com")), 20);
    world.later(60);
    assert_eq!(world.tries(100, |_| from("203.0.113.7", "a@example.com")), 10);
    assert_eq!(world.tries(5, |_| from("203.0.113.7", "b@example.com")), 5, "another account is not concerned");
}

#[test]
fn whoever_is_refused_is_told_when_to_come_back_and_is_let_in_then() {
    let world = world(LimitSettings::default());
    world.tries(20, |_| from("203.0.113.7", "a@example.com"));
    let refused = world.limits.login(&from("203.0.113.7", "a@example.com")).unwrap_err();
    assert_eq!(refused.seconds(), 7);
    world.later(refused.seconds());
    assert!(world.limits.login(&from("203.0.113.7", "a@example.com")).is_ok());
}

#[test]
fn guessing_from_many_addresses_is_bounded_for_the_account() {
    let world = world(LimitSettings::default());
    let spread = |at: usize| from(&format!("10.{}.{}.1", at / 256, at % 256), "a@example.com");
    assert_eq!(world.tries(10_000, spread), 100);
}

#[test]
fn an_attacked_account_lets_the_browser_in_that_it_knows() {
    let world = world(LimitSettings::default());
    let spread = |at: usize| from(&format!("10.{}.{}.1", at / 256, at % 256), "a@example.com");
    world.tries(10_000, spread);
    let known = Trying { browser: Some(KnownBrowser([7; 16])), ..from("198.51.100.1", "a@example.com") };
    assert!(world.limits.login(&known).is_ok());
    assert!(world.limits.login(&from("198.51.100.1", "a@example.com")).is_err());
}

#[test]
fn an_attacker_elsewhere_who_keeps_trying_does_not_empty_the_buckets_of_another_neighbourhood() {
    let world = world(LimitSettings::default());
    assert_eq!(world.tries(1_000, |_| from("203.0.113.7", "a@example.com")), 20);
    assert!(world.limits.login(&from("198.51.100.1", "a@example.com")).is_ok());
}

#[test]
fn a_neighbourhood_has_a_bucket_whatever_addresses_and_accounts_it_uses() {
    for (here, next_door) in [("203.0.113.", "203.0.114.1"), ("2001:db8:0:aa", "2001:db8:0:100::1")] {
        let world = world(LimitSettings::default());
        let address = |at: usize| match here.contains(':') {
            true => format!("{here}{:02x}::{at:x}", at % 256),
            false => format!("{here}{}", at % 256),
        };
        let many = world.tries(1_000, |at| from(&address(at), &format!("user{at}@example.com")));
        assert_eq!(many, 200, "{here}");
        assert!(world.limits.login(&from(next_door, "somebody@example.com")).is_ok());
    }
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_the_same_neighbourhood() {
    assert_eq!(Prefix::of("::ffff:203.0.113.7".parse().unwrap()), Prefix::of("203.0.113.99".parse().unwrap()));
}

#[test]
fn everybody_together_has_a_bucket() {
    let all = Rate::of(50, 60);
    let mut settings = LimitSettings::default();
    settings.login.all = all;
    let world = world(settings);
    let spread = |at: usize| from(&format!("10.{}.{}.1", at / 256, at % 256), &format!("user{at}@example.com"));
    assert_eq!(world.tries(1_000, spread), 50);
}

#[test]
fn known_browsers_together_have_a_bucket() {
    let mut settings = LimitSettings::default();
    settings.login.all = Rate::of(50, 60);
    let world = world(settings);
    let known = |at: usize| {
        let browser = KnownBrowser(std::array::from_fn(|byte| u8::try_from((at >> (8 * byte.min(3))) & 255).unwrap()));
        Trying { browser: Some(browser), ..from("203.0.113.7", "a@example.com") }
    };
    assert_eq!(world.tries(1_000, known), 50);
}

#[test]
fn parts_of_an_account_s_name_cannot_be_moved_from_one_to_the_next() {
    assert_ne!(AccountKey::of("a", "bc", "d"), AccountKey::of("ab", "c", "d"));
}

#[test]
fn a_client_waits_after_twenty_failures_where_they_came_from_and_nowhere_else() {
    let world = world(LimitSettings::default());
    let (here, there) = (from("203.0.113.7", "shop"), from("198.51.100.7", "shop"));
    assert!((0..20).all(|_| world.limits.client_failed(&here).is_ok()));
    assert!(world.limits.client(&here).is_ok(), "twenty are not too many yet");
    let refused = world.limits.client_failed(&here).unwrap_err();
    assert!(world.limits.client(&here).is_err());
    assert!(world.limits.client(&there).is_ok());
    assert!(world.limits.client(&from("203.0.113.7", "other")).is_ok());
    world.later(refused.seconds());
    assert!(world.limits.client(&here).is_ok());
}
