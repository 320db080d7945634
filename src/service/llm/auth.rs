//! Whether a request shows the right key.

/// What an `Authorization` value is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    Ok,
    Missing,
    Bad,
}

impl Auth {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Auth::Ok => "ok",
            Auth::Missing => "missing",
            Auth::Bad => "bad",
        }
    }

    /// Judges an `Authorization` value; the scheme's case does not count.
    pub(super) fn of(header: Option<&str>, key: &str) -> Self {
        match header.map(str::trim).filter(|value| !value.is_empty()) {
            None => Auth::Missing,
            Some(value) => match token(value) {
                Some(token) if token == key => Auth::Ok,
                _ => Auth::Bad,
            },
        }
    }
}

/// The token of a bearer value.
pub(super) fn token(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_key_is_right() {
        for (header, auth) in [
            (None, Auth::Missing),
            (Some("  "), Auth::Missing),
            (Some("Bearer k"), Auth::Ok),
            (Some("bearer  k "), Auth::Ok),
            (Some("Bearer K"), Auth::Bad),
            (Some("Basic k"), Auth::Bad),
            (Some("k"), Auth::Bad),
        ] {
            assert_eq!(Auth::of(header, "k"), auth, "{header:?}");
        }
    }
}
