//! The store: `blobs/sha256/HEX` are packed layers and configurations of registries, `roots/KEY` unpacked images by
//! the digests of their layers and by whose the files are, `names/HEX.json` what is known of an image by name.
//!
//! Several harnesses may use one store. What is made lies in `tmp` and is renamed into place; who makes it holds
//! a lock in `locks`, so that nobody makes it twice. `locks/store` is held shared by whoever adds and alone by
//! whoever removes; `locks/use-KEY` is held shared by each run that shows a root.

use super::beneath::Beneath;
use super::document::Settings;
use super::ids::Ids;
use super::job::Job;
use super::logins::Logins;
use super::source::{Layer, Local, Source};
use super::unpack::{LIMITS, Told};
use super::{Problem, hex, local, registry, sha256};
use crate::sandbox::SandboxError;
use crate::sandbox::start::Start;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How an unpacked image is laid out; a change makes new roots.
const FORM: &str = "1";

/// Whether a registry is asked for what the store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Only if the store does not have it.
    Missing,
    /// Always: a tag may mean another image by now.
    Always,
}

/// What the store knows of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Version of this record.
    pub schema: u32,
    /// Its whole name: registry, name, tag; or a path.
    pub name: String,
    /// Digest of the manifest or index that the name meant.
    pub digest: String,
    /// Digests of the packed layers and the configuration in the store.
    pub blobs: Vec<String>,
    /// Digests of the unpacked layers, lowest first.
    pub diff_ids: Vec<String>,
    /// Bytes of its files, unpacked.
    pub bytes: u64,
    /// Files that belong to nobody, as their owners are outside of a sandbox's ids.
    pub strangers: u64,
    /// Extended attributes that were left out.
    pub attributes: u64,
    /// What its programs start with.
    pub settings: Settings,
}

/// What a collection removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Unpacked images.
    pub roots: u64,
    /// Packed layers and configurations.
    pub blobs: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Unpacked images that no name has but a run uses.
    pub used: u64,
}

/// An image that can be shown, as long as this lives.
#[derive(Debug)]
pub(in crate::sandbox) struct Ready {
    pub(in crate::sandbox) root: PathBuf,
    pub(in crate::sandbox) kept: Kept,
    pub(in crate::sandbox) start: Start,
    /// Keeps a collection away.
    _used: File,
}

impl Ready {
    /// Whether a program of this name is in the PATH that the image's programs start with.
    pub(in crate::sandbox) fn has_program(&self, program: &str) -> bool {
        let Ok(beneath) = Beneath::open(&self.root) else { return false };
        let path = self.start.env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, path)| path);
        path.split(':').filter(|folder| folder.starts_with('/')).any(|folder| {
            let file = Path::new(folder.trim_start_matches('/')).join(program);
            let stat = beneath
                .open_at(&file, rustix::fs::OFlags::PATH)
                .and_then(|file| Ok(rustix::fs::fstat(&file)?));
            stat.is_ok_and(|stat| {
                rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile
                    && stat.st_mode & 0o111 != 0
            })
        })
    }
}

/// A store on disk.
#[derive(Debug)]
pub(in crate::sandbox) struct Store {
    folder: PathBuf,
    helper: PathBuf,
    logins: Logins,
    pub(in crate::sandbox) ids: Ids,
}

