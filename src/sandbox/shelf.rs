//! The images of a run: each pulled and unpacked once, by whoever needs it first; what went wrong is told to all.

use super::image::Image;
use super::{Choice, Level, SandboxError};
#[cfg(feature = "oci")]
use super::{image::no_store, oci};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// An image that sandboxes can show as long as this lives.
#[derive(Debug)]
pub(super) struct Shown {
    /// What an init is told.
    pub(super) image: Image,
    /// Environment of its programs.
    pub(super) env: Vec<(String, String)>,
    /// Digest by which a record names it.
    pub(super) digest: String,
    /// Why programs have one user only, and what does not work then.
    pub(super) alone: Option<String>,
    /// Keeps it in the store.
    #[cfg(feature = "oci")]
    ready: oci::Ready,
}

type Cell = Arc<OnceCell<Result<Arc<Shown>, SandboxError>>>;

/// All images that were asked for, by name.
#[derive(Debug)]
pub(super) struct Shelf {
    #[cfg(feature = "oci")]
    choice: Choice,
    #[cfg(feature = "oci")]
    store: OnceCell<Result<Arc<oci::Store>, SandboxError>>,
    cells: Mutex<BTreeMap<String, Cell>>,
}

impl Shelf {
    #[cfg_attr(not(feature = "oci"), expect(unused_variables, reason = "nothing to be kept"))]
    pub(super) fn new(choice: &Choice) -> Self {
        Self {
            #[cfg(feature = "oci")]
            choice: choice.clone(),
            #[cfg(feature = "oci")]
            store: OnceCell::new(),
            cells: Mutex::default(),
        }
    }

    /// The image of a name, which is made ready first.
    pub(super) async fn get(&self, name: &str, level: Level) -> Result<Arc<Shown>, SandboxError> {
        fits(name, level)?;
        let cell = self.cell(name);
        cell.get_or_init(|| self.make(name)).await.clone()
    }

    /// The image of a name, if it is ready.
    pub(super) fn ready(&self, name: &str) -> Option<Arc<Shown>> {
        self.cell(name).get()?.as_ref().ok().cloned()
    }

    /// Names and digests of all that are ready.
    pub(super) fn digests(&self) -> Vec<(String, String)> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = |cell: &Cell| Some(cell.get()?.as_ref().ok()?.digest.clone());
        cells.iter().filter_map(|(name, cell)| Some((name.clone(), ready(cell)?))).collect()
    }

    fn cell(&self, name: &str) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(name.to_owned()).or_default())
    }

    #[cfg(not(feature = "oci"))]
    #[expect(clippy::unused_async, reason = "as the other one")]
    async fn make(&self, name: &str) -> Result<Arc<Shown>, SandboxError> {
        Err(super::no_images(name))
    }

    #[cfg(feature = "oci")]
    async fn make(&self, name: &str) -> Result<Arc<Shown>, SandboxError> {
        let open = || {
            let folder = self.choice.images.as_deref().ok_or_else(no_store)?;
            oci::Store::open(folder, self.choice.helper.clone(), self.choice.logins.clone()).map(Arc::new)
        };
        let store = self.store.get_or_init(|| std::future::ready(open())).await.clone()?;
        let ready = store.ready(name, oci::Policy::Missing).await.map_err(|problem| problem.of(name))?;
        let (lent, alone) = match &store.ids {
            oci::Ids::All => ((0, 0, 0), None),
            oci::Ids::Range { users, groups, count } => ((*users, *groups, *count), None),
            oci::Ids::One(why) => ((0, 0, 0), Some(alone(why, &ready))),
        };
        let root =
            ready.root.to_str().ok_or_else(|| SandboxError::new("the path of the store is not UTF-8"))?;
        let start = &ready.start;
        Ok(Arc::new(Shown {
            image: Image {
                root: root.to_owned(),
                lent,
                user: start.user,
                group: start.group,
                groups: start.groups.clone(),
                workdir: start.workdir.clone(),
            },
            env: start.env.clone(),
            digest: ready.kept.digest.clone(),
            alone,
            ready,
        }))
    }
}

impl Shown {
    /// Whether a program of this name is in the image's PATH.
    #[cfg(feature = "oci")]
    pub(super) fn has_program(&self, program: &str) -> bool {
        self.ready.has_program(program)
    }

    /// Nothing is ever shown.
    #[cfg(not(feature = "oci"))]
    #[expect(clippy::unused_self, reason = "as the other one")]
    pub(super) fn has_program(&self, _: &str) -> bool {
        false
    }
}

/// What one user alone can't do.
#[cfg(feature = "oci")]
fn alone(why: &str, ready: &oci::Ready) -> String {
    let user = match ready.start.user {
        0 => String::new(),
        user => format!(" its programs run as root and not as user {user},"),
    };
    format!(
        "image '{}' is shown with one user id, as {why}:{user} all its files belong to root, and what changes owners or users fails (apt, su, sudo)",
        ready.kept.name
    )
}

/// Whether a level can show an image at all.
fn fits(name: &str, level: Level) -> Result<(), SandboxError> {
    let root = rustix::process::geteuid().is_root();
    let wanted = if root { Level::Overlay } else { Level::User };
    if level == wanted {
        return Ok(());
    }
    let who = if root { "root" } else { "an ordinary user" };
    let mut error = SandboxError::new(format!(
        "the image '{name}' can't be shown in the sandbox level '{}': started by {who}, it needs the level '{}'",
        level.as_str(),
        wanted.as_str()
    ));
    error.hint = Some("`rolltape doctor` shows what this machine has and how to enable more".to_owned());
    Err(error)
}
