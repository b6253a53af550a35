//! Every range by its edges, and what an opened range opens.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

mod generated;

/// What is beside a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The public internet.
    Open,
    /// Another range that is blocked.
    Blocked,
    /// Nothing: the addresses begin or end here.
    Nothing,
}
use Beside::{Blocked, Nothing, Open};

/// Every range of the IANA registries that no API can be in, and what is before and after it.
const RANGES: [(&str, Beside, Beside); 40] = [
    ("0.0.0.0/8", Nothing, Open),
    ("10.0.0.0/8", Open, Open),
    ("100.64.0.0/10", Open, Open),
    ("127.0.0.0/8", Open, Open),
    ("169.254.0.0/16", Open, Open),
    ("172.16.0.0/12", Open, Open),
    ("192.0.0.0/24", Open, Open),
    ("192.0.2.0/24", Open, Open),
    ("192.88.99.0/24", Open, Open),
    ("192.168.0.0/16", Open, Open),
    ("198.18.0.0/15", Open, Open),
    ("198.51.100.0/24", Open, Open),
    ("203.0.113.0/24", Open, Open),
    ("224.0.0.0/4", Open, Blocked),
    ("240.0.0.0/4", Blocked, Nothing),
    ("255.255.255.255/32", Blocked, Nothing),
    ("::/128", Nothing, Blocked),
    ("::1/128", Blocked, Blocked),
    ("::/96", Nothing, Blocked),
    ("::ffff:0:0:0/96", Blocked, Blocked),
    ("64:ff9b::/96", Blocked, Blocked),
    ("64:ff9b:1::/48", Blocked, Blocked),
    ("100::/64", Blocked, Blocked),
    ("100:0:0:1::/64", Blocked, Blocked),
    ("::/3", Nothing, Open),
    ("2001::/32", Open, Blocked),
    ("2001:2::/48", Blocked, Blocked),
    ("2001:10::/28", Blocked, Blocked),
    ("2001:20::/28", Blocked, Blocked),
    ("2001::/23", Open, Open),
    ("2001:db8::/32", Open, Open),
    ("2002::/16", Open, Open),
    ("3fff::/20", Open, Open),
    ("4000::/2", Open, Blocked),
    ("5f00::/16", Blocked, Blocked),
    ("8000::/1", Blocked, Nothing),
    ("fc00::/7", Blocked, Blocked),
    ("fe80::/10", Blocked, Blocked),
    ("fec0::/10", Blocked, Blocked),
    ("ff00::/8", Blocked, Nothing),
];

fn range(text: &str) -> IpNet {
    text.parse().expect("a range")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn opening(ranges: &[&str]) -> AddressGuard {
    AddressGuard::allowing(ranges.iter().map(|text| range(text)).collect())
}

/// The address so many after this one; they end where they begin.
fn moved(address: IpAddr, by: i8) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits().wrapping_add_signed(by.into())).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits().wrapping_add_signed(by.into())).into(),
    }
}

#[test]
fn every_range_is_blocked_from_its_first_to_its_last_address_and_not_beyond() {
    let guard = AddressGuard::default();
    for (text, before, after) in RANGES {
        let range = range(text);
        for address in [range.network(), range.broadcast()] {
            assert!(!guard.allows(address), "{address}, an end of {text}");
        }
        for (address, beside) in [(moved(range.network(), -1), before), (moved(range.broadcast(), 1), after)] {
            if beside != Nothing {
                assert_eq!(guard.allows(address), beside == Open, "{address}, beside {text}");
            }
        }
    }
}

#[test]
fn places_that_attackers_look_for_are_blocked() {
    for place in [
        "169.254.169.254", // EC2
        "fd00:ec2::254",
        "169.254.170.2",  // ECS, and the API of Lambda's extensions
        "169.254.170.23", // EKS
        "fd00:ec2::23",
        "169.254.169.123", // time
        "169.254.169.253", // names
        "fd00:ec2::253",
        "169.254.100.1",
        "100.100.100.200", // metadata of other clouds
        "192.0.0.192",
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "::",
        "255.255.255.255",
        "fe80::1",
        "ff02::1",
    ] {
        assert!(!AddressGuard::default().allows(address(place)), "{place}");
    }
}

