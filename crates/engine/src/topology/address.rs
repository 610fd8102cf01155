//! Where a node is connected to that was learned of, or why it is not.
//!
//! Whoever can answer in a node's place could name any address: a metadata service, a database on this machine. So what
//! was learned is first looked up in the table of `rewrite`, and what is found there needs no leave; nor does what the
//! settings name as a node. Everything else is judged by `networks`: an address at once, a name each time it is resolved,
//! since it says nothing about where it leads.

use std::net::{IpAddr, Ipv4Addr};

use failsoft_core::cluster::Endpoint;

use crate::node::Leads;
use crate::settings::{Forbidden, Networks, NodeAddress, Redis, Rewrite, Security};

/// From where nodes say they are to where they are connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    named: Vec<NodeAddress>,
    rewrite: Rewrite,
    networks: Networks,
    security: Security,
}

/// Where a node is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its address; over TLS if the nodes that were named are spoken to so.
    pub address: NodeAddress,
    /// To which addresses its name may lead, for [`NodeOptions`](crate::node::NodeOptions).
    pub leads: Leads,
}

/// A node that was learned of is not connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node is said to be at {announced}, which is not connected to: {why}")]
pub struct OffLimits {
    /// Where it is said to be.
    pub announced: Endpoint,
    /// Why it is not connected to.
    pub why: Forbidden,
}

impl Addresses {
    /// As a deployment's settings have it.
    pub fn of(settings: &Redis) -> Self {
        Self {
            named: settings.deployment().seeds().to_vec(),
            rewrite: settings.rewrite().clone(),
            networks: settings.networks().clone(),
            security: settings.deployment().security(),
        }
    }

    /// Where the node is connected to that is said to be at `announced`.
    ///
    /// # Errors
    /// That it is not, because it may not be.
    pub fn destination(&self, announced: &Endpoint) -> Result<Destination, OffLimits> {
        if let Some((host, port)) = self.rewrite.reachable(&announced.host, announced.port) {
            return Ok(Destination { address: self.at(host, port), leads: Leads::Anywhere });
        }
        let address = self.at(&announced.host, announced.port);
        if self.named.contains(&address) {
            return Ok(Destination { address, leads: Leads::Anywhere });
        }
        if let Some(literal) = literal(&announced.host) {
            self.permit(literal).map_err(|why| OffLimits { announced: announced.clone(), why })?;
        }
        Ok(Destination { address, leads: Leads::Within(self.networks.clone()) })
    }

    /// Whether a node that was learned of may be connected to at this address.
    ///
    /// # Errors
    /// Why not.
    pub fn permit(&self, resolved: IpAddr) -> Result<(), Forbidden> {
        self.networks.permit(resolved)
    }

    fn at(&self, host: &str, port: u16) -> NodeAddress {
        NodeAddress::Tcp { host: host.to_owned(), port, security: self.security }
    }
}

