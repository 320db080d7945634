//! Where things lie for programs inside, and the environment they start with.

/// Folders of an attempt that stand for paths of the agent, where it has no root of its own.
pub(super) const PRIVATE: [(&str, &str); 2] = [("/workspace", "work"), ("/tests", "tests")];

/// PATH of every sandbox.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
