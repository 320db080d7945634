//! Logins that podman and docker keep (`containers-auth.json(5)`): user and password by registry.
//! Helpers that keep them elsewhere are not asked.

use super::Problem;
use base64::Engine as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The files in which logins may be, best first.
#[derive(Debug, Clone, Default)]
pub(super) struct Logins(pub(super) Vec<PathBuf>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
}

#[derive(Debug, Deserialize)]
struct Login {
    #[serde(default)]
    auth: String,
}

impl Logins {
    /// User and password for a registry.
    pub(super) fn of(&self, registry: &str) -> Result<Option<(String, String)>, Problem> {
        for path in &self.0 {
            let Ok(text) = std::fs::read_to_string(path) else { continue };
            // Neither the text nor what is wrong with it is shown: it may hold passwords.
            let broken = || Problem::new(format!("the logins in {} can't be read", path.display()));
            let kept: Kept = serde_json::from_str(&text).map_err(|_| broken())?;
            let found = kept.auths.iter().find(|(name, _)| host(name) == host(registry));
            let Some((_, login)) = found.filter(|(_, login)| !login.auth.is_empty()) else { continue };
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(login.auth.trim()).map_err(|_| broken())?;
            let pair = String::from_utf8(bytes).map_err(|_| broken())?;
            let (user, password) = pair.split_once(':').ok_or_else(broken)?;
            return Ok(Some((user.to_owned(), password.trim_end_matches('\0').to_owned())));
        }
        Ok(None)
    }
}

/// A registry's host as it stands in images: docker keeps its own under an old address.
fn host(name: &str) -> &str {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    let name = name.split('/').next().unwrap_or(name);
    if name == "index.docker.io" { "docker.io" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_by_its_host() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        let word = base64::engine::general_purpose::STANDARD.encode("me:a:b");
        let text = format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{word}"}}, "h:5000": {{}}}}}}"#
        );
        std::fs::write(&file, text).unwrap();
        let logins = Logins(vec![folder.path().join("none"), file.clone()]);
        assert_eq!(logins.of("docker.io").unwrap(), Some(("me".to_owned(), "a:b".to_owned())));
        assert_eq!(logins.of("h:5000").unwrap(), None);
        std::fs::write(&file, "{").unwrap();
        let problem = logins.of("docker.io").unwrap_err();
        assert!(problem.message.contains("can't be read"), "{problem:?}");
    }
}
