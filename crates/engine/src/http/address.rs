//! Which addresses are public. Everything that is not is refused, unless the operator opened it by address and port.

use std::{net::IpAddr, sync::LazyLock};

use ipnet::IpNet;

/// Networks no rule may reach, with the reason (HR-101, HR-102). An IPv6 address is public only below `2000::/3` as
/// well: what IANA has not given out is refused too.
const RESERVED: &[(&str, &str)] = &[
    ("0.0.0.0/8", "unspecified"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "cloud metadata"), // Azure's host agent has a public-looking address.
    ("169.254.0.0/16", "link-local"),       // 169.254.169.254, the metadata address, included.
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "multicast tunnelling"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "AS112"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"), // 255.255.255.255, broadcast, included.
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::/96", "IPv4-compatible"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "NAT64"),
    ("100::/64", "discard"),
    ("100:0:0:1::/64", "dummy"),
    ("2001::/32", "Teredo"),
    ("2001:2::/48", "benchmarking"),
    ("2001:10::/28", "ORCHID"),
    ("2001:20::/28", "ORCHIDv2"),
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "AS112"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"), // fd00:ec2::254, a metadata address, included.
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
];

/// Why an address is not public, or `None` for one that is.
pub(super) fn why_not_public(address: IpAddr) -> Option<&'static str> {
    let listed = TABLE.iter().find(|(network, _)| network.contains(&address)).map(|(_, why)| *why);
    listed.or_else(|| (!is_assigned(address)).then_some("unassigned"))
}

fn is_assigned(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => address.octets().first().is_some_and(|byte| byte >> 5 == 1),
    }
}

static TABLE: LazyLock<Vec<(IpNet, &str)>> =
    LazyLock::new(|| RESERVED.iter().filter_map(|(network, why)| Some((network.parse().ok()?, *why))).collect());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_network() {
        assert_eq!(TABLE.len(), RESERVED.len());
    }
}
