//! Reads what programs of an unpacked image start with: below its root, like everything of it.

use super::Problem;
use super::beneath::Beneath;
use super::document::Settings;
use crate::sandbox::start::{MAX_NAMES, Said, Start};

/// Reads it off an unpacked image.
pub(super) fn read(settings: &Settings, root: &Beneath) -> Result<Start, Problem> {
    let read = |path: &str| -> Result<String, Problem> {
        let bytes =
            root.read(path, MAX_NAMES).map_err(|error| Problem::io(&format!("read its {path}"), &error))?;
        Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    };
    let said = Said {
        env: &settings.env,
        user: &settings.user,
        workdir: &settings.working_dir,
        passwd: &read("/etc/passwd")?,
        group: &read("/etc/group")?,
        bash: root.open_at(std::path::Path::new("bin/bash"), rustix::fs::OFlags::PATH).is_ok(),
    };
    Start::of(&said).map_err(Problem::new)
}
