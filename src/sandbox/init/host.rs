//! What of the host's system a root of our own has: folders that are shared, and small things that are copied.
//!
//! Looked at once a run, before the first init is forked: each sandbox writes its copies from memory. Only what everybody
//! may read is taken, however mighty the reader is.

use super::{During, Failure};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Folders of the system that are shared, by copy-on-write or read-only. Links among them stay links.
const SYSTEM: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt"];
/// Folders below that programs can't do without: the small ones are copied, the others shared too.
const PARTS: &[&str] = &[
    "etc/alternatives",
    "etc/ssl/certs",
    "etc/ca-certificates",
    "etc/ld.so.conf.d",
    "etc/dpkg",
    "etc/perl",
    "etc/python3",
    "etc/terminfo",
    "var/lib/dpkg",
];
/// Single files that are copied.
const FILES: &[&str] = &[
    "etc/passwd",
    "etc/group",
    "etc/nsswitch.conf",
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/localtime",
    "etc/profile",
    "etc/bash.bashrc",
    "etc/services",
    "etc/protocols",
    "etc/os-release",
    "etc/mime.types",
    "etc/shells",
    "etc/login.defs",
    "etc/debian_version",
    "etc/ssl/openssl.cnf",
    "etc/inputrc",
];
/// Entries and bytes up to which a part is small: writing them takes less than a mount.
const SMALL: (usize, u64) = (16, 64 * 1024);
/// Bytes of a single file that is copied.
const LARGEST: u64 = 8 << 20;

/// What a copy is.
enum Copy {
    Folder,
    Link(PathBuf),
    File(Vec<u8>, u32),
}

#[derive(Default)]
struct Host {
    shared: Vec<&'static str>,
    links: Vec<(&'static str, PathBuf)>,
    copies: Vec<(PathBuf, Copy)>,
}

static HOST: OnceLock<Host> = OnceLock::new();

/// The shared folders that are there and are no links.
pub(super) fn shared() -> &'static [&'static str] {
    &look().shared
}

/// System folders that are links.
pub(super) fn links() -> &'static [(&'static str, PathBuf)] {
    &look().links
}

/// Writes the copies below a new root.
pub(super) fn copy(root: &Path) -> Result<(), Failure> {
    for (name, copy) in &look().copies {
        let at = root.join(name);
        match copy {
            Copy::Folder => super::world::make(&at, 0o755)?,
            Copy::Link(target) => symlink(target, &at).during(&format!("make the link {}", at.display()))?,
            Copy::File(bytes, mode) => {
                let file = fs::OpenOptions::new().write(true).create_new(true).mode(*mode).open(&at);
                file.and_then(|mut file| std::io::Write::write_all(&mut file, bytes))
                    .during(&format!("copy /{}", name.display()))?;
            }
        }
    }
    Ok(())
}

/// Looks at the host, the first time.
pub(in crate::sandbox) fn remember() {
    look();
}

fn look() -> &'static Host {
    HOST.get_or_init(|| {
        let mut host = Host::default();
        for name in SYSTEM {
            match fs::symlink_metadata(Path::new("/").join(name)) {
                Ok(data) if data.is_dir() => host.shared.push(name),
                Ok(data) if data.is_symlink() => {
                    host.links.extend(fs::read_link(Path::new("/").join(name)).ok().map(|to| (*name, to)));
                }
                _ => {}
            }
        }
        for name in PARTS {
            let mut copies = Vec::new();
            match small(Path::new(name), &mut copies, &mut 0) {
                Some(()) => host.copies.append(&mut copies),
                None if Path::new("/").join(name).is_dir() => host.shared.push(name),
                None => {}
            }
        }
        host.copies.extend(
            FILES.iter().filter_map(|name| Some((PathBuf::from(name), file(name.as_ref(), LARGEST)?))),
        );
        host
    })
}

/// Takes a folder with all that is in it; `None` if it is no small one, or holds something else.
fn small(name: &Path, copies: &mut Vec<(PathBuf, Copy)>, bytes: &mut u64) -> Option<()> {
    let real = Path::new("/").join(name);
    if !fs::symlink_metadata(&real).ok()?.is_dir() {
        return None;
    }
    copies.push((name.to_owned(), Copy::Folder));
    let mut entries: Vec<_> = fs::read_dir(real).ok()?.collect::<Result<_, _>>().ok()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if copies.len() >= SMALL.0 {
            return None;
        }
        let name = name.join(entry.file_name());
        let kind = entry.file_type().ok()?;
        if kind.is_dir() {
            small(&name, copies, bytes)?;
        } else if kind.is_symlink() {
            copies.push((name, Copy::Link(fs::read_link(entry.path()).ok()?)));
        } else {
            let copy = file(&name, SMALL.1)?;
            if let Copy::File(content, _) = &copy {
                *bytes += content.len() as u64;
            }
            if *bytes > SMALL.1 {
                return None;
            }
            copies.push((name, copy));
        }
    }
    Some(())
}

/// A file that everybody may read and that is not too large.
fn file(name: &Path, largest: u64) -> Option<Copy> {
    let mut file = File::open(Path::new("/").join(name)).ok()?;
    let data = file.metadata().ok()?;
    let mode = data.permissions().mode();
    if !data.is_file() || mode & 0o004 == 0 || data.len() > largest {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(Copy::File(bytes, if mode & 0o001 == 0 { 0o644 } else { 0o755 }))
}