/// The address that `host` is, or always stands for.
fn literal(host: &str) -> Option<IpAddr> {
    let (address, _zone) = host.split_once('%').unwrap_or((host, ""));
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_this_machine = name == "localhost" || name.ends_with(".localhost");
    if is_this_machine { Some(Ipv4Addr::LOCALHOST.into()) } else { address.parse().ok() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::settings;

    fn addresses(redis: &str) -> Addresses {
        let loaded = settings::parse(&format!("[redis]\ntopology = \"cluster\"\n{redis}"), "failsoft.toml").unwrap();
        Addresses::of(loaded.settings.redis())
    }

    /// `address`, `address?` if where it leads is judged at every connection, or the reason why not.
    fn shown(addresses: &Addresses, announced: &str) -> String {
        match addresses.destination(&Endpoint::parse(announced).unwrap()) {
            Ok(Destination { address, leads: Leads::Anywhere }) => address.to_string(),
            Ok(Destination { address, leads: Leads::Within(_) }) => format!("{address}?"),
            Err(off_limits) => off_limits.why.name().to_owned(),
        }
    }

    fn assert_shown(addresses: &Addresses, cases: &[(&str, &str)]) {
        for (announced, expected) in cases {
            assert_eq!(shown(addresses, announced), *expected, "{announced}");
        }
    }

    #[test]
    fn where_nothing_is_listed_most_addresses_are_permitted_and_names_are_judged_later() {
        let usual = addresses("nodes = [\"redis://10.0.0.1:7000\"]");
        assert_shown(
            &usual,
            &[
                ("10.0.0.2:7000", "10.0.0.2:7000?"),
                ("fd00::1:7000", "[fd00::1]:7000?"),
                ("redis-2.example.com:7000", "redis-2.example.com:7000?"),
                ("169.254.169.254:80", "link_local"),
                ("fe80::1%eth0:7000", "link_local"),
                ("127.0.0.1:7000", "loopback"),
                ("::1:7000", "loopback"),
                ("localhost:7000", "loopback"),
                ("redis.LOCALHOST.:7000", "loopback"),
                ("0.0.0.0:7000", "nobodys"),
                ("224.0.0.1:7000", "nobodys"),
                ("255.255.255.255:7000", "nobodys"),
            ],
        );
        assert_eq!(usual.permit([169, 254, 169, 254].into()), Err(Forbidden::LinkLocal));
        assert_eq!(usual.permit([10, 0, 0, 2].into()), Ok(()));
    }

    #[test]
    fn this_machine_is_permitted_if_a_node_that_was_named_is_on_it() {
        for seed in ["redis://localhost:7000", "redis://127.0.0.1:7000", "redis://[::1]:7000"] {
            let here = addresses(&format!("nodes = [\"redis://10.0.0.1\", \"{seed}\"]"));
            assert_shown(&here, &[("127.0.0.1:7001", "127.0.0.1:7001?"), ("localhost:7001", "localhost:7001?")]);
        }
    }

    #[test]
    fn a_list_of_networks_is_all_there_is_but_for_what_the_settings_name() {
        let listed = addresses("nodes = [\"redis://192.168.0.1:7000\"]\nnetworks = [\"10.0.0.0/8\"]");
        assert_shown(
            &listed,
            &[
                ("10.9.9.9:7000", "10.9.9.9:7000?"),
                ("11.0.0.1:7000", "unlisted"),
                ("192.168.0.1:7000", "192.168.0.1:7000"),
                ("192.168.0.1:7001", "unlisted"),
                ("localhost:7000", "unlisted"),
            ],
        );
    }

    #[test]
    fn what_is_rewritten_needs_no_leave_and_is_not_looked_up_again() {
        let rewritten = addresses(
            "nodes = [\"rediss://10.0.0.1:7000\"]\n\
             rewrite = { \"172.17.0.2\" = \"127.0.0.1\", \"172.17.0.2:7001\" = \"tunnel:17001\", \"127.0.0.1\" = \"10.0.0.9\" }",
        );
        assert_shown(
            &rewritten,
            &[
                ("172.17.0.2:7000", "127.0.0.1:7000"),
                ("172.17.0.2:7001", "tunnel:17001"),
                ("127.0.0.1:7000", "10.0.0.9:7000"),
                ("172.17.0.3:7000", "172.17.0.3:7000?"),
            ],
        );
        let destination = rewritten.destination(&Endpoint::new("172.17.0.2", 7001)).unwrap();
        assert_eq!(destination.address.security(), Security::Tls, "as the nodes that were named");
    }

    #[test]
    fn who_is_refused_is_named_with_the_setting_that_would_help() {
        let usual = addresses("nodes = [\"redis://10.0.0.1:7000\"]");
        let refused = usual.destination(&Endpoint::new("169.254.169.254", 80)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a node is said to be at 169.254.169.254:80, which is not connected to: it is link-local; `networks` may allow it"
        );
    }
}
