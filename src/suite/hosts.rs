//! Host names of services, which answer on the ports of the web.

use super::ServiceSpec;
use super::reader::{Reader, Table};

/// Reads `hosts`; each is a name, and of one service only.
pub(super) fn read(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    port: Option<u16>,
    others: &[ServiceSpec],
) -> Vec<String> {
    let hosts = reader.strings(table, "hosts").unwrap_or_default();
    let mut seen: Vec<&String> = Vec::new();
    for host in &hosts {
        let at = table.place_of("hosts");
        if !is_host(host) {
            let message = format!("{host:?} in 'hosts' of {} is no host name", table.what);
            reader.error_hint(
                at,
                message,
                "it is a name like \"api.example.com\", without scheme, port and path",
            );
        } else if let Some(other) = others.iter().find(|other| other.hosts.contains(host)) {
            reader.error(
                at,
                format!("{} and service '{}' both have the host '{host}'", table.what, other.name),
            );
        } else if seen.contains(&host) {
            reader.error(at, format!("{} has the host '{host}' twice", table.what));
        }
        seen.push(host);
    }
    // The first service with names has them on the address that all usual ports are on.
    let web = |port: Option<u16>| matches!(port, Some(80 | 443));
    let named = others.iter().find(|other| !other.hosts.is_empty());
    let (both, at) = match named {
        Some(named) => (web(port).then_some(named), table.place_of("port")),
        None => (others.iter().find(|other| web(other.port) && !hosts.is_empty()), table.place_of("hosts")),
    };
    if let Some(other) = both {
        let message = format!("{} and service '{}' both want the ports 80 and 443", table.what, other.name);
        reader.error_hint(
            at,
            message,
            "a service with 'hosts' answers on both; give the other one another 'port'",
        );
    } else if port == Some(443) && !hosts.is_empty() {
        let message = format!("{} has 'hosts', so its port 443 is for TLS", table.what);
        reader.error_hint(table.place_of("port"), message, "'port' is for plain HTTP; leave it out");
    }
    hosts
}

/// Labels of letters, digits and dashes; the last one has a letter, so that it is no address.
pub(super) fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.split('.').all(label) && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_what_is_none() {
        for host in ["api.deepseek.com", "localhost", "a-b.c1", "1.2.3.x4"] {
            assert!(is_host(host), "{host}");
        }
        for host in
            ["", "a..b", "-a.b", "a.b-", "127.0.0.1", "::1", "a b", "a\nb", "http://a", "a:80", "*.a", "ü.de"]
        {
            assert!(!is_host(host), "{host}");
        }
        assert!(!is_host(&"a".repeat(64)) && !is_host(&"a.".repeat(127).trim_end_matches('.').repeat(2)));
    }
}
