//! `container:IMAGE`: a container of docker or podman, which makes its namespaces, its root and its limits. Inside, our
//! own program is the first process, so that programs, files and listeners are the same code as everywhere.
//!
//! The program and the libraries it needs are mounted read-only below `/.rolltape`, with their loader, so that any image
//! will do. It calls back over a socket that takes one caller and is closed then. Invariants: nothing is pulled; which
//! layers are on is read off a running container, never off what was asked for; a container carries the run's folder as
//! its label, and goes with the run.

mod engine;
mod inside;
mod layers;
mod look;
mod running;

pub(super) use engine::remove_told;
pub(super) use layers::of as layers_of;
pub use look::{Answer, engines};
pub(super) use running::Held;

use super::channel::Channel;
use super::janitor::Janitor;
use super::scratch::Scratch;
use super::start::{MAX_NAMES, Said, Start};
use super::wire::Spec;
use super::{Choice, Files as _, Level, SandboxError, init};
use crate::model::LayerState;
use engine::{Engine, Image};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Where our program lies inside, which is also how it is told apart: its loader names it so.
pub(super) const NAME: &str = "/.rolltape/init";
/// Where the socket lies inside.
const DOOR: &str = "/.rolltape/door";

/// What stands behind `container:`.
pub(super) fn container_of(word: &str) -> Option<&str> {
    word.strip_prefix("container:")
}

/// The first process of a container.
pub(super) fn main() -> ExitCode {
    match UnixStream::connect(DOOR) {
        Ok(control) => init::main(control.into(), init::Begun::alone()),
        Err(_) => ExitCode::FAILURE,
    }
}

/// An image that containers can be made of.
#[derive(Debug)]
pub(super) struct Ready {
    engine: Arc<Engine>,
    image: Image,
    pub(super) start: Start,
    pub(super) layers: Vec<LayerState>,
    programs: BTreeSet<String>,
}

impl Ready {
    /// Whether a program of this name is in the image's PATH.
    pub(super) fn has_program(&self, program: &str) -> bool {
        self.programs.contains(program)
    }

    /// Whether the kernel is seen to hold a limit.
    pub(super) fn holds(&self, layer: &str) -> bool {
        self.layers.iter().any(|state| state.on && state.name == layer)
    }
}

type Cell = Arc<OnceCell<Result<Arc<Ready>, SandboxError>>>;

/// The containers of a run.
#[derive(Debug)]
pub(super) struct Containers {
    choice: Choice,
    folder: PathBuf,
    tag: String,
    janitor: Arc<Janitor>,
    parts: OnceCell<Result<inside::Parts, SandboxError>>,
    cells: Mutex<BTreeMap<String, Cell>>,
    /// First containers of images, so far.
    looks: AtomicU32,
}

impl Containers {
    pub(super) fn new(choice: &Choice, scratch: &Scratch, janitor: &Arc<Janitor>) -> Self {
        Self {
            choice: choice.clone(),
            folder: scratch.folder.clone(),
            tag: scratch.tag().to_owned(),
            janitor: Arc::clone(janitor),
            parts: OnceCell::new(),
            cells: Mutex::default(),
            looks: AtomicU32::new(1),
        }
    }

    fn cell(&self, image: &str) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(image.to_owned()).or_default())
    }

    /// An image, which was looked at in a first container.
    pub(super) async fn get(&self, image: &str) -> Result<Arc<Ready>, SandboxError> {
        self.cell(image).get_or_init(|| self.look(image)).await.clone()
    }

    /// The same, if that was done.
    pub(super) fn ready(&self, image: &str) -> Option<Arc<Ready>> {
        self.cell(image).get()?.as_ref().ok().cloned()
    }

    /// Names and digests of all images that are ready.
    pub(super) fn digests(&self) -> Vec<(String, String)> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = |cell: &Cell| Some(cell.get()?.as_ref().ok()?.image.digest.clone());
        let all = cells.iter().filter_map(|(name, cell)| Some((format!("container:{name}"), ready(cell)?)));
        all.collect()
    }

    /// Finds who has the image, sweeps what dead runs left there, and looks around in a container of it.
    async fn look(&self, name: &str) -> Result<Arc<Ready>, SandboxError> {
        let (engine, image) = Engine::having(name, &self.choice).await?;
        engine.sweep().await;
        let mut ready = Ready {
            engine: Arc::new(engine),
            image,
            start: Start::default(),
            layers: Vec::new(),
            programs: BTreeSet::new(),
        };
        let number = format!("look-{}", self.looks.fetch_add(1, Ordering::Relaxed));
        let spec = Spec {
            level: Level::Container as u8,
            folder: self.folder.join(&number).display().to_string(),
            memory: 256 << 20,
            pids: 64,
            image: Some(super::image::Image::default()),
            ..Spec::default()
        };
        let (channel, held, facts) = self.begin(&ready, &spec, Some(1.0), &number).await?;
        ready.layers = layers::of(&facts, &held);
        let files = super::remote::RemoteFiles(Arc::new(channel));
        let text = async |path: &str| {
            let bytes = files.read(path, MAX_NAMES).await.unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (passwd, group) = (text("/etc/passwd").await, text("/etc/group").await);
        let found = Start::of(&Said {
            env: &ready.image.env,
            user: &ready.image.user,
            workdir: &ready.image.workdir,
            passwd: &passwd,
            group: &group,
            bash: files.stat("/bin/bash").await.is_ok(),
        });
        if let Ok(start) = &found {
            let path =
                start.env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, path)| path.as_str());
            for folder in path.split(':').filter(|folder| folder.starts_with('/')) {
                let listed = files.list(&format!("{folder}/"), 1).await.unwrap_or_default();
                let runs = |file: &super::FileStat| {
                    file.kind == super::FileKind::Symlink
                        || (file.kind == super::FileKind::File && file.mode & 0o111 != 0)
                };
                ready.programs.extend(listed.into_iter().filter(runs).map(|file| file.path));
            }
        }
        files.0.hang_up();
        held.end(&files.0).await;
        ready.start = found.map_err(|why| SandboxError::new(format!("image '{name}': {why}")))?;
        Ok(Arc::new(ready))
    }

    /// Starts a container and waits until its first process serves; what that says of the place.
    pub(super) async fn begin(
        &self,
        ready: &Ready,
        spec: &Spec,
        cpus: Option<f64>,
        number: &str,
    ) -> Result<(Channel, Held, Vec<(String, String)>), SandboxError> {
        let helper = self.choice.helper.clone();
        let parts = self.parts.get_or_init(|| async { inside::Parts::of(helper).await }).await.clone()?;
        let name = format!("rolltape-{}-{number}", self.tag);
        let wanted = running::Wanted {
            name,
            label: &self.folder,
            image: &ready.image.digest,
            spec,
            cpus,
            parts: &parts,
        };
        running::begin(&ready.engine, &self.janitor, wanted).await
    }
}
