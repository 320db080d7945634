//! Starts the sandboxes of one run.

use super::janitor::Janitor;
use super::scratch::Scratch;
use super::wire::Spec;
use super::{Choice, Config, Level, Sandbox, SandboxError, attempt, layout};
use crate::model::LayerState;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Starts sandboxes for one run: holds the probe's result, the scratch folder and the janitor.
///
/// Made once a run by [`Launcher::new`]; dropping it tells the janitor to sweep.
pub struct Launcher {
    level: Level,
    layers: Vec<LayerState>,
    scratch: Scratch,
    janitor: Arc<Janitor>,
    helper: PathBuf,
    next: AtomicU32,
}

impl Launcher {
    /// Probes the machine and starts the janitor.
    pub async fn new(choice: Choice) -> Result<Self, SandboxError> {
        let helper = choice.helper.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        let scratch = Scratch::new(false)?;
        let janitor = Arc::new(Janitor::start(&helper, &scratch)?);
        Ok(Self { level: Level::None, layers: Vec::new(), scratch, janitor, helper, next: AtomicU32::new(1) })
    }

    /// Level that its sandboxes will have.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Layers on and off, as for the run manifest.
    pub fn layers(&self) -> &[LayerState] {
        &self.layers
    }

    /// Whether a power or tool of `needs` is there: `install`, `private-net`, `cgroup`,
    /// `root-inside`, or a program found in the sandbox's PATH. The reason if not.
    pub fn unmet(&self, need: &str) -> Option<String> {
        let level = self.level;
        let power = match need {
            "install" | "root-inside" => level == Level::Overlay,
            "private-net" => matches!(level, Level::User | Level::Overlay),
            "cgroup" => self.layers.iter().any(|layer| layer.on && layer.name == "cgroup-memory"),
            program => {
                let found = layout::PATH.split(':').any(|folder| {
                    let file = Path::new(folder).join(program);
                    file.is_file() && rustix::fs::access(&file, rustix::fs::Access::EXEC_OK).is_ok()
                });
                return (!found).then(|| format!("no program named '{program}'"));
            }
        };
        (!power).then(|| format!("the sandbox level '{}' has no '{need}'", level.as_str()))
    }

    /// Starts a sandbox.
    pub async fn start(&self, config: Config) -> Result<Arc<dyn Sandbox>, SandboxError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folder = self.scratch.folder.join(number.to_string()).display().to_string();
        let mut env = layout::environment(&format!("{folder}/home"), &format!("{folder}/tmp"), "agent");
        env.extend(config.env);
        let spec = Spec { level: 0, folder, env, ..Spec::default() };
        let janitor = Arc::clone(&self.janitor);
        Ok(attempt::start(&self.helper, janitor, self.level, self.layers.clone(), spec).await?)
    }

    /// Ends the janitor after everything is closed; waits at most `grace`.
    pub async fn finish(self, grace: Duration) {
        let _ = tokio::task::spawn_blocking(move || self.janitor.finish(grace)).await;
    }
}
