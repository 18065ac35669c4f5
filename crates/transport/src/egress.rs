//! Which addresses the gateway may connect to.
//!
//! Every address is judged, also one that was written as a literal, and only a judged address is connected to.
//! An address that carries an IPv4 address inside is judged by what it carries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nexus_core::catalogue::Provider;

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

const fn v6(groups: [u16; 8], bits: u8) -> IpNet {
    let [a, b, c, d, e, f, g, h] = groups;
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), bits))
}

/// Forbidden to every provider: nothing that answers there is a model.
/// Sources: the IANA special-purpose registries, and the metadata addresses the clouds document.
const NEVER: &[IpNet] = &[
    v4(0, 0, 0, 0, 8),                              // "this network"; Linux takes it for loopback
    v4(169, 254, 0, 0, 16),                         // link-local, and the metadata services of most clouds
    v4(100, 100, 100, 200, 32),                     // metadata, Alibaba Cloud
    v4(168, 63, 129, 16, 32),                       // the host's wire server, Azure
    v4(192, 0, 0, 0, 24),                           // protocol assignments; metadata of Oracle Cloud
    v4(192, 0, 2, 0, 24),                           // documentation
    v4(192, 31, 196, 0, 24),                        // AS112
    v4(192, 52, 193, 0, 24),                        // AMT
    v4(192, 88, 99, 0, 24),                         // 6to4 relays
    v4(192, 175, 48, 0, 24),                        // AS112
    v4(198, 18, 0, 0, 15),                          // benchmarking
    v4(198, 51, 100, 0, 24),                        // documentation
    v4(203, 0, 113, 0, 24),                         // documentation
    v4(224, 0, 0, 0, 4),                            // multicast
    v4(240, 0, 0, 0, 4),                            // reserved, broadcast
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128),              // unspecified
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),           // discard
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),          // protocol assignments, among them Teredo and ORCHID
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),      // documentation
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),  // AS112
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),          // documentation
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),          // segment routing
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), // metadata, AWS
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),  // metadata, Google Cloud
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),          // link-local
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),          // site-local
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),           // multicast
];

/// Allowed to a provider that may be inside the operator's own network.
const PRIVATE: &[IpNet] = &[
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10), // carrier-grade NAT
    v4(127, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), // unique-local
];

/// Ranges of IPv6 that carry an IPv4 address, and the first of the bytes it stands in.
const CARRIERS: &[(IpNet, usize)] = &[
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), 12),    // IPv4-mapped
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), 12),         // IPv4-compatible
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), 12),    // IPv4-translated
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), 12), // NAT64
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), 12), // NAT64, local-use
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), 2),     // 6to4
];

/// Where a provider's connections may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The public internet only.
    Public,
    /// The operator's own network too.
    Private,
    /// This one address, whatever it is: for the services that clouds put at forbidden ones.
    Only(IpAddr),
}

impl Reach {
    /// Where the connections of a provider may go.
    pub fn of(provider: &Provider) -> Self {
        if provider.allow_private_network { Self::Private } else { Self::Public }
    }

    /// Whether an address may be connected to.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        if let Self::Only(allowed) = self {
            return address == allowed;
        }
        let within = |table: &[IpNet]| table.iter().any(|net| net.contains(&address));
        if within(NEVER) {
            return false;
        }
        match (self, carried(address)) {
            // the carriers are no way onto the public internet, whatever they carry
            (Self::Public, carried) => carried.is_none() && !within(PRIVATE),
            (Self::Private, Some(inner)) => {
                address == IpAddr::V6(Ipv6Addr::LOCALHOST) || self.allows(inner.into())
            }
            (Self::Private, None) => true,
            (Self::Only(_), _) => false,
        }
    }
}

/// The IPv4 address inside an IPv6 address, where there is one.
fn carried(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let (_, at) = CARRIERS.iter().find(|(net, _)| net.contains(&address))?;
    let bytes: [u8; 4] = v6.octets().get(*at..at + 4)?.try_into().ok()?;
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line: an address, and whether it may be connected to from `Public` and from `Private`.
    const JUDGED: &[(&str, bool, bool)] = &[
        ("93.184.216.34", true, true),
        ("1.1.1.1", true, true),
        ("172.15.255.255", true, true),
        ("172.32.0.0", true, true),
        ("100.63.255.255", true, true),
        ("100.128.0.0", true, true),
        ("2606:2800:220:1::1", true, true),
        ("2a00:1450:4001::1", true, true),
        ("127.0.0.1", false, true),
        ("127.255.255.254", false, true),
        ("10.0.0.1", false, true),
        ("172.16.0.1", false, true),
        ("172.31.255.255", false, true),
        ("192.168.1.1", false, true),
        ("100.64.0.1", false, true),
        ("::1", false, true),
        ("fd12::1", false, true),
        ("fc00::1", false, true),
        ("::ffff:127.0.0.1", false, true),
        ("::ffff:10.0.0.1", false, true),
        ("::127.0.0.1", false, true),
        ("::ffff:93.184.216.34", false, true),
        ("64:ff9b::808:808", false, true),
        ("2002:7f00:1::", false, true),
        ("169.254.169.254", false, false),
        ("169.254.170.2", false, false),
        ("::ffff:169.254.169.254", false, false),
        ("::169.254.169.254", false, false),
        ("64:ff9b::a9fe:a9fe", false, false),
        ("64:ff9b:1::a9fe:a9fe", false, false),
        ("2002:a9fe:a9fe::", false, false),
        ("::ffff:0:a9fe:a9fe", false, false),
        ("fd00:ec2::254", false, false),
        ("fd20:ce::254", false, false),
        ("100.100.100.200", false, false),
        ("168.63.129.16", false, false),
        ("192.0.0.192", false, false),
        ("fe80::1", false, false),
        ("fec0::1", false, false),
        ("0.0.0.0", false, false),
        ("0.1.2.3", false, false),
        ("::", false, false),
        ("192.0.2.1", false, false),
        ("198.51.100.7", false, false),
        ("203.0.113.9", false, false),
        ("198.18.0.1", false, false),
        ("224.0.0.1", false, false),
        ("240.0.0.1", false, false),
        ("255.255.255.255", false, false),
        ("ff02::1", false, false),
        ("2001:db8::1", false, false),
        ("2001:0:4136:e378::1", false, false),
        ("100::1", false, false),
    ];

    #[test]
    fn every_kind_of_address_is_judged_for_both_reaches() {
        for (address, public, private) in JUDGED {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(Reach::Public.allows(parsed), *public, "{address} from outside");
            assert_eq!(Reach::Private.allows(parsed), *private, "{address} from inside");
        }
    }

    #[test]
    fn a_reach_of_one_address_is_a_reach_of_no_other() {
        let only = Reach::Only("169.254.169.254".parse().unwrap());
        for (address, public, _) in JUDGED {
            assert_eq!(
                only.allows(address.parse().unwrap()),
                *address == "169.254.169.254",
                "{address} {public}"
            );
        }
    }
}
