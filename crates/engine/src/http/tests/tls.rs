//! TLS is verified against the name in the URL, or the request fails as `http_tls`, with no second try: HR-108.

use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio_rustls::TlsAcceptor;

use super::world::*;

/// A certificate authority of the tests.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The one that worlds trust.
pub(super) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(Authority::new)
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A server with a certificate for `name`, valid until the end of `year`.
    fn server(&self, name: &str, year: i32) -> TlsAcceptor {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        acceptor(params.signed_by(&key, &self.0).unwrap().der().clone(), &key)
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn world() -> World {
    World::new(Plan {
        origins: vec!["https://api.example", "https://93.184.215.14"],
        names: vec![("api.example", vec![vec![PUBLIC]])],
        ..Plan::default()
    })
}

/// What a rule gets from a peer with this certificate. It is asked once, and nothing is sent unless it is trusted.
async fn check(url: &str, tls: TlsAcceptor, expected: &str) {
    let world = world();
    world.serve_tls(tls, |_| ok("private")).await;
    assert_eq!(word(&world.ask(get(url)).await), expected);
    assert_eq!(world.net.dials(), [format!("{PUBLIC}:443")]);
    assert_eq!(world.net.seen().len(), usize::from(expected == "200"));
}

#[tokio::test]
async fn a_peer_with_a_certificate_for_its_name_is_talked_to() {
    check("https://api.example/", authority().server("api.example", 2100), "200").await;
    check("https://93.184.215.14/", authority().server("93.184.215.14", 2100), "200").await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    check("https://api.example/", authority().server("other.example", 2100), "value http_tls").await;
    check("https://api.example/", authority().server("93.184.215.14", 2100), "value http_tls").await;
    check("https://93.184.215.14/", authority().server("api.example", 2100), "value http_tls").await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    check("https://api.example/", authority().server("api.example", 2001), "value http_tls").await;
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_is_not_trusted_is_refused() {
    check("https://api.example/", Authority::new().server("api.example", 2100), "value http_tls").await;
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["api.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    check("https://api.example/", acceptor(own.der().clone(), &key), "value http_tls").await;
}

#[tokio::test]
async fn a_peer_that_speaks_only_old_tls_or_none_is_refused() {
    // Alerts `protocol_version` and `handshake_failure`, and plain HTTP on the TLS port.
    let answers: [&[u8]; 3] =
        [b"\x15\x03\x01\0\x02\x02\x46", b"\x15\x03\x01\0\x02\x02\x28", b"HTTP/1.1 400 No\r\n\r\n"];
    for answer in answers {
        let world = world();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        world.net.is_at(listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 4096];
            tokio::io::AsyncReadExt::read(&mut stream, &mut hello).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
        });
        assert_eq!(word(&world.ask(get("https://api.example/")).await), "value http_tls");
        assert_eq!(world.net.dials().len(), 1);
    }
}
