//! `networks`: where nodes may be that failsoft is told of rather than told to use.
//!
//! Whoever can answer in a node's place could otherwise send failsoft, credentials and all, wherever it likes: to a
//! metadata service, to a database on this machine. So an address that was learned is looked at before it is
//! connected to, and a name after it was resolved, since a name says nothing about where it leads. An IPv4 address
//! in IPv6 clothes (mapped, or as a NAT64 gateway takes it, RFC 6052) is judged as what it is. Unspecified, multicast and broadcast addresses are nobody's, whatever is
//! written.

use crate::settings::judge::Judge;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// In which networks learned nodes may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Allowed);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Listed(Vec<Network>),
    Usual(Loopback),
}

/// Whether learned nodes may be on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loopback {
    Allowed,
    Forbidden,
}

/// Why a learned address is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forbidden {
    /// It is nobody's: unspecified, multicast or broadcast.
    Nobodys,
    /// It is link-local, where metadata services are.
    LinkLocal,
    /// It is where a cloud keeps its metadata service, if not link-local.
    Metadata,
    /// It is this machine, and no node that was named in the settings is.
    Loopback,
    /// It is in none of the networks that the settings list.
    Unlisted,
}

impl Forbidden {
    /// The name used in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobodys => "nobodys",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::Loopback => "loopback",
            Self::Unlisted => "unlisted",
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobodys => "no machine has such an address",
            Self::LinkLocal => "it is link-local; `networks` may allow it",
            Self::Metadata => "it is a cloud's metadata service; `networks` may allow it",
            Self::Loopback => "it is this machine, and none of `nodes` is; `networks` may allow it",
            Self::Unlisted => "it is in none of `networks`",
        })
    }
}

impl Networks {
    /// Whether a learned node may be at `address`.
    ///
    /// # Errors
    /// Why not.
    pub fn permit(&self, address: IpAddr) -> Result<(), Forbidden> {
        let address = address.to_canonical();
        if is_nobodys(address) || is_nobodys(behind_gateway(address)) {
            return Err(Forbidden::Nobodys);
        }
        match &self.0 {
            Allowed::Listed(networks) if networks.iter().any(|network| network.contains(address)) => Ok(()),
            Allowed::Listed(_) => Err(Forbidden::Unlisted),
            Allowed::Usual(loopback) => usually(behind_gateway(address), *loopback),
        }
    }

    /// What is allowed where nothing is listed.
    pub(super) fn usual(loopback: Loopback) -> Self {
        Self(Allowed::Usual(loopback))
    }

    /// The networks listed at `path`.
    pub(super) fn listed(written: &[String], path: &str, judge: &mut Judge<'_>) -> Option<Self> {
        let networks = written.iter().enumerate().map(|(index, text)| match Network::parse(text) {
            Ok(network) => Some(network),
            Err(message) => {
                judge
                    .error(format!("{path}[{index}]"), message)
                    .hint("write an address and how many of its leading bits count: 10.0.0.0/8, fd00::/8");
                None
            }
        });
        networks.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(|list| Self(Allowed::Listed(list)))
    }
}

/// What is permitted where nothing is listed.
fn usually(address: IpAddr, loopback: Loopback) -> Result<(), Forbidden> {
    if is_link_local(address) {
        Err(Forbidden::LinkLocal)
    } else if METADATA.contains(&address) {
        Err(Forbidden::Metadata)
    } else if address.is_loopback() && loopback == Loopback::Forbidden {
        Err(Forbidden::Loopback)
    } else {
        Ok(())
    }
}

