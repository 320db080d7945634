//! Room for mount points below a read-only folder of the host: a folder of our own which shows the same things.

use super::world::{bind, make, read_only};
use super::{During, Failure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Mount points below the host's folder `name` that are not there, relative to it.
pub(super) fn missing(mounts: &[(String, String)], name: &str) -> Vec<PathBuf> {
    let top = Path::new("/").join(name);
    let below = mounts.iter().filter_map(|(_, at)| Path::new(at).strip_prefix(&top).ok());
    below.filter(|point| !top.join(point).is_dir()).map(Path::to_owned).collect()
}

/// Shows `host` at `at`, with folders at `points`. It is to be made read-only when all is in place.
pub(super) fn show(host: &Path, at: &Path, points: &[PathBuf]) -> Result<(), Failure> {
    make(at, 0o755)?;
    // A mount of its own, so that it can be made read-only with all that is in it.
    rustix::mount::mount_bind(at, at).during(&format!("bind {}", at.display()))?;
    mirror(host, at, points)
}

fn mirror(host: &Path, at: &Path, points: &[PathBuf]) -> Result<(), Failure> {
    let entries = fs::read_dir(host).during(&format!("read {}", host.display()))?;
    for entry in entries.flatten() {
        let (name, path, target) = (entry.file_name(), entry.path(), at.join(entry.file_name()));
        let inner: Vec<PathBuf> = points
            .iter()
            .filter_map(|point| point.strip_prefix(&name).ok())
            .filter(|point| !point.as_os_str().is_empty() && !path.join(point).is_dir())
            .map(Path::to_owned)
            .collect();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !inner.is_empty() {
            make(&target, 0o755)?;
            mirror(&path, &target, &inner)?;
        } else if kind.is_dir() {
            make(&target, 0o755)?;
            bind(&path, &target)?;
            read_only(&target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path)?, &target).during(&format!("make the link {}", target.display()))?;
        } else if kind.is_file() {
            fs::write(&target, b"").during(&format!("make {}", target.display()))?;
            bind(&path, &target)?;
            read_only(&target)?;
        }
    }
    for point in points {
        let point = at.join(point);
        fs::create_dir_all(&point).during(&format!("make {}", point.display()))?;
    }
    Ok(())
}
