//! Where a connection may lead: HR-101 to HR-103. What must be blocked is never dialled.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;

use super::world::*;
use crate::http::{
    address::why_not_public,
    connect::{ConnectError, Connector, Guard},
    *,
};

/// Every way to write an address a rule must not reach, as the host of a URL.
const PRIVATE_HOSTS: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "0X7F.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0x7f.0.0x0.01",
    "127.0.0.1.",
    "127.255.255.254",
    "0",
    "0.0.0.0",
    "0.0.0.1",
    "00000000",
    "0x0",
    "%31%32%37.0.0.1",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "１２７.0.0.1",
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.257",
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "169.254.0.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "168.63.129.16",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    "192.31.196.1",
    "192.52.193.1",
    "192.175.48.1",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:8.8.8.8]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::a00:1]",
    "[100::1]",
    "[2001::1]",
    "[2001:0:7f00:1::]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]",
    "[3fff::1]",
    "[2620:4f:8000::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[4000::1]",
    "[1::1]",
    "[e000::1]",
];

fn connector(net: &Arc<Net>, allow: &[&str]) -> Connector {
    Connector {
        guard: Arc::new(Guard { allow: EgressSettings::parse_allow(allow).unwrap() }),
        resolver: Arc::new(Arc::clone(net)),
        dial: Arc::new(Arc::clone(net)),
        sockets: Arc::new(tokio::sync::Semaphore::new(1)),
    }
}

#[tokio::test]
async fn a_literal_address_that_is_not_public_is_blocked_in_every_notation() {
    for host in PRIVATE_HOSTS {
        let origin: &'static str = format!("http://{host}").leak();
        let world = World::new(Plan { origins: vec![origin], ..Plan::default() });
        assert_eq!(word(&world.ask(get(origin)).await), "http_blocked", "{host}");
        assert_eq!(world.net.dials(), Vec::<String>::new(), "{host}");
    }
}

