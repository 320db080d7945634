//! Images of containers: read and pulled, unpacked, shown; and what hostile ones get.

mod build;
mod hostile;
mod kept;
mod ordinary;
mod registry;
mod runs;
mod shown;
mod stored;

use crate::support::{Output, Rolltape, temp};
use rolltape::sandbox::Choice;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a store of its own.
struct Lab(TempDir);

impl Lab {
    fn new() -> Self {
        Self(temp())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where the store is.
    fn store(&self) -> PathBuf {
        self.path("home/images")
    }

    fn program(&self, arguments: &[&str]) -> Rolltape {
        Rolltape::new(arguments).cwd(self.0.path()).env("ROLLTAPE_HOME", self.path("home"))
    }

    fn rolltape(&self, arguments: &[&str]) -> Output {
        self.program(arguments).run()
    }

    fn choice(&self, image: &Path) -> Choice {
        let backend = format!("oci:{}", image.display());
        Choice { images: Some(self.store()), ..crate::sandbox::choice(&backend, None) }
    }

    /// Names in a folder of the store.
    fn kept(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.store().join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Unpacked images.
    fn roots(&self) -> Vec<PathBuf> {
        let names = self.kept("roots").into_iter().filter(|name| !name.contains('.'));
        names.map(|name| self.store().join("roots").join(name)).collect()
    }
}

/// Whether a sandbox can show an image here: root's needs idmapped mounts, an ordinary user's user namespaces.
fn can_show(test: &str) -> bool {
    use rolltape::sandbox::Level;
    let level = if rustix::process::geteuid().is_root() { Level::Overlay } else { Level::User };
    let works = crate::sandbox::levels::works(level);
    if !works {
        crate::support::ledger::note(test, "the sandbox level that shows images does not work here");
    }
    works
}