impl Store {
    /// Opens it, makes it if it is not there, and clears away what dead pulls left if nobody pulls.
    pub(in crate::sandbox) fn open(
        folder: &Path,
        helper: Option<PathBuf>,
        logins: Vec<PathBuf>,
    ) -> Result<Self, SandboxError> {
        let failed = |error: &std::io::Error| {
            let mut told = crate::sandbox::wire::failed(
                &format!("open the store of images {}", folder.display()),
                error,
            );
            told.hint = Some("let ROLLTAPE_HOME name a folder that can be written".to_owned());
            told
        };
        let parts = ["blobs/sha256", "roots", "names", "locks", "tmp"];
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).and_then(|()| {
            // Files of images may carry a set-user-ID bit: nobody else may come by them.
            if fs::metadata(folder)?.uid() != rustix::process::geteuid().as_raw() {
                return Err(std::io::Error::other("it belongs to another user"));
            }
            fs::set_permissions(folder, Permissions::from_mode(0o700))?;
            parts.iter().try_for_each(|part| fs::create_dir_all(folder.join(part)))?;
            folder.canonicalize()
        });
        let folder = made.map_err(|error| failed(&error))?;
        let helper = helper.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        let store = Self { folder, helper, logins: Logins(logins), ids: Ids::look() };
        if let Ok(lock) = store.lock_file("store")
            && lock.try_lock().is_ok()
        {
            let _ = store.sweep();
        }
        Ok(store)
    }

    pub(super) fn blob(&self, hex: &str) -> PathBuf {
        self.folder.join("blobs/sha256").join(hex)
    }

    /// A file that is not yet anything.
    pub(super) fn young(&self) -> std::io::Result<tempfile::NamedTempFile> {
        tempfile::Builder::new().prefix("blob-").tempfile_in(self.folder.join("tmp"))
    }

    fn lock_file(&self, name: &str) -> std::io::Result<File> {
        File::options().create(true).append(true).open(self.folder.join("locks").join(name))
    }

    /// Waits for a lock that one holds at a time.
    pub(super) async fn lock_alone(&self, name: &str) -> Result<File, Problem> {
        self.lock(name, File::try_lock).await
    }

    async fn lock(
        &self,
        name: &str,
        how: fn(&File) -> Result<(), fs::TryLockError>,
    ) -> Result<File, Problem> {
        let file = self.lock_file(name).map_err(|error| Problem::io("open a lock of the store", &error))?;
        loop {
            match how(&file) {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(fs::TryLockError::Error(error)) => return Err(Problem::io("lock the store", &error)),
            }
        }
    }

    /// Has an image pulled or read, unpacked and known.
    pub(in crate::sandbox) async fn ready(
        self: &Arc<Self>,
        name: &str,
        policy: Policy,
    ) -> Result<Ready, Problem> {
        let source = Source::find(name)?;
        let canonical = source.canonical();
        let _adding = self.lock("store", File::try_lock_shared).await?;
        if let (Source::Registry(_), Policy::Missing, Some(kept)) = (&source, policy, self.known(&canonical))
        {
            let key = self.key(&kept.diff_ids);
            let used = self.lock(&format!("use-{key}"), File::try_lock_shared).await?;
            if self.root(&key).is_dir() {
                return self.show(kept, used);
            }
        }
        let image = match &source {
            Source::Registry(reference) => registry::pull(self, reference, &self.logins).await?,
            Source::Layout { folder, tag } => {
                let (folder, tag) = (folder.clone(), tag.clone());
                blocking(move || local::layout(&folder, tag.as_deref())).await?
            }
            Source::Archive { file, tag } => {
                let (file, tag) = (file.clone(), tag.clone());
                blocking(move || local::archive(&file, tag.as_deref())).await?
            }
        };
        let Local { digest, settings, layers, blobs } = image;
        let diff_ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let key = self.key(&diff_ids);
        let used = self.lock(&format!("use-{key}"), File::try_lock_shared).await?;
        let told = self.unpacked(&key, layers).await?;
        let Told { bytes, strangers, attributes } = told;
        let kept = Kept {
            schema: 1,
            name: canonical,
            digest,
            blobs,
            diff_ids,
            bytes,
            strangers,
            attributes,
            settings,
        };
        self.remember(&kept)?;
        self.show(kept, used)
    }

    fn show(&self, kept: Kept, used: File) -> Result<Ready, Problem> {
        let root = self.root(&self.key(&kept.diff_ids));
        let beneath = Beneath::open(&root).map_err(|error| Problem::io("open its folder", &error))?;
        let start = super::start::read(&kept.settings, &beneath)?;
        Ok(Ready { root, kept, start, _used: used })
    }

    /// The folder of an unpacked image, made if it is not there.
    async fn unpacked(self: &Arc<Self>, key: &str, layers: Vec<Layer>) -> Result<Told, Problem> {
        let _lock = self.lock_alone(&format!("root-{key}")).await?;
        let notes = self.folder.join("roots").join(format!("{key}.json"));
        if self.root(key).is_dir()
            && let Ok(told) = fs::read(&notes).map(|bytes| serde_json::from_slice(&bytes))
        {
            return told.map_err(|error| Problem::new(format!("{} can't be read: {error}", notes.display())));
        }
        let (store, root) = (Arc::clone(self), self.root(key));
        blocking(move || {
            let failed = |error: std::io::Error| Problem::io("write to the store", &error);
            let made = tempfile::Builder::new()
                .prefix("root-")
                .tempdir_in(store.folder.join("tmp"))
                .map_err(failed)?;
            let young = made.keep();
            fs::set_permissions(&young, Permissions::from_mode(0o755)).map_err(failed)?;
            let job = Job::Unpack { root: young.clone(), layers, limits: LIMITS };
            match job.run(&store.ids, &store.helper) {
                Ok(told) => {
                    let text = serde_json::to_vec(&told).map_err(|error| Problem::new(error.to_string()))?;
                    fs::write(&notes, text).and_then(|()| fs::rename(&young, &root)).map_err(failed)?;
                    Ok(told)
                }
                Err(what) => {
                    let _ = Job::Remove(young).run(&store.ids, &store.helper);
                    let problem = Problem::new(what);
                    Err(if problem.message.contains("no space") {
                        problem.hint(super::NO_SPACE)
                    } else {
                        problem
                    })
                }
            }
        })
        .await
    }

    fn key(&self, diff_ids: &[String]) -> String {
        let text = format!("{FORM}\n{}\n{}\n", self.ids.word(), diff_ids.join("\n"));
        hex(&Sha256::digest(text.as_bytes()))
    }

    fn root(&self, key: &str) -> PathBuf {
        self.folder.join("roots").join(key)
    }

    fn name_file(&self, name: &str) -> PathBuf {
        self.folder.join("names").join(format!("{}.json", hex(&Sha256::digest(name.as_bytes()))))
    }

    fn known(&self, name: &str) -> Option<Kept> {
        serde_json::from_slice(&fs::read(self.name_file(name)).ok()?).ok()
    }

    fn remember(&self, kept: &Kept) -> Result<(), Problem> {
        let failed = |error: std::io::Error| Problem::io("write to the store", &error);
        let text = serde_json::to_vec_pretty(kept).map_err(|error| Problem::new(error.to_string()))?;
        let young = self.young().map_err(failed)?;
        fs::write(young.path(), text).map_err(failed)?;
        young.persist(self.name_file(&kept.name)).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// All that is known, by name.
    pub(super) fn list(&self) -> Result<Vec<Kept>, SandboxError> {
        let folder = self.folder.join("names");
        let entries = fs::read_dir(&folder)
            .map_err(|error| crate::sandbox::wire::failed(&format!("read {}", folder.display()), &error))?;
        let read = |path: PathBuf| serde_json::from_slice::<Kept>(&fs::read(path).ok()?).ok();
        let mut all: Vec<Kept> = entries.flatten().filter_map(|entry| read(entry.path())).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    pub(super) async fn remove(self: &Arc<Self>, name: &str, from: &Path) -> Result<Collected, SandboxError> {
        let names = self.list()?;
        let canonical = Source::find(name).map_or_else(|_| name.to_owned(), |source| source.canonical());
        // The file of an image may be gone by now.
        let whole = from.join(name.trim_start_matches("./")).display().to_string();
        let meant = [canonical.as_str(), name, whole.as_str()];
        let Some(found) = names.iter().find(|kept| meant.contains(&kept.name.as_str())) else {
            let mut error = SandboxError::new(format!("no image named '{name}' is in the store"));
            let near = crate::util::suggest::nearest(name, names.iter().map(|kept| kept.name.as_str()));
            error.hint = Some(match near {
                Some(near) => format!("did you mean '{near}'?"),
                None => "`rolltape images list` shows what there is".to_owned(),
            });
            return Err(error);
        };
        let _alone = self.lock_alone("store").await.map_err(|problem| problem.of(name))?;
        fs::remove_file(self.name_file(&found.name))
            .map_err(|error| crate::sandbox::wire::failed(&format!("forget '{}'", found.name), &error))?;
        self.clear().await
    }

    pub(super) async fn collect(self: &Arc<Self>) -> Result<Collected, SandboxError> {
        let _alone = self.lock_alone("store").await.map_err(|problem| SandboxError::new(problem.message))?;
        self.clear().await
    }

    /// Removes what no name needs; the store is locked.
    async fn clear(self: &Arc<Self>) -> Result<Collected, SandboxError> {
        let store = Arc::clone(self);
        blocking(move || {
            store.sweep().map_err(Problem::new)?;
            store.unneeded().map_err(|error| Problem::io("clear the store", &error))
        })
        .await
        .map_err(|problem| {
            let mut error = SandboxError::new(problem.message);
            error.hint = problem.hint;
            error
        })
    }

    /// What broken pulls left.
    fn sweep(&self) -> Result<(), String> {
        let tmp = self.folder.join("tmp");
        for entry in fs::read_dir(&tmp).map_err(|error| super::words(&error))?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                Job::Remove(entry.path()).run(&self.ids, &self.helper)?;
            } else {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn unneeded(&self) -> std::io::Result<Collected> {
        let kept = self.list().map_err(|error| std::io::Error::other(error.message))?;
        let keys: BTreeSet<String> = kept.iter().map(|kept| self.key(&kept.diff_ids)).collect();
        let blobs: BTreeSet<&str> =
            kept.iter().flat_map(|kept| &kept.blobs).filter_map(|digest| sha256(digest)).collect();
        let mut done = Collected::default();
        for entry in fs::read_dir(self.folder.join("roots"))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains('.') || keys.contains(&name) {
                continue;
            }
            if self.lock_file(&format!("use-{name}"))?.try_lock().is_err() {
                done.used += 1;
                continue;
            }
            let told = fs::read(entry.path().with_extension("json")).ok();
            let told: Option<Told> = told.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let gone = self.folder.join("tmp").join(&name);
            fs::rename(entry.path(), &gone)?;
            let _ = fs::remove_file(entry.path().with_extension("json"));
            Job::Remove(gone).run(&self.ids, &self.helper).map_err(std::io::Error::other)?;
            done.roots += 1;
            done.bytes += told.map_or(0, |told| told.bytes);
        }
        for entry in fs::read_dir(self.folder.join("blobs/sha256"))?.flatten() {
            if !blobs.contains(&*entry.file_name().to_string_lossy()) {
                done.bytes += entry.metadata().map_or(0, |data| data.len());
                fs::remove_file(entry.path())?;
                done.blobs += 1;
            }
        }
        Ok(done)
    }
}

/// Runs what reads and writes files off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => std::panic::resume_unwind(payload),
            Err(error) => Err(Problem::new(format!("its work was lost: {error}"))),
        },
    }
}
