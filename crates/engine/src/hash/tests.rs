use futures_util::FutureExt as _;
use vestibule_abi::limits::Budget;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn done(hashing: &Hashing<Vec<u8>>) -> String {
    let bytes = hashing.done().unwrap();
    assert_eq!(bytes.len(), hashing.length() as usize);
    hex(&bytes)
}

/// RFC 1321, FIPS 180 and the paper of RIPEMD-160: the digests of `abc`.
#[test]
fn every_algorithm_is_the_one_of_its_name() {
    let known = [
        (HashAlgorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (HashAlgorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (HashAlgorithm::Sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
        (HashAlgorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            HashAlgorithm::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            HashAlgorithm::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (HashAlgorithm::Ripemd160, "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
    ];
    for (number, (algorithm, digest)) in (0..).zip(known) {
        assert_eq!(HashAlgorithm::from_wire(number), Some(algorithm));
        assert_eq!(done(&Hashing::Digest { algorithm, data: b"abc".into() }), digest, "{algorithm:?}");
    }
    assert_eq!((HashAlgorithm::from_wire(-1), HashAlgorithm::from_wire(7)), (None, None));
}

/// RFC 4231, test case 2; RFC 6070, test case 2.
#[test]
fn keyed_and_stretched_hashes_are_those_of_the_standards() {
    let (algorithm, key) = (HashAlgorithm::Sha256, b"Jefe".into());
    assert_eq!(
        done(&Hashing::Hmac { algorithm, key, data: b"what do ya want for nothing?".into() }),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    let (algorithm, password, salt) = (HashAlgorithm::Sha1, b"password".into(), b"salt".into());
    assert_eq!(
        done(&Hashing::Pbkdf2 { algorithm, password, salt, rounds: 2, length: 20 }),
        "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"
    );
}

#[test]
fn bcrypt_looks_at_72_bytes_and_ends_shorter_ones_with_a_zero() {
    let of = |password: &[u8]| done(&Hashing::Bcrypt { password: password.into(), salt: vec![7; 16], cost: 4 });
    assert_ne!(of(b""), of(b"a"));
    assert_ne!(of(b"a"), of(b"aa"), "the zero ends it");
    assert_ne!(of(&[b'x'; 71]), of(&[b'x'; 72]));
    assert_eq!(of(&[b'x'; 72]), of(&[b'x'; 200]));
}

fn slow() -> Hashing<Vec<u8>> {
    Hashing::Bcrypt { password: vec![1], salt: vec![7; 16], cost: 4 }
}

#[tokio::test]
async fn having_found_no_thread_in_time_is_a_fault_of_ours() {
    let (lane, deadline) = (Threads::new(0).of_a_rule(), Instant::now() + Duration::from_millis(10));
    let failure = Hashers { lane, deadline }.on_a_thread(slow()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Overloaded);
}

#[tokio::test]
async fn what_one_rule_has_to_hash_waits_behind_that_of_others() {
    let threads = Threads::new(1);
    let (many, other) = (threads.of_a_rule(), threads.of_a_rule());
    let deadline = Instant::now() + Duration::from_secs(60);
    let busy = Arc::clone(&threads.all).try_acquire_owned().unwrap();
    let (begun, mut order) = tokio::sync::mpsc::unbounded_channel();
    for (lane, is_other) in std::iter::repeat_n((many, false), 5).chain([(other, true)]) {
        let (hashers, begun) = (Hashers { lane, deadline }, begun.clone());
        tokio::spawn(async move {
            let _places = hashers.places().await.unwrap();
            begun.send(is_other).unwrap();
        });
        tokio::task::yield_now().await; // It waits for its turn.
    }
    drop(busy);
    let mut turns = Vec::new();
    for _ in 0..6 {
        turns.push(order.recv().await.unwrap());
    }
    assert_eq!(turns, [false, true, false, false, false, false]);
}

#[test]
fn a_place_is_kept_until_the_hash_is_done_though_nobody_waits_for_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (open, gate) = std::sync::mpsc::channel::<()>();
        spawn_blocking(move || gate.recv()); // What is to be hashed waits behind it.
        let threads = Threads::new(1);
        let hashers = Hashers { lane: threads.of_a_rule(), deadline: Instant::now() + Duration::from_secs(60) };
        let mut hashing = Box::pin(hashers.on_a_thread(slow()));
        assert!(hashing.as_mut().now_or_never().is_none());
        drop(hashing);
        assert_eq!(threads.all.available_permits(), 0);
        open.send(()).unwrap();
        drop(threads.all.acquire().await.unwrap());
    });
}

#[test]
fn cost_10_fits_what_a_rule_in_javascript_may_spend_and_cost_11_does_not() {
    let price = |cost| Hashing::Bcrypt { password: Place(0, 100), salt: Place(0, 16), cost }.price().unwrap();
    let budget = Budget::JAVASCRIPT.fuel;
    assert!(price(10) < budget * 7 / 10 && price(11) > budget, "{} and {}", price(10), price(11));
}

#[test]
fn everything_has_its_price() {
    let algorithm = HashAlgorithm::Sha512;
    let digest = |len| Hashing::Digest { algorithm, data: Place(0, len) }.price();
    assert!(digest(1_000_000).unwrap() > 1_000 * digest(0).unwrap(), "by the byte");
    assert_eq!(digest(1 << 20).unwrap(), BASE_FUEL + FUEL_PER_BYTE * (1 << 20));
    assert_eq!(digest((1 << 20) + 1).unwrap_err().0.code, FailureCode::HostcallBadArgs);
    assert_eq!(digest(-1).unwrap_err().0.code, FailureCode::HostcallBadArgs);
    let (password, salt) = (Place(0, 1), Place(0, 1));
    let pbkdf2 = |rounds, length| Hashing::Pbkdf2 { algorithm, password, salt, rounds, length }.price().unwrap();
    assert!(pbkdf2(u32::MAX, 1) > 1_000_000_000_000, "by the round");
    assert_eq!(pbkdf2(10, 65) - pbkdf2(10, 64), pbkdf2(10, 64) - BASE_FUEL - FUEL_PER_BYTE, "by the digest");
    let (algorithm, salt) = (HashAlgorithm::Md5, Place(0, 1 << 20));
    let salted = Hashing::Pbkdf2 { algorithm, password, salt, rounds: 1, length: 1_024 }.price().unwrap();
    assert!(salted > 64 * FUEL_PER_BYTE * (1 << 20), "by the salt, for each digest");
}
