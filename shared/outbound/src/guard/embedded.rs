//! The IPv4 addresses that an IPv6 address carries: whoever translates it sends on to them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The IPv4 addresses within an IPv6 address, by all the rules that are known. IPv4-mapped addresses
/// are not among them: they are IPv4 addresses in another spelling.
pub(super) fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    match address.segments() {
        // Two addresses that only look as if they carried one.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        // IPv4-compatible (RFC 4291), SIIT (RFC 2765), NAT64 under its well-known prefix (RFC 6052).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            vec![at(address, 96)]
        }
        // NAT64 in a network of one's own (RFC 8215), under a prefix of whatever length (RFC 6052).
        [0x64, 0xff9b, 1, ..] => {
            let readings = [at(address, 96), around(address, 48), around(address, 56), around(address, 64)];
            // The wrong readings come out as 0.0.0.x, as a rule; no translator leads to such an address.
            let plausible: Vec<_> = readings.into_iter().filter(|reading| reading.octets()[0] != 0).collect();
            if plausible.is_empty() { vec![Ipv4Addr::UNSPECIFIED] } else { plausible }
        }
        // Teredo (RFC 4380): its server, and the client behind it, whose bits are turned round.
        [0x2001, 0, ..] => vec![at(address, 32), Ipv4Addr::from_bits(!at(address, 96).to_bits())],
        // 6to4 (RFC 3056).
        [0x2002, ..] => vec![at(address, 16)],
        // ISATAP (RFC 5214): whatever the prefix. The two bits say how unique it is, and to how many it goes.
        [_, _, _, _, interface, 0x5efe, ..] if interface & !0x0300 == 0 => vec![at(address, 96)],
        _ => Vec::new(),
    }
}

/// The 32 bits from bit `first` on.
fn at(address: Ipv6Addr, first: u32) -> Ipv4Addr {
    let bits = address.to_bits() << first;
    Ipv4Addr::from_bits(u32::try_from(bits >> 96).unwrap_or_default())
}

/// The 32 bits from bit `first` on, without the eight from bit 64 on (RFC 6052, 2.2).
fn around(address: Ipv6Addr, first: u32) -> Ipv4Addr {
    let bits = address.to_bits();
    let closed_up = (bits >> 64 << 64) | (bits << 72 >> 64);
    at(Ipv6Addr::from_bits(closed_up), first)
}
