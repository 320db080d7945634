//! Images as launcher and init see them: a folder, who its files belong to, what its programs start with.

use super::SandboxError;
use super::wire::{Dec, Enc};
use std::io;

/// What an init is told of the image that it shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Image {
    /// The folder that is shown as the root, copy-on-write.
    pub(super) root: String,
    /// First user id, first group id and number of ids that are lent to an ordinary user; none lent if 0.
    pub(super) lent: (u32, u32, u32),
    /// As whom programs run.
    pub(super) user: u32,
    /// Their group.
    pub(super) group: u32,
    /// Their other groups.
    pub(super) groups: Vec<u32>,
    /// The image's working folder, for which `/workspace` stands; empty for none.
    pub(super) workdir: String,
}

impl Image {
    pub(super) fn encode(&self, out: &mut Enc) {
        out.text(&self.root).u32(self.lent.0).u32(self.lent.1).u32(self.lent.2);
        out.u32(self.user).u32(self.group).u32(self.groups.len() as u32);
        for group in &self.groups {
            out.u32(*group);
        }
        out.text(&self.workdir);
    }

    pub(super) fn decode(from: &mut Dec<'_>) -> io::Result<Self> {
        Ok(Self {
            root: from.text()?,
            lent: (from.u32()?, from.u32()?, from.u32()?),
            user: from.u32()?,
            group: from.u32()?,
            groups: (0..from.u32()?).map(|_| from.u32()).collect::<Result<_, _>>()?,
            workdir: from.text()?,
        })
    }
}

/// The image of a back end's name, or of a suite's `root`: what stands behind `oci:`.
pub(super) fn image_of(word: &str) -> Option<&str> {
    word.strip_prefix("oci:")
}

/// What would make a build that can unpack images.
pub const WITH_IMAGES: &str = "cargo install rolltape --features oci";

/// What a build without the feature says.
pub fn no_images(image: &str) -> SandboxError {
    let mut error = SandboxError::new(format!("this build of rolltape can't show the image '{image}'"));
    error.hint = Some(format!("`{WITH_IMAGES}` makes one that can"));
    error
}

/// No folder for images is known.
#[cfg(feature = "oci")]
pub(super) fn no_store() -> SandboxError {
    let mut error = SandboxError::new("there is no folder to keep images in");
    error.hint = Some("set ROLLTAPE_HOME, XDG_CACHE_HOME or HOME".to_owned());
    error
}

/// A name of an image as it is meant from the folder `base`: a path becomes a whole one, everything else stays.
pub fn image_from(base: &std::path::Path, image: &str) -> String {
    if image.starts_with("./")
        || image.starts_with("../")
        || (!image.starts_with('/') && is_there(base, image))
    {
        let whole = std::path::absolute(base.join(image)).unwrap_or_else(|_| base.join(image));
        return whole.display().to_string();
    }
    image.to_owned()
}

/// Whether a name is that of a file or folder, with or without a tag behind it.
fn is_there(base: &std::path::Path, image: &str) -> bool {
    let starts = image.match_indices(':').map(|(at, _)| &image[..at]).chain([image]);
    starts.filter(|path| !path.is_empty()).any(|path| base.join(path).exists())
}