/// Metadata services that are not link-local: of AWS over IPv6, Alibaba Cloud, Azure and Oracle Cloud.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// The address that a NAT64 gateway makes of `address`.
fn behind_gateway(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.octets().starts_with(&NAT64) => Ipv4Addr::from_bits(v6.to_bits() as u32).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

/// `64:ff9b::/96`
const NAT64: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

fn is_nobodys(address: IpAddr) -> bool {
    let is_broadcast_or_this = match address {
        IpAddr::V4(address) => address == Ipv4Addr::BROADCAST || address.octets()[0] == 0,
        IpAddr::V6(_) => false,
    };
    address.is_unspecified() || address.is_multicast() || is_broadcast_or_this
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Result<Self, String> {
        let not_one = || format!("`{text}` is not a network");
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| not_one())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), str::parse).ok().filter(|bits| *bits <= width).ok_or_else(not_one)?;
        let network = Self { base, bits };
        if network.is_exact() {
            Ok(network)
        } else {
            Err(format!("`{text}` has bits set beyond the first {bits}, so it names one address and not a network"))
        }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                leading(u128::from(base.to_bits() ^ address.to_bits()) << 96, self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => leading(base.to_bits() ^ address.to_bits(), self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    fn is_exact(self) -> bool {
        let trailing = match self.base {
            IpAddr::V4(base) => u128::from(base.to_bits()) << 96,
            IpAddr::V6(base) => base.to_bits(),
        };
        trailing.checked_shl(self.bits).unwrap_or(0) == 0
    }
}

/// Whether the first `bits` of `difference` are all zero.
fn leading(difference: u128, bits: u32) -> bool {
    difference.leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn networks(list: &[&str]) -> Networks {
        Networks(Allowed::Listed(list.iter().map(|text| Network::parse(text).unwrap()).collect()))
    }

    fn permit(networks: &Networks, address: &str) -> Result<(), Forbidden> {
        networks.permit(address.parse().unwrap())
    }

    #[test]
    fn where_nothing_is_listed_metadata_services_and_this_machine_are_out_of_reach() {
        let usual = Networks::usual(Loopback::Forbidden);
        for (address, verdict) in [
            ("10.1.2.3", Ok(())),
            ("8.8.8.8", Ok(())),
            ("fd00::1", Ok(())),
            ("169.254.169.254", Err(Forbidden::LinkLocal)),
            ("::ffff:169.254.169.254", Err(Forbidden::LinkLocal)),
            ("fe80::1", Err(Forbidden::LinkLocal)),
            ("febf::1", Err(Forbidden::LinkLocal)),
            ("64:ff9b::a9fe:a9fe", Err(Forbidden::LinkLocal)),
            ("64:ff9b::127.0.0.1", Err(Forbidden::Loopback)),
            ("64:ff9b::0.0.0.0", Err(Forbidden::Nobodys)),
            ("64:ff9b::10.1.2.3", Ok(())),
            ("fd00:ec2::254", Err(Forbidden::Metadata)),
            ("fd00:ec2::253", Ok(())),
            ("100.100.100.200", Err(Forbidden::Metadata)),
            ("168.63.129.16", Err(Forbidden::Metadata)),
            ("192.0.0.192", Err(Forbidden::Metadata)),
            ("127.0.0.1", Err(Forbidden::Loopback)),
            ("127.255.0.1", Err(Forbidden::Loopback)),
            ("::1", Err(Forbidden::Loopback)),
            ("::ffff:127.0.0.1", Err(Forbidden::Loopback)),
            ("0.0.0.0", Err(Forbidden::Nobodys)),
            ("0.1.2.3", Err(Forbidden::Nobodys)),
            ("::", Err(Forbidden::Nobodys)),
            ("224.0.0.1", Err(Forbidden::Nobodys)),
            ("ff02::1", Err(Forbidden::Nobodys)),
            ("255.255.255.255", Err(Forbidden::Nobodys)),
        ] {
            assert_eq!(permit(&usual, address), verdict, "{address}");
        }
        let with_loopback = Networks::usual(Loopback::Allowed);
        assert_eq!(permit(&with_loopback, "127.0.0.1"), Ok(()));
        assert_eq!(permit(&with_loopback, "169.254.169.254"), Err(Forbidden::LinkLocal));
    }

    #[test]
    fn a_list_is_all_there_is_to_the_last_bit() {
        let listed = networks(&["10.0.0.0/9", "192.168.7.1", "fd00:1::/33", "169.254.9.0/24"]);
        for (address, verdict) in [
            ("10.127.255.255", Ok(())),
            ("10.128.0.0", Err(Forbidden::Unlisted)),
            ("192.168.7.1", Ok(())),
            ("192.168.7.0", Err(Forbidden::Unlisted)),
            ("::ffff:10.0.0.1", Ok(())),
            ("fd00:1:7fff::1", Ok(())),
            ("fd00:1:8000::1", Err(Forbidden::Unlisted)),
            ("169.254.9.1", Ok(())),
            ("127.0.0.1", Err(Forbidden::Unlisted)),
        ] {
            assert_eq!(permit(&listed, address), verdict, "{address}");
        }
        let gateway = networks(&["64:ff9b::/96"]);
        assert_eq!(permit(&gateway, "64:ff9b::10.1.2.3"), Ok(()));
        assert_eq!(permit(&gateway, "10.1.2.3"), Err(Forbidden::Unlisted));
        let everything = networks(&["0.0.0.0/0", "::/0"]);
        assert_eq!((permit(&everything, "127.0.0.1"), permit(&everything, "fe80::1")), (Ok(()), Ok(())));
        assert_eq!(permit(&everything, "0.0.0.0"), Err(Forbidden::Nobodys));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "cache.internal", "::/129", "10.0.0.1/8"]
        {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
