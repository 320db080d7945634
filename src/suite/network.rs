//! What a sandbox reaches: nothing, some hosts through the harness, or all that the machine does.
//!
//! Pure: whether a request is allowed is decided here, over names and addresses that somebody else resolved.
//! Invariant: an address that is not public is reached only if it is written down with its port.

use super::hosts::is_host;
// Addresses alone, as data: what opens sockets is in `std`.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::fmt;
use std::str::FromStr;

/// How entries of `allow` are written.
pub const FORMS: &str = "HOST (ports 80 and 443), HOST:PORT, *.HOST, ADDRESS:PORT for a test server that is not public, \
                         or HOST=ADDRESS:PORT for a name that leads there";

/// What a sandbox reaches beside the services of its task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Network {
    /// Nothing.
    #[default]
    None,
    /// These, by a proxy of the harness.
    Allow(Vec<Allowed>),
    /// What the host reaches: it shares the host's network.
    Full,
}

impl FromStr for Network {
    type Err = String;

    /// `none`, `full`, or `allow:` and entries with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Network::None),
            "full" => Ok(Network::Full),
            _ => match text.strip_prefix("allow:") {
                Some(list) => {
                    let entry = |entry: &str| {
                        entry
                            .parse()
                            .map_err(|reason| format!("{entry:?} is no host: {reason}; it is {FORMS}"))
                    };
                    list.split(',').map(str::trim).map(entry).collect::<Result<_, _>>().map(Network::Allow)
                }
                None => Err("it is none, full, or allow:HOST,…".to_owned()),
            },
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network::None => f.write_str("none"),
            Network::Full => f.write_str("full"),
            Network::Allow(list) => {
                let list: Vec<String> = list.iter().map(Allowed::to_string).collect();
                write!(f, "allow:{}", list.join(","))
            }
        }
    }
}

/// Whom an entry means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// This name, in small letters.
    Name(String),
    /// Every name that ends in a dot and this.
    Below(String),
    /// This address.
    Address(IpAddr),
}

/// One entry of `allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    who: Who,
    /// `None`: the ports of the web.
    port: Option<u16>,
    /// Where the name leads, whatever it resolves to and whatever port is asked for.
    leads_to: Option<SocketAddr>,
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.who {
            Who::Name(name) => f.write_str(name)?,
            Who::Below(name) => write!(f, "*.{name}")?,
            Who::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Who::Address(address) => write!(f, "{address}")?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.leads_to.map_or(Ok(()), |target| write!(f, "={target}"))
    }
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((name, target)) = text.split_once('=') {
            let leads_to = target.parse().map_err(|_| format!("'{target}' is no address with a port"))?;
            if !is_host(name) {
                return Err(format!("'{name}' is no host name"));
            }
            let who = Who::Name(name.to_ascii_lowercase());
            return Ok(Self { who, port: None, leads_to: Some(leads_to) });
        }
        if let Ok(at) = text.parse::<SocketAddr>() {
            return Ok(Self { who: Who::Address(at.ip()), port: Some(at.port()), leads_to: None });
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            if !is_public(address) {
                return Err("an address that is not public needs its port".to_owned());
            }
            return Ok(Self { who: Who::Address(address), port: None, leads_to: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => {
                let number = port.parse::<u16>().ok().filter(|port| *port > 0);
                (host, Some(number.ok_or_else(|| format!("there is no port '{port}'"))?))
            }
            None => (text, None),
        };
        let (name, below) = host.strip_prefix("*.").map_or((host, false), |name| (name, true));
        if !is_host(name) {
            return Err(format!("'{host}' is no host name"));
        }
        let name = name.to_ascii_lowercase();
        Ok(Self { who: if below { Who::Below(name) } else { Who::Name(name) }, port, leads_to: None })
    }
}

impl Allowed {
    /// Whether this entry is about that host and port.
    fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let who = match &self.who {
            Who::Name(name) => *name == host,
            Who::Below(name) => host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.')),
            Who::Address(address) => {
                host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|host| host == *address)
            }
        };
        who && (self.leads_to.is_some()
            || self.port.map_or(matches!(port, 80 | 443), |allowed| allowed == port))
    }

    /// The address of the loopback that this entry names, where it does.
    pub fn loopback(&self) -> Option<SocketAddr> {
        match (&self.who, self.port) {
            (Who::Address(address), Some(port)) if address.is_loopback() => {
                Some(SocketAddr::new(*address, port))
            }
            _ => None,
        }
    }
}

/// Where a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nowhere.
    Refused,
    /// To this address, without asking for the name.
    To(SocketAddr),
    /// To what the name resolves to, as far as [`may_connect`] says so.
    Resolve,
}

