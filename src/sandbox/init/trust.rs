//! Makes programs inside trust the authority of the run, whatever they ask: the system's bundle of certificates,
//! a bundle that a Python environment brings along, and the variables that the launcher sets.
//!
//! Nothing of the host changes: a bundle is a file of our own, or one laid over the host's.

use super::world::read_only;
use super::{During, Failure};
use crate::sandbox::layout;
use crate::sandbox::wire::Spec;
use std::fs;
use std::path::{Path, PathBuf};

/// Where programs look for the system's bundle. The first is always made: the variables name it.
const BUNDLES: &[&str] = &[layout::BUNDLE, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// Bundles that Python packages bring along, below a `site-packages`.
const CERTIFI: &[&str] = &["certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem"];

/// For a root of our own, before it is entered; `store` is a folder that nobody inside will see.
pub(super) fn inside(spec: &Spec, root: &Path, store: &Path) -> Result<(), Failure> {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    fs::write(below(layout::AUTHORITY), &spec.authority).during(&format!("write {}", layout::AUTHORITY))?;
    let mut laid = 0;
    for (index, path) in BUNDLES.iter().enumerate() {
        if index > 0 && !Path::new(path).is_file() {
            continue;
        }
        let at = below(path);
        // In a copy-on-write folder, and where there was none, the file can be our own.
        let own = at.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok())
            && fs::symlink_metadata(&at).map_or(true, |data| data.is_file() || fs::remove_file(&at).is_ok())
            && fs::write(&at, bundle(Path::new(path), spec)).is_ok();
        if !own {
            lay(Path::new(path), &at, &store.join(format!("trust-{laid}")), spec)?;
            laid += 1;
        }
    }
    // In a container nothing can be laid over what is mounted: there the variables alone say whom to trust.
    let mounts = if spec.level == super::CONTAINER { &[] } else { spec.mounts.as_slice() };
    for (_, at) in mounts {
        for file in certifi(&below(at)) {
            lay(&file, &file, &store.join(format!("trust-{laid}")), spec)?;
            laid += 1;
        }
    }
    Ok(())
}

/// For levels that share the host's root: one bundle in the attempt's folder, which the variables name.
pub(super) fn beside(spec: &Spec) -> Result<(), Failure> {
    let at = layout::bundle_of(&spec.folder);
    fs::write(&at, bundle(Path::new(layout::BUNDLE), spec)).during(&format!("write {at}"))
}

/// The certificates of a file, if it is there, and ours.
fn bundle(of: &Path, spec: &Spec) -> Vec<u8> {
    let mut bytes = fs::read(of).unwrap_or_default();
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(spec.authority.as_bytes());
    bytes
}

/// Lays a bundle over a file in a read-only folder; what is no plain file there is left alone.
fn lay(of: &Path, at: &Path, spare: &Path, spec: &Spec) -> Result<(), Failure> {
    if !fs::symlink_metadata(at).is_ok_and(|data| data.is_file()) {
        return Ok(());
    }
    fs::write(spare, bundle(of, spec)).during("write a bundle of certificates")?;
    rustix::mount::mount_bind(spare, at).during(&format!("lay a bundle over {}", at.display()))?;
    read_only(at)
}

/// Bundles of a Python environment.
fn certifi(folder: &Path) -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir(folder.join("lib")) else { return Vec::new() };
    let mut found = Vec::new();
    for version in
        versions.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"python"))
    {
        let packages = version.path().join("site-packages");
        found.extend(CERTIFI.iter().map(|file| packages.join(file)).filter(|file| file.is_file()));
    }
    found.sort();
    found
}
