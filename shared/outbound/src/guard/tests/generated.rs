//! Generated addresses: every translated form, every notation, every range that may be opened.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{AddressGuard, opening};

/// Every way to write an IPv4 address into an IPv6 address.
fn carriers(behind: Ipv4Addr, prefix: u64) -> Vec<Ipv6Addr> {
    let bits = u128::from(behind.to_bits());
    let words =
        |base: &str, bits: u128| Ipv6Addr::from_bits(base.parse::<Ipv6Addr>().expect("a base").to_bits() | bits);
    // Around the eight bits from bit 64 on.
    let around = |first: u32| {
        let line = bits << (96 - first);
        (line >> 64 << 64) | (line << 64 >> 72)
    };
    let mut carriers = vec![
        words("::", bits),
        words("::ffff:0:0", bits),
        words("::ffff:0:0:0", bits),
        words("64:ff9b::", bits),
        words("64:ff9b:1::", bits),
        words("64:ff9b:1::", around(48)),
        words("64:ff9b:1::", around(56)),
        words("64:ff9b:1::", around(64)),
        words("2002::", bits << 80),
        words("2001::", bits << 64 | (!0x0808_0808_u128 & 0xffff_ffff)),
        words("2001:0:808:808::", !bits & 0xffff_ffff),
    ];
    for interface in ["::5efe:0:0", "::200:5efe:0:0", "::100:5efe:0:0", "::300:5efe:0:0"] {
        carriers.push(words(interface, bits | u128::from(prefix) << 64));
    }
    carriers
}

/// Addresses of blocked ranges, and any others.
fn v4() -> impl Strategy<Value = Ipv4Addr> {
    let from = |base: [u8; 4], length: u32| {
        any::<u32>().prop_map(move |bits| {
            Ipv4Addr::from_bits(Ipv4Addr::from(base).to_bits() | bits.checked_shr(length).unwrap_or(0))
        })
    };
    prop_oneof![
        any::<u32>().prop_map(Ipv4Addr::from_bits),
        from([10, 0, 0, 0], 8),
        from([127, 0, 0, 0], 8),
        from([169, 254, 0, 0], 16),
        from([192, 168, 0, 0], 16),
        Just(Ipv4Addr::new(169, 254, 169, 254)),
    ]
}

/// One part of an address as a number in a notation of browsers: 1 to 4 of them make an address.
fn numeral(value: u32, notation: u8) -> String {
    match notation % 4 {
        0 => format!("{value}"),
        1 => format!("0{value:o}"),
        2 => format!("0x{value:x}"),
        _ => format!("0X{value:08X}"),
    }
}

/// An IPv4 address in a notation that browsers know.
fn spelling(address: Ipv4Addr, parts: usize, notations: [u8; 4], is_wide: bool, ends_in_dot: bool) -> String {
    let octets = address.octets();
    let mut texts: Vec<_> = (0..parts - 1).map(|n| numeral(octets[n].into(), notations[n])).collect();
    let rest = octets[parts - 1..].iter().fold(0, |number: u32, octet| number << 8 | u32::from(*octet));
    texts.push(numeral(rest, notations[3]));
    let text = texts.join(".") + if ends_in_dot { "." } else { "" };
    // What IDNA takes for digits, letters and dots.
    let widen = |character: char| match character {
        '.' => '\u{3002}',
        other => char::from_u32(u32::from(other) + 0xfee0).unwrap_or(other),
    };
    if is_wide { text.chars().map(widen).collect() } else { text }
}

proptest! {
    #[test]
    fn what_the_standard_library_knows_to_be_special_is_blocked(address in v4()) {
        let is_special = address.is_private() || address.is_loopback() || address.is_link_local()
            || address.is_broadcast() || address.is_documentation() || address.is_multicast()
            || address.is_unspecified();
        prop_assert!(!(is_special && AddressGuard::default().allows(address.into())), "{address}");
    }

    #[test]
    fn a_blocked_address_is_blocked_in_every_translated_form(behind in v4(), prefix in 0x2606_0000_0000_0000_u64..0x2a00_0000_0000_0000) {
        let guards = [AddressGuard::default(), opening(&["::/0"])];
        for carrier in carriers(behind, prefix) {
            for guard in &guards {
                // Nothing is at 0.0.0.x, in whatever form; and two of these addresses carry none.
                let says_nothing = behind.octets()[0] == 0;
                let is_open = guard.allows(carrier.into()) && !guard.allows(behind.into());
                prop_assert!(says_nothing || !is_open, "{behind} as {carrier}");
            }
        }
    }

    #[test]
    fn a_mapped_address_is_the_address_itself(
        address in v4(), base in any::<u32>(), length in 0_u8..=32, as_mapped in any::<bool>()
    ) {
        let opened = Ipv4Net::new(Ipv4Addr::from_bits(base), length).expect("a range");
        let mapped = Ipv6Net::new(opened.addr().to_ipv6_mapped(), 96 + length).expect("a range");
        let guard = AddressGuard::allowing(vec![if as_mapped { mapped.into() } else { opened.into() }]);
        let expected = opened.contains(&address) || AddressGuard::default().allows(address.into());
        prop_assert_eq!(guard.allows(address.into()), expected);
        prop_assert_eq!(guard.allows(address.to_ipv6_mapped().into()), expected);
    }

    #[test]
    fn opening_a_range_opens_nothing_outside_it(bits in any::<u128>(), base in any::<u128>(), length in 0_u8..=128) {
        let opened = Ipv6Net::new(Ipv6Addr::from_bits(base), length).expect("a range");
        let guard = AddressGuard::allowing(vec![opened.into()]);
        let address = Ipv6Addr::from_bits(bits);
        let was_open = AddressGuard::default().allows(address.into());
        prop_assert!(!guard.allows(address.into()) || was_open || opened.contains(&address));
        prop_assert!(!was_open || guard.allows(address.into()));
    }

    #[test]
    fn an_address_in_a_url_is_checked_in_every_notation(
        address in v4(), parts in 1_usize..=4, notations in any::<[u8; 4]>(), is_wide in any::<bool>(), ends_in_dot in any::<bool>()
    ) {
        let host = spelling(address, parts, notations, is_wide, ends_in_dot);
        let guard = AddressGuard::default();
        let checked = guard.check_url(&format!("http://{host}:8080/path"));
        prop_assert_eq!(checked, guard.check(address.into()), "{}", host);
    }

    #[test]
    fn an_ipv6_address_in_a_url_is_checked(words in vec(prop_oneof![Just(0_u16), any::<u16>()], 8)) {
        let address = Ipv6Addr::from(<[u16; 8]>::try_from(words).expect("eight words"));
        let guard = AddressGuard::default();
        prop_assert_eq!(guard.check_url(&format!("http://[{address}]/")), guard.check(address.into()));
    }
}