#[test]
fn public_addresses_are_allowed() {
    for place in ["1.1.1.1", "8.8.8.8", "52.95.110.1", "2606:4700::1111", "2a05:d014::1", "::ffff:1.1.1.1"] {
        assert!(AddressGuard::default().allows(address(place)), "{place}");
    }
}

#[test]
fn what_is_blocked_says_why() {
    for (text, words) in [
        ("127.0.0.1", "127.0.0.1 is a loopback address, which must not be called"),
        ("::ffff:10.0.0.1", "10.0.0.1 is a private address, which must not be called"),
        ("64:ff9b::a00:1", "64:ff9b::a00:1 is a translated address (NAT64), which must not be called"),
        (
            "2606:4700::5efe:a00:1",
            "2606:4700::5efe:a00:1 is a translation of a blocked address, which must not be called",
        ),
        ("4000::1", "4000::1 is a reserved address, which must not be called"),
    ] {
        let blocked = AddressGuard::default().check(address(text)).expect_err(text);
        assert_eq!(blocked.to_string(), words);
    }
}

#[test]
fn an_opened_range_is_open_in_every_spelling_and_nothing_else_is() {
    let by_v4 = opening(&["10.1.0.0/16"]);
    let by_mapped = opening(&["::ffff:10.1.0.0/112"]);
    for guard in [by_v4, by_mapped] {
        for open in ["10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3"] {
            assert!(guard.allows(address(open)), "{open}");
        }
        for blocked in ["10.0.255.255", "10.2.0.0", "127.0.0.1", "64:ff9b::10.1.0.1", "2002:a01:1::", "::10.1.0.1"] {
            assert!(!guard.allows(address(blocked)), "{blocked}");
        }
    }
}

#[test]
fn a_range_of_one_family_opens_nothing_of_the_other() {
    for blocked in ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1"] {
        assert!(!opening(&["::/0"]).allows(address(blocked)), "{blocked}");
    }
    for blocked in ["::1", "fe80::1", "fd00::1", "64:ff9b::1.1.1.1"] {
        assert!(!opening(&["0.0.0.0/0"]).allows(address(blocked)), "{blocked}");
    }
}

#[test]
fn an_opened_translator_leads_only_where_one_may_go_directly() {
    let translator = opening(&["64:ff9b::/96"]);
    assert!(translator.allows(address("64:ff9b::1.1.1.1")));
    assert!(!translator.allows(address("64:ff9b::10.0.0.1")));
    let both = opening(&["64:ff9b::/96", "10.0.0.0/8"]);
    assert!(both.allows(address("64:ff9b::10.0.0.1")) && !both.allows(address("64:ff9b::127.0.0.1")));
    let own = opening(&["64:ff9b:1::/48"]);
    // 8.8.8.8 under prefixes of 48, 56, 64 and 96 bits (RFC 6052, 2.4), then 10.0.0.1.
    for open in ["64:ff9b:1:808:8:800::", "64:ff9b:1:108:8:808::", "64:ff9b:1:1:8:808:800:0", "64:ff9b:1::8.8.8.8"] {
        assert!(own.allows(address(open)), "{open}");
    }
    for blocked in ["64:ff9b:1:a00:0:100::", "64:ff9b:1:10a:0:1::", "64:ff9b:1:1:a:0:100:0", "64:ff9b:1::10.0.0.1"] {
        assert!(!own.allows(address(blocked)), "{blocked}");
    }
    // Teredo carries two: its server, and what is behind it.
    let teredo = opening(&["2001::/32"]);
    assert!(teredo.allows(address("2001:0:808:808:0:0:f7f7:f7f7")));
    assert!(!teredo.allows(address("2001:0:808:808:0:0:f5ff:fffe")), "10.0.0.1 behind it");
    assert!(!teredo.allows(address("2001:0:a00:1:0:0:f7f7:f7f7")), "10.0.0.1 as its server");
}
