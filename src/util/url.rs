//! Base addresses of servers: `http://HOST[:PORT][/PATH]` and nothing else.

use std::fmt;

/// Where a server is asked. No user, no query, no fragment; no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Host; IPv6 addresses without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path, empty or with a slash in front.
    pub path: String,
    port_told: bool,
}

impl Base {
    /// Reads an address. The error is a clause that follows the thing's name and never quotes the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err("must begin with http:// or https://"),
        };
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) || !text.is_ascii() {
            return Err("must be ASCII without spaces");
        }
        if rest.contains(['?', '#']) {
            return Err("must end before '?' and '#'");
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err("must hold no user and no password");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (host, after) = inner.split_once(']').ok_or("has a '[' without its ']'")?;
                (
                    host,
                    after.strip_prefix(':').or((after.is_empty()).then_some("")).ok_or("has no good port")?,
                )
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        if host.is_empty() {
            return Err("names no host");
        }
        let port_told = !port.is_empty();
        let port = match port {
            "" => {
                if tls {
                    443
                } else {
                    80
                }
            }
            digits => match digits.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return Err("has no good port"),
            },
        };
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { tls, host: host.to_ascii_lowercase(), port, path, port_told })
    }

    /// `HOST` or `HOST:PORT`, as it was written.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port_told { format!("{host}:{}", self.port) } else { host }
    }

    /// Whether the host is this machine itself.
    pub fn is_loopback(&self) -> bool {
        let address: Result<core::net::IpAddr, _> = self.host.parse();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ones_come_back_without_the_last_slash() {
        for (text, shown, host, port) in [
            ("https://API.deepseek.com", "https://api.deepseek.com", "api.deepseek.com", 443),
            ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1", "127.0.0.1", 8080),
            ("http://[::1]:9/", "http://[::1]:9", "::1", 9),
        ] {
            let base = Base::parse(text).unwrap();
            assert_eq!((base.to_string().as_str(), base.host.as_str(), base.port), (shown, host, port));
        }
        assert!(Base::parse("http://[::1]").unwrap().is_loopback());
        assert!(!Base::parse("http://127.evil.example").unwrap().is_loopback());
    }

    #[test]
    fn bad_ones_are_told() {
        for text in [
            "",
            "host",
            "ftp://x",
            "http://",
            "http:///v1",
            "http://a b",
            "http://u:p@h",
            "http://h:0",
            "http://h:x",
            "http://h:99999",
            "http://h/?a=b",
            "http://h#f",
            "http://[::1",
            "http://[::1]x",
            "http://h\u{e9}",
        ] {
            assert!(Base::parse(text).is_err(), "{text}");
        }
    }
}
