//! Which addresses may be called: pure functions over addresses.

mod embedded;
mod ranges;

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use url::{Host, Url};

use embedded::embedded;
use ranges::{special_v4, special_v6};

/// Decides which addresses may be called: public ones, and those in ranges that the deployment opens.
///
/// An IPv4-mapped IPv6 address is the IPv4 address in it, in another spelling; so is an opened range
/// of such addresses. Any other IPv6 address that carries an IPv4 address is on its way to a translator,
/// and both must be allowed: opening the translator's range opens nothing behind it, and opening what is
/// behind it does not open the way through the translator.
#[derive(Clone, Debug, Default)]
pub struct AddressGuard {
    opened: Vec<IpNet>,
}

/// An address that must not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {kind}, which must not be called")]
pub struct BlockedAddress {
    /// The address.
    pub address: IpAddr,
    /// What it is, with its article.
    pub kind: &'static str,
}

impl AddressGuard {
    /// A guard that also lets through these ranges.
    pub fn allowing(ranges: Vec<IpNet>) -> Self {
        Self { opened: ranges.into_iter().map(canonical).collect() }
    }

    /// Whether this address may be called.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.check(address).is_ok()
    }

    /// Checks an address, whether a user wrote it or a name has led to it.
    ///
    /// # Errors
    /// When it must not be called, with what it is.
    pub fn check(&self, address: IpAddr) -> Result<(), BlockedAddress> {
        let address = address.to_canonical();
        let (special, behind) = match address {
            IpAddr::V4(address) => (special_v4(address), Vec::new()),
            IpAddr::V6(address) => (special_v6(address), embedded(address)),
        };
        if let Some(kind) = special
            && !self.opened.iter().any(|range| range.contains(&address))
        {
            return Err(BlockedAddress { address, kind });
        }
        let is_open = behind.into_iter().all(|behind| self.allows(behind.into()));
        if is_open { Ok(()) } else { Err(BlockedAddress { address, kind: "a translation of a blocked address" }) }
    }

    /// Checks the address in a URL that names one, in whatever notation. A URL with a name, or one that
    /// cannot be read, is another's to check.
    ///
    /// # Errors
    /// When the address must not be called.
    pub fn check_url(&self, url: &str) -> Result<(), BlockedAddress> {
        Url::parse(url).ok().as_ref().and_then(literal_address).map_or(Ok(()), |address| self.check(address))
    }
}

/// The address in a URL that names one; such URLs are not resolved.
pub(crate) fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// A range of IPv4-mapped addresses as the IPv4 range that it is.
fn canonical(range: IpNet) -> IpNet {
    const MAPPED_LENGTH: u8 = 96;
    let IpNet::V6(mapped) = range else { return range };
    let base = mapped.addr().to_ipv4_mapped();
    let length = mapped.prefix_len().checked_sub(MAPPED_LENGTH);
    let v4 = base.zip(length).and_then(|(base, length)| Ipv4Net::new(base, length).ok());
    v4.map_or(range, IpNet::V4)
}

#[cfg(test)]
mod tests;