/// Whether a host and port may be asked for, and where that leads.
pub fn way(allowed: &[Allowed], host: &str, port: u16) -> Way {
    let Some(entry) = allowed.iter().find(|entry| entry.covers(host, port)) else { return Way::Refused };
    match (entry.leads_to, &entry.who) {
        (Some(target), _) => Way::To(target),
        (None, Who::Address(address)) => Way::To(SocketAddr::new(*address, port)),
        (None, _) => Way::Resolve,
    }
}

/// Whether an address that an allowed name resolved to may be connected to: a public one, or one that is allowed
/// itself with its port.
pub fn may_connect(allowed: &[Allowed], at: SocketAddr) -> bool {
    is_public(at.ip())
        || allowed.iter().any(|entry| entry.who == Who::Address(at.ip()) && entry.port == Some(at.port()))
}

/// Whether an address is one of the open network: RFC 6890 and its registries, without what a machine or its
/// neighbours could have for themselves.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved = match a {
        0 | 10 | 127 | 224.. => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => b == 168 || (b == 0 && (c == 0 || c == 2)) || (b == 88 && c == 99),
        198 => b == 18 || b == 19 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    // Only what is given out for the open network, and there nothing that carries an address of version 4.
    let global = parts[0] & 0xe000 == 0x2000;
    let special = match (parts[0], parts[1]) {
        (0x2001, second) => second < 0x200 || second == 0xdb8,
        (0x3fff, second) => second < 0x1000,
        (first, _) => first == 0x2002,
    };
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Allowed> {
        match format!("allow:{text}").parse().expect("a policy") {
            Network::Allow(list) => list,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_mean_what_is_written() {
        let allowed = list(
            "Example.com, *.example.org, api.test:8443, 9.9.9.9, 127.0.0.1:8000, mirror.test=127.0.0.1:9",
        );
        let to = |at: &str| Way::To(at.parse().expect("an address"));
        for (host, port, wanted) in [
            ("example.com", 443, Way::Resolve),
            ("EXAMPLE.COM.", 80, Way::Resolve),
            ("example.com", 22, Way::Refused),
            ("www.example.com", 443, Way::Refused),
            ("evilexample.com", 443, Way::Refused),
            ("a.example.org", 443, Way::Resolve),
            ("a.b.example.org", 443, Way::Resolve),
            ("example.org", 443, Way::Refused),
            ("evilexample.org", 443, Way::Refused),
            ("api.test", 8443, Way::Resolve),
            ("api.test", 443, Way::Refused),
            ("9.9.9.9", 443, to("9.9.9.9:443")),
            ("127.0.0.1", 8000, to("127.0.0.1:8000")),
            ("127.0.0.1", 8001, Way::Refused),
            ("127.0.0.2", 8000, Way::Refused),
            ("mirror.test", 443, to("127.0.0.1:9")),
            ("", 80, Way::Refused),
        ] {
            assert_eq!(way(&allowed, host, port), wanted, "{host}:{port}");
        }
        let text = Network::Allow(allowed).to_string();
        assert_eq!(text.parse::<Network>().expect("read again").to_string(), text);
    }

    #[test]
    fn names_lead_to_public_addresses_only() {
        let allowed = list("example.com, 127.0.0.1:8000, [fd00::1]:80");
        let may = |at: &str| may_connect(&allowed, at.parse().expect("an address"));
        for at in ["127.0.0.1:8000", "[fd00::1]:80", "9.9.9.9:1", "[2606:4700::1]:443", "100.128.0.1:1"] {
            assert!(may(at), "{at}");
        }
        for at in [
            "127.0.0.1:8001",
            "127.8.0.1:80",
            "0.0.0.0:80",
            "10.1.2.3:80",
            "172.31.0.1:80",
            "192.168.1.1:80",
            "169.254.169.254:80",
            "100.64.0.1:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "198.18.0.1:80",
            "[::1]:80",
            "[::]:80",
            "[::ffff:127.0.0.1]:8000",
            "[::ffff:9.9.9.9]:80",
            "[fe80::1]:80",
            "[fd00::1]:81",
            "[64:ff9b::7f00:1]:80",
            "[2002:7f00:1::]:80",
            "[2001:db8::1]:80",
            "[ff02::1]:80",
        ] {
            assert!(!may(at), "{at}");
        }
    }

    #[test]
    fn what_is_no_entry_says_why() {
        for (text, reason) in [
            ("", "'' is no host name"),
            ("http://a.test", "there is no port '//a.test'"),
            ("a.test:0", "there is no port '0'"),
            ("a.test:70000", "there is no port '70000'"),
            ("10.0.0.1", "an address that is not public needs its port"),
            ("*", "'*' is no host name"),
            ("a.*.test", "'a.*.test' is no host name"),
            ("a.test=b.test:80", "'b.test:80' is no address with a port"),
            ("*.a.test=127.0.0.1:80", "'*.a.test' is no host name"),
        ] {
            assert_eq!(text.parse::<Allowed>().expect_err(text), reason);
        }
        for text in ["ful", "allow", "allow:", "allow:a.test,,b.test"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
