//! How hidden tests run the program that they judge, so that it can't reach them.
//!
//! Where a sandbox has a second user, the program runs as that. Where all are one user, our own binary stands before
//! the program: it gives up what would let the program touch the tests, and then becomes it (`init/untrusted`).

use super::{Launcher, Level, Sandbox, layout};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The first argument by which the binary knows that it stands before an untrusted program.
pub(super) const MARK: &str = "@untrusted";
/// Where the binary lies in a root of its own.
const INSIDE: &str = "/run/rolltape";
/// The second user, and nothing of the verdict's secret.
const SECOND_USER: &str =
    "env -u ROLLTAPE_NONCE setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs";

/// A way to keep a judged program from the tests that run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart(Way);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    SecondUser,
    /// Our binary on the host, and where programs inside find it.
    Wrapped {
        host: String,
        inside: String,
    },
}

impl Apart {
    /// What must be mounted for it: path on the host, path inside.
    pub fn mount(&self) -> Option<(String, String)> {
        match &self.0 {
            Way::SecondUser => None,
            Way::Wrapped { host, inside } => Some((host.clone(), inside.clone())),
        }
    }

    /// The words before a command that is not to be trusted. `mounts` are those of the task.
    pub fn prefix(&self, sandbox: &dyn Sandbox, mounts: &[(String, String)]) -> String {
        let Way::Wrapped { inside, .. } = &self.0 else { return SECOND_USER.to_owned() };
        let (home, mut writes) = match folder(sandbox) {
            Some(folder) => (format!("{folder}/home"), vec![format!("{folder}/tmp")]),
            None => (layout::HOME.to_owned(), ["/tmp", "/var/tmp", "/dev/shm"].map(str::to_owned).to_vec()),
        };
        writes.push(sandbox.workspace().to_owned());
        let own_root = folder(sandbox).is_none();
        let shown = mounts.iter().map(|(from, at)| if own_root { at } else { from });
        let writes = writes.iter().map(|path| format!(" w={path}"));
        let reads = std::iter::once(&home).chain(shown).map(|path| format!(" r={path}"));
        format!("{inside} {MARK}{}{} --", writes.collect::<String>(), reads.collect::<String>())
    }

    /// A folder that the tests can write and the program can't, for the tests' own temporary files. `None` where that is
    /// nothing special, as they belong to another user.
    pub fn scratch(&self, sandbox: &dyn Sandbox) -> Option<String> {
        (self.0 != Way::SecondUser).then(|| match folder(sandbox) {
            Some(folder) => format!("{folder}/home"),
            None => layout::HOME.to_owned(),
        })
    }
}

/// The attempt's private folder, where programs see the host's paths.
fn folder(sandbox: &dyn Sandbox) -> Option<&str> {
    sandbox.workspace().rsplit_once('/').map(|(folder, _)| folder).filter(|folder| !folder.is_empty())
}

impl Launcher {
    /// How hidden tests of a task with that root can run what they judge without being open to it, or why they can't.
    pub fn apart(&self, root: &str, mounts: &[(String, String)]) -> Result<Apart, String> {
        let inside = |program: &str| match self.level() {
            Level::User => INSIDE.to_owned(),
            _ => program.to_owned(),
        };
        if self.container(root).is_some() {
            return Ok(Apart(Way::SecondUser));
        }
        match self.level() {
            Level::Overlay | Level::Container => return Ok(Apart(Way::SecondUser)),
            Level::None => return Err("there is no isolation".to_owned()),
            Level::User if self.image(root).is_some() => {
                return Err("an image has no program of ours".to_owned());
            }
            Level::User | Level::Process => {}
        }
        let (helper, no_landlock) = self.helper();
        if let Some(reason) = no_landlock {
            return Err(reason.to_owned());
        }
        let program = program(helper)?;
        let spaced = |path: &String| path.contains(char::is_whitespace);
        if let Some(path) = mounts.iter().flat_map(|(from, at)| [from, at]).find(|path| spaced(path)) {
            return Err(format!("the path '{path}' has a space in it"));
        }
        Ok(Apart(Way::Wrapped { inside: inside(&program), host: program }))
    }
}

/// The binary's path, if every user can run it there.
fn program(helper: &Path) -> Result<String, String> {
    let path =
        helper.canonicalize().map_err(|error| format!("{} is not there: {error}", helper.display()))?;
    let shown = path.display();
    if path.as_os_str().as_encoded_bytes().iter().any(u8::is_ascii_whitespace) {
        return Err(format!("the path '{shown}' has a space in it"));
    }
    let closed = |part: &&Path| part.metadata().map_or(true, |data| data.mode() & 0o001 == 0);
    // Started by root, programs inside are somebody else.
    if rustix::process::geteuid().is_root()
        && let Some(part) = path.ancestors().find(closed)
    {
        return Err(format!("{} is closed to other users, and {shown} with it", part.display()));
    }
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| format!("the path '{shown}' is no UTF-8"))
}

/// The running binary: a link of `/proc` tells another path in each process.
pub(super) fn binary(helper: &Path) -> PathBuf {
    std::fs::read_link(helper).unwrap_or_else(|_| helper.to_owned())
}