#[tokio::test]
async fn the_connector_blocks_literal_addresses_by_itself() {
    let net = Arc::new(Net::default());
    let mut connector = connector(&net, &[]);
    for host in PRIVATE_HOSTS.iter().filter(|host| host.is_ascii() && !host.contains('%')) {
        let uri = format!("http://{host}:8080/").parse().unwrap();
        let connected = tower_service::Service::call(&mut connector, uri).await;
        assert!(matches!(connected, Err(ConnectError::Blocked(_))), "{host}: {connected:?}");
    }
    assert_eq!(net.dials(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_resolves_to_an_address_that_is_not_public_is_blocked() {
    let addresses = PRIVATE_HOSTS.iter().filter_map(|host| host.trim_matches(['[', ']']).parse().ok());
    let addresses: Vec<std::net::IpAddr> = addresses.collect();
    assert!(addresses.len() > 60, "{}", addresses.len());
    for address in addresses {
        let address: &'static str = address.to_string().leak();
        for (scheme, name) in [("http", "rebound.example"), ("https", "localhost"), ("http", "localhost.")] {
            let origin: &'static str = format!("{scheme}://{name}").leak();
            let names = vec![(name, vec![vec![address]])];
            let world = World::new(Plan { origins: vec![origin], names, ..Plan::default() });
            assert_eq!(word(&world.ask(get(origin)).await), "http_blocked", "{name} {address}");
            assert_eq!(world.net.dials(), Vec::<String>::new(), "{address}");
        }
    }
}

#[tokio::test]
async fn a_public_address_is_dialled_as_it_was_checked() {
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:4860:4860::8888",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "2400::1",
        "3ffe::1",
    ];
    for address in public {
        assert_eq!(why_not_public(ip(address)), None, "{address}");
        let names = vec![("api.example", vec![vec![address]])];
        let world = World::new(Plan { origins: vec!["https://api.example"], names, ..Plan::default() });
        assert_eq!(word(&world.ask(get("https://api.example/")).await), "value http_failed"); // Nobody is there.
        assert_eq!(world.net.dials(), [SocketAddr::new(ip(address), 443).to_string()]);
    }
}

#[tokio::test]
async fn of_a_mixed_answer_only_what_may_be_reached_is_dialled() {
    let mixed = vec!["127.0.0.1", PUBLIC, "::1", "10.0.0.1", "2001:4860:4860::8888", "169.254.169.254"];
    let names = vec![("api.example", vec![mixed])];
    let world = World::new(Plan { origins: vec!["http://api.example"], names, ..Plan::default() });
    assert_eq!(word(&world.ask(get("http://api.example/")).await), "value http_failed");
    assert_eq!(world.net.dials(), [format!("{PUBLIC}:80"), "[2001:4860:4860::8888]:80".to_owned()]);
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_checked_again_for_each_connection() {
    let names = vec![("api.example", vec![vec![PUBLIC], vec!["169.254.169.254"]])];
    let world = World::new(Plan { origins: vec!["http://api.example"], names, ..Plan::default() });
    world.serve(|_| ok("first")).await;
    assert_eq!(word(&world.ask(get("http://api.example/")).await), "200");
    assert_eq!(word(&world.ask(get("http://api.example/")).await), "http_blocked");
    assert_eq!(world.net.dials(), [format!("{PUBLIC}:80")]);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_value_the_rule_can_handle() {
    for names in [vec![], vec![("api.example", vec![vec![]])]] {
        let world = World::new(Plan { origins: vec!["http://api.example"], names, ..Plan::default() });
        assert_eq!(word(&world.ask(get("http://api.example/")).await), "value http_failed");
    }
}

#[tokio::test]
async fn the_operator_opens_one_address_and_one_port() {
    let cases = [
        ("http://10.1.2.3:8080", "200"),
        ("http://10.1.2.3:8081", "http_blocked"),
        ("http://10.1.2.4:8080", "http_blocked"),
        ("http://intern.example:8080", "200"),
        ("http://intern.example", "http_blocked"),
        ("http://[fd00::5]:8080", "200"),
        ("http://[fd00::6]:8080", "http_blocked"),
        ("http://[::ffff:10.1.2.3]:8080", "http_blocked"),
    ];
    for (origin, expected) in cases {
        let world = World::new(Plan {
            origins: vec![origin],
            allow: vec!["10.1.2.3:8080", "[fd00::5]:8080"],
            names: vec![("intern.example", vec![vec!["10.1.2.3"]])],
            ..Plan::default()
        });
        world.serve(|_| ok("")).await;
        assert_eq!(word(&world.ask(get(origin)).await), expected, "{origin}");
    }
}

#[test]
fn what_the_operator_opens_is_an_address_and_a_port() {
    let opened = EgressSettings::parse_allow(&["10.1.2.3:443", "[fd00::1]:8080"]).unwrap();
    assert_eq!(opened.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.1.2.3:443", "[fd00::1]:8080"]);
    for entry in ["", "10.1.2.3", "intern.example:443", "10.0.0.0/8", "*:443", "10.1.2.3:443/x", "http://10.1.2.3:443"]
    {
        let error = EgressSettings::parse_allow(&[entry]).unwrap_err().to_string();
        assert!(error.contains("10.1.2.3:443") && error.contains(&format!("`{entry}`")), "{error}");
    }
}

#[tokio::test]
async fn the_systems_resolver_and_sockets_reach_a_real_server_that_was_opened() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    for (opened, expected) in [(vec![listener.local_addr()?], "200"), (vec![], "http_blocked")] {
        let roots = vec![super::tls::authority().certificate()];
        let settings = EgressSettings { allow: opened, system_roots: false, extra_roots: roots, ..Default::default() };
        let origin = format!("http://localhost:{port}");
        let grants = HttpGrants::new(vec![origin.parse().unwrap()], Default::default()).unwrap();
        let mut run = requests(Source::Live(Arc::new(Egress::new(settings).unwrap())), Arc::new(grants));
        let served = async {
            let (mut stream, _) = listener.accept().await?;
            let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nreal";
            tokio::io::AsyncWriteExt::write_all(&mut stream, reply).await
        };
        let asked = async { word(&ask(&mut run, get(&origin), "").await) };
        let asked = tokio::select! { asked = asked => asked, Err(error) = served => return Err(error) };
        assert_eq!(asked, expected);
    }
    Ok(())
}

#[test]
fn without_a_trusted_root_there_is_no_way_out() {
    let settings = EgressSettings { system_roots: false, ..EgressSettings::default() };
    assert!(matches!(Egress::new(settings), Err(EgressError::NoRoots)));
}
