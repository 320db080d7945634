//! Where things lie for programs inside, and the environment they start with.

use std::path::{Path, PathBuf};

/// Folders of an attempt that stand for paths of the agent, where it has no root of its own.
pub(super) const PRIVATE: [(&str, &str); 2] = [("/workspace", "work"), ("/tests", "tests")];

/// The home of programs in a root of their own where they are not root.
pub(super) const HOME: &str = "/home/agent";

/// PATH of every sandbox.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Folders that are shared with programs inside, whole or in parts.
const SHARED: [&str; 3] = ["/usr", "/opt", "/etc"];
/// Folders without which the system's programs do not run: whatever the harness keeps above or in them is seen.
const NEEDED: [&str; 10] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/share",
    "/usr/local/bin",
    "/usr/local/lib",
    "/etc/ssl",
];

/// Those of the harness's folders that must be hidden: below what is shared, and not what all programs need.
pub(super) fn hidden(folders: &[PathBuf]) -> Vec<String> {
    // The run's own folder is only about to be made.
    let real = folders.iter().filter_map(|folder| {
        let there = folder.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
        there.and_then(|(part, real)| Some(real.join(folder.strip_prefix(part).ok()?)))
    });
    let below = |folder: &PathBuf| {
        SHARED.iter().any(|shared| folder.starts_with(shared) && folder != Path::new(shared))
            && !NEEDED.iter().any(|needed| Path::new(needed).starts_with(folder))
    };
    let shown = |folder: PathBuf| folder.display().to_string().trim_end_matches('/').to_owned();
    let mut found: Vec<String> = real.filter(below).map(shown).collect();
    found.sort();
    found.dedup();
    found
}

/// The bundle of certificates that programs look for first.
pub(super) const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The certificate of the run's authority alone, where the sandbox has a root of its own.
pub(super) const AUTHORITY: &str = "/etc/ssl/rolltape.pem";

/// The bundle of an attempt that has no root of its own.
pub(super) fn bundle_of(folder: &str) -> String {
    format!("{folder}/home/.ca-certificates.crt")
}

/// Variables by which programs are told what to trust: OpenSSL and Python, requests, curl, Node.
pub(super) fn trusting(bundle: &str, authority: &str) -> Vec<(String, String)> {
    let all = [
        ("SSL_CERT_FILE", bundle),
        ("REQUESTS_CA_BUNDLE", bundle),
        ("CURL_CA_BUNDLE", bundle),
        ("NODE_EXTRA_CA_CERTS", authority),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The clean environment: home, temp folder and user differ between levels.
pub(super) fn environment(home: &str, tmp: &str, user: &str) -> Vec<(String, String)> {
    let fixed = [
        ("PATH", PATH),
        ("HOME", home),
        ("TMPDIR", tmp),
        ("USER", user),
        ("LOGNAME", user),
        ("SHELL", "/bin/bash"),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("PAGER", "cat"),
        ("GIT_PAGER", "cat"),
        ("MANPAGER", "cat"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ];
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A path of the agent, from the root.
pub(super) fn absolute(path: &str) -> String {
    match path {
        "" => "/workspace".to_owned(),
        _ if path.starts_with('/') => path.to_owned(),
        _ => format!("/workspace/{path}"),
    }
}

/// Maps a path of the agent to where it lies below the attempt's folder.
pub(super) fn resolve(folder: &str, path: &str) -> String {
    let absolute = absolute(path);
    for (prefix, name) in PRIVATE {
        if let Some(rest) = absolute.strip_prefix(prefix)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return format!("{folder}/{name}{rest}");
        }
    }
    absolute
}
