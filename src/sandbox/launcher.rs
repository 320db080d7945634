//! Starts the sandboxes of one run.

use super::attempt::{self, Waiting};
use super::container::{Containers, container_of};
use super::image::image_of;
use super::janitor::Janitor;
use super::nursery::Nursery;
use super::probe::{self, Machine};
use super::scratch::Scratch;
use super::shelf::Shelf;
use super::snapshot::{Place, Snapshot};
use super::spare::Spare;
use super::wire::{self, Spec};
use super::{Choice, Config, Level, Sandbox, SandboxError, State, apart, layout};
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
    nursery: Arc<Nursery>,
    machine: Machine,
    hide: Vec<String>,
    fake: bool,
    next: AtomicU32,
    shelf: Shelf,
    /// The image of all sandboxes.
    image: Option<String>,
    containers: Containers,
    /// Our own program, by its path.
    helper: PathBuf,
    /// Layers that must be on.
    require: Vec<String>,
    spare: Arc<Spare>,
}

impl Launcher {
    /// Probes the machine and starts the janitor.
    pub async fn new(choice: Choice) -> Result<Self, SandboxError> {
        probe::check_names(&choice)?;
        let helper = choice.helper.clone().unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        let root = rustix::process::geteuid().is_root();
        let scratch = Scratch::new(root && !matches!(choice.backend.as_str(), "none" | "fake"))?;
        let janitor = Arc::new(Janitor::start(&helper, &scratch)?);
        let nursery = Arc::new(Nursery::start(&helper)?);
        let machine = Machine::look(scratch.tag());
        let containers = Containers::new(&choice, &scratch, &janitor);
        let mut launcher = Self {
            level: Level::None,
            layers: Vec::new(),
            scratch,
            janitor,
            nursery,
            machine,
            hide: layout::hidden(&choice.hide),
            fake: choice.backend == "fake",
            next: AtomicU32::new(1),
            shelf: Shelf::new(&choice),
            image: None,
            containers,
            helper: apart::binary(&helper),
            require: choice.require.clone(),
            spare: Arc::default(),
        };
        let mut found = match container_of(&choice.backend) {
            Some(image) => launcher.contain(image, &choice.require).await,
            None => launcher.choose(&choice).await,
        };
        if let (Ok(()), Some(image)) = (&found, image_of(&choice.backend)) {
            found = launcher.show(image).await;
        }
        if let Err(error) = found {
            launcher.finish(Duration::from_secs(2)).await;
            return Err(error);
        }
        Ok(launcher)
    }

    /// Takes the first level that works, by starting a program in it.
    async fn choose(&mut self, choice: &Choice) -> Result<(), SandboxError> {
        let mut refused: Vec<(Level, String)> = Vec::new();
        let candidates = match (choice.backend.as_str(), choice.level) {
            ("none" | "fake", _) => vec![Level::None],
            (_, Some(level)) => vec![level],
            (backend, None) if image_of(backend).is_some() => {
                vec![if self.machine.facts.root { Level::Overlay } else { Level::User }]
            }
            _ => vec![Level::Overlay, Level::User, Level::Process],
        };
        for level in candidates {
            self.level = level;
            let tried = if self.fake { Ok(()) } else { self.attempt(level).await };
            match tried {
                Ok(()) => {
                    self.layers = self.machine.layers(level, &refused);
                    if level == Level::Process {
                        // An agent of the same user must not read our memory or environment.
                        let hidden = rustix::process::DumpableBehavior::NotDumpable;
                        let _ = rustix::process::set_dumpable_behavior(hidden);
                    }
                    return probe::check_required(&choice.require, level, &self.layers);
                }
                Err(reason) => refused.push((level, self.machine.facts.explain(level, reason))),
            }
        }
        Err(probe::no_level(&self.machine.facts, choice.level, &refused))
    }

    /// Has all sandboxes be containers of an image, and sees that one starts.
    async fn contain(&mut self, image: &str, require: &[String]) -> Result<(), SandboxError> {
        self.level = Level::Container;
        self.layers.clone_from(&self.containers.get(image).await?.layers);
        self.image = Some(image.to_owned());
        probe::check_required(require, self.level, &self.layers)
    }

    /// Has all sandboxes show an image, and sees that one starts.
    async fn show(&mut self, image: &str) -> Result<(), SandboxError> {
        self.shelf.get(image, self.level).await?;
        self.image = Some(image.to_owned());
        if self.level == Level::User {
            for layer in &mut self.layers {
                match layer.name.as_str() {
                    "overlay" => (layer.on, layer.reason) = (true, None),
                    "idmap" => layer.reason = Some("the image's files are the user's own".to_owned()),
                    _ => {}
                }
            }
        }
        self.start(Config::default()).await?.close().await;
        Ok(())
    }

    /// Makes images ready, all at once. What goes wrong is told by the sandboxes that would show them.
    pub async fn prepare(self: &Arc<Self>, roots: impl IntoIterator<Item = String>) {
        let mut all = tokio::task::JoinSet::new();
        for root in roots.into_iter().filter(|_| self.image.is_none() && !self.fake) {
            let launcher = Arc::clone(self);
            all.spawn(async move {
                if let Some(image) = launcher.container(&root) {
                    let _ = launcher.containers.get(image).await;
                } else if let Some(image) = image_of(&root) {
                    let _ = launcher.shelf.get(image, launcher.level).await;
                }
            });
        }
        all.join_all().await;
    }

    /// The image that all its sandboxes show.
    pub fn shows(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// Names and digests of the images that sandboxes show.
    pub fn images(&self) -> Vec<(String, String)> {
        let mut all = self.shelf.digests();
        all.extend(self.containers.digests());
        all
    }

    /// What does not work in images that are ready, as there is one user id only.
    pub fn warnings(&self) -> Vec<String> {
        let shown = self.shelf.digests().into_iter().filter_map(|(name, _)| self.shelf.ready(&name));
        shown.filter_map(|shown| shown.alone.clone()).collect()
    }

    /// The image that a sandbox shows: the run's, else the one that was asked for.
    pub(super) fn image<'a>(&'a self, root: &'a str) -> Option<&'a str> {
        self.image.as_deref().or_else(|| image_of(root)).filter(|image| !image.is_empty() && !self.fake)
    }

    /// The image that a sandbox is a container of, in the same way.
    pub(super) fn container<'a>(&'a self, root: &'a str) -> Option<&'a str> {
        let image = match &self.image {
            Some(image) => Some(image.as_str()).filter(|_| self.level == Level::Container),
            None => container_of(root),
        };
        image.filter(|_| !self.fake && (self.level != Level::None))
    }

    /// Starts `/bin/true` in a level; the reason if that does not work.
    async fn attempt(&self, level: Level) -> Result<(), String> {
        self.machine.may(level)?;
        let sandbox = self.start(Config::default()).await.map_err(told)?;
        let command = super::Command { argv: vec!["true".to_owned()], ..super::Command::default() };
        let result = match sandbox.spawn(command).await {
            Ok(mut process) => process.control.wait().await,
            Err(error) => Err(error),
        };
        sandbox.close().await;
        match result {
            Ok(super::Exit::Code(0)) => Ok(()),
            Ok(end) => Err(format!("a program ended with {} inside", end.shell_code())),
            Err(error) => Err(told(error)),
        }
    }

    /// What a user may do to get a level that is off here: a command, or a few words.
    pub fn enable(level: Level) -> Option<String> {
        super::advice::Facts::look().enable(level)
    }

    /// Level that its sandboxes will have.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Our own program, and why Landlock can't be used, if it can't.
    pub(super) fn helper(&self) -> (&Path, Option<&str>) {
        (&self.helper, self.machine.landlock.as_deref())
    }

    /// Layers on and off, as for the run manifest.
    pub fn layers(&self) -> &[LayerState] {
        &self.layers
    }

    /// The same for a task's root; `None` for a container whose image is not ready, as its start will tell.
    pub fn layers_in(&self, root: &str) -> Option<Vec<LayerState>> {
        match self.container(root) {
            Some(image) => self.containers.ready(image).map(|ready| ready.layers.clone()),
            None => Some(self.layers.clone()),
        }
    }

    /// Whether a power or tool of `needs` is there: `install`, `private-net`, `cgroup`,
    /// `root-inside`, or a program found in the sandbox's PATH. The reason if not.
    pub fn unmet(&self, need: &str) -> Option<String> {
        self.unmet_in("", need)
    }

    /// The same for a task's root.
    pub fn unmet_in(&self, root: &str, need: &str) -> Option<String> {
        if let Some(image) = self.container(root) {
            // Why it is not ready is told by the sandbox that would be one.
            let ready = self.containers.ready(image)?;
            let lacks = |program: &str| {
                let lacks = !ready.has_program(program);
                lacks.then(|| format!("no program named '{program}' in the image"))
            };
            return match need {
                "install" | "root-inside" | "private-net" | "mounts" => None,
                "cgroup" if ready.holds("cgroup-memory") => None,
                "cgroup" => Some("the container's runtime holds no 'cgroup'".to_owned()),
                "hidden-checks" => lacks("setpriv"),
                program => lacks(program),
            };
        }
        let level = self.level;
        let shown = match self.image(root) {
            // Why it is not ready is told by the sandbox that would show it.
            Some(name) => Some(self.shelf.ready(name)?),
            None => None,
        };
        let no_program = |program: &str| match &shown {
            Some(shown) if shown.has_program(program) => None,
            Some(_) => Some(format!("no program named '{program}' in the image")),
            None => no_program(program),
        };
        let power = match need {
            "install" if shown.is_some() => return shown.and_then(|shown| shown.alone.clone()),
            "install" | "root-inside" => level == Level::Overlay || shown.is_some(),
            // Where the root is the host's, nothing can be hung in.
            "private-net" | "mounts" => matches!(level, Level::User | Level::Overlay),
            "cgroup" => self.layers.iter().any(|layer| layer.on && layer.name == "cgroup-memory"),
            // Without Landlock, what is left of the agent could read them.
            "hidden-checks" if level == Level::Process => {
                self.layers.iter().any(|layer| layer.on && layer.name == "landlock")
            }
            // Hidden tests run the agent's program with it, as a user who can't read them.
            "hidden-checks" => return if level == Level::Overlay { no_program("setpriv") } else { None },
            program => return no_program(program),
        };
        (!power).then(|| format!("the sandbox level '{}' has no '{need}'", level.as_str()))
    }

    /// Starts a sandbox.
    pub async fn start(&self, config: Config) -> Result<Arc<dyn Sandbox>, SandboxError> {
        if self.fake {
            return Ok(Arc::new(super::fake::Fake {
                layers: self.layers.clone(),
                files: std::sync::Mutex::default(),
            }));
        }
        if let Some(image) = self.container(&config.root).map(str::to_owned) {
            let (number, folder) = self.slot();
            return self.start_container(&image, folder, number, config).await;
        }
        if self.is_plain(&config)
            && let Some(spare) = self.spare.take(config.changes)
            // It may die at any time: whatever went wrong with it is tried again without it.
            && let Ok(sandbox) = self.begin(config.clone(), Some(spare)).await
        {
            return Ok(sandbox);
        }
        self.begin(config, None).await
    }

    /// Whether a sandbox is like most are, so that one that was built ahead can be it; see [`Spec::is_plain`].
    fn is_plain(&self, config: &Config) -> bool {
        let own = self.level == Level::Overlay && config.from.is_none() && self.image(&config.root).is_none();
        own && config.mounts.is_empty() && !config.host_network && !config.keep
    }

    /// Starts a sandbox, of a spare if one is given.
    async fn begin(&self, config: Config, spare: Option<Waiting>) -> Result<Arc<dyn Sandbox>, SandboxError> {
        let (number, mut folder) = self.slot();
        if let Some(spare) = &spare {
            folder.clone_from(&spare.spec.folder);
        }
        let shown = match self.image(&config.root) {
            Some(name) => Some(self.shelf.get(name, self.level).await?),
            None => None,
        };
        let mut env = match self.level {
            _ if shown.is_some() => shown.iter().flat_map(|shown| shown.env.clone()).collect(),
            Level::Overlay => layout::environment("/root", "/tmp", "root"),
            Level::User => layout::environment(layout::HOME, "/tmp", "agent"),
            _ => layout::environment(&format!("{folder}/home"), &format!("{folder}/tmp"), "agent"),
        };
        if config.authority.is_some() {
            env.extend(match self.level {
                Level::Overlay | Level::User | Level::Container => {
                    layout::trusting(layout::BUNDLE, layout::AUTHORITY)
                }
                Level::Process | Level::None => {
                    let bundle = layout::bundle_of(&folder);
                    layout::trusting(&bundle, &bundle)
                }
            });
        }
        env.extend(config.env);
        let groups = if self.level == Level::None {
            Vec::new()
        } else {
            let name = format!("rolltape-{}-{number}", self.scratch.tag());
            let made = self.machine.parents.make(&name, config.memory, config.pids, config.cpus);
            made.map_err(|error| wire::failed("make a control group", &error))?
        };
        let disk = self.room(config.memory, config.disk);
        let (given, base, uid) = match &config.from {
            Some(snapshot) => {
                let start = snapshot.start(self.level, shown.as_ref().map(|shown| &shown.image)).await?;
                (Some(start.given), start.base, start.uid)
            }
            None => (None, Vec::new(), spare.as_ref().map(|spare| spare.spec.uid)),
        };
        let spec = Spec {
            level: self.level as u8,
            folder,
            hosts: config.hosts.into_iter().map(|(name, address)| (name, address.to_string())).collect(),
            authority: config.authority.unwrap_or_default(),
            env,
            mounts: config.mounts,
            memory: config.memory.unwrap_or(0),
            watch_memory: self.machine.parents.memory.is_none(),
            pids: config.pids.unwrap_or(0),
            watch_pids: self.machine.parents.pids.is_none(),
            disk: disk.unwrap_or(0),
            inodes: config.inodes.unwrap_or(0),
            open_files: config.open_files.unwrap_or(0),
            cpu_time: config.cpu_time.map_or(0, |time| (time.as_millis() as u64).max(1)),
            host_network: config.host_network,
            changes: config.changes,
            keep: config.keep,
            hold: wire::hold::NOTHING,
            base,
            uid: uid.unwrap_or_else(|| self.machine.first_id(self.level, number)),
            groups: groups.iter().map(|group| group.join("cgroup.procs").display().to_string()).collect(),
            landlock: self.level == Level::Process && self.machine.landlock.is_none(),
            seccomp: self.level != Level::None,
            image: shown.as_ref().map(|shown| shown.image.clone()),
            hide: self.hide.clone(),
        };
        let janitor = Arc::clone(&self.janitor);
        let mut layers = self.layers.clone();
        if config.host_network
            && let Some(layer) = layers.iter_mut().find(|layer| layer.name == "netns" && layer.on)
        {
            layer.on = false;
            layer.reason = Some("the policy 'full' shares the host's network".to_owned());
        }
        let (nursery, output) = (Arc::clone(&self.nursery), config.output);
        let level = self.level;
        let like = spec.is_plain().then(|| spec.clone());
        let start = attempt::Start { nursery, janitor, level, layers, spec, groups, output, given, spare };
        let sandbox = attempt::start(start).await?;
        if let Some(like) = like {
            self.refill(&like);
        }
        Ok(sandbox)
    }

    /// Bytes that the files of a sandbox may take.
    fn room(&self, memory: Option<u64>, disk: Option<u64>) -> Option<u64> {
        match memory {
            // Files lie in memory: a full disk must leave room for the programs, or they die of it without a word.
            Some(memory) if self.level >= Level::User && self.machine.parents.memory.is_some() => {
                let most = memory - memory / 8;
                Some(disk.map_or(most, |disk| disk.min(most)))
            }
            _ => disk,
        }
    }

    /// Has the next one like this built ahead.
    fn refill(&self, like: &Spec) {
        let helpers = (Arc::clone(&self.nursery), Arc::clone(&self.janitor));
        self.spare.refill(like, helpers, || {
            let (number, folder) = self.slot();
            (folder, self.machine.first_id(self.level, number))
        });
    }

    /// The number and the folder of the next sandbox.
    fn slot(&self) -> (u32, String) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, self.scratch.folder.join(number.to_string()).display().to_string())
    }

    /// Makes a kept state ready for sandboxes of this launcher, which show `image` if it has none for all.
    pub async fn open(&self, state: State, image: &str) -> Result<Snapshot, SandboxError> {
        if self.fake || state.head.level != self.level {
            return Err(SandboxError::new(format!(
                "the kept state is of the sandbox level '{}', and the level here is '{}'",
                state.head.level.as_str(),
                self.level.as_str()
            )));
        }
        if self.level < Level::User {
            return Ok(Snapshot::packed(state));
        }
        let shown = match self.image(image) {
            Some(name) => Some(self.shelf.get(name, self.level).await?.image.clone()),
            None => None,
        };
        let (number, folder) = self.slot();
        let place = Place {
            nursery: Arc::clone(&self.nursery),
            janitor: Arc::clone(&self.janitor),
            folder,
            level: self.level,
            uid: self.machine.first_id(self.level, number),
            image: shown,
        };
        Snapshot::of_state(place, state).await
    }

    /// Starts a sandbox that is a container.
    async fn start_container(
        &self,
        image: &str,
        folder: String,
        number: u32,
        config: Config,
    ) -> Result<Arc<dyn Sandbox>, SandboxError> {
        let ready = self.containers.get(image).await?;
        probe::check_required(&self.require, Level::Container, &ready.layers)?;
        let mut env = ready.start.env.clone();
        if config.authority.is_some() {
            env.extend(layout::trusting(layout::BUNDLE, layout::AUTHORITY));
        }
        env.extend(config.env);
        let spec = Spec {
            level: Level::Container as u8,
            folder,
            hosts: config.hosts.into_iter().map(|(name, address)| (name, address.to_string())).collect(),
            authority: config.authority.unwrap_or_default(),
            env,
            mounts: config.mounts,
            memory: config.memory.unwrap_or(0),
            watch_memory: !ready.holds("cgroup-memory"),
            pids: config.pids.unwrap_or(0),
            watch_pids: !ready.holds("cgroup-pids"),
            disk: config.disk.unwrap_or(0),
            inodes: config.inodes.unwrap_or(0),
            open_files: config.open_files.unwrap_or(0),
            cpu_time: config.cpu_time.map_or(0, |time| (time.as_millis() as u64).max(1)),
            host_network: config.host_network,
            changes: config.changes,
            seccomp: true,
            image: Some(ready.start.image()),
            ..Spec::default()
        };
        let (channel, held, facts) =
            self.containers.begin(&ready, &spec, config.cpus, &number.to_string()).await?;
        let layers = super::container::layers_of(&facts, &held);
        let rest = attempt::Rest::Container(held);
        let nothing = (0, String::new());
        Ok(attempt::serving(Level::Container, layers, spec, config.output, Arc::new(channel), rest, nothing))
    }

    /// Ends the janitor after everything is closed; waits at most `grace`.
    pub async fn finish(self, grace: Duration) {
        let _ = tokio::task::spawn_blocking(move || {
            self.spare.end();
            self.janitor.finish(grace);
        })
        .await;
    }
}

/// The reason alone: that a level does not work is said by whoever asks.
fn told(error: SandboxError) -> String {
    let reason = error.message.strip_prefix("a sandbox can't start: ");
    reason.map_or(error.message.clone(), str::to_owned)
}

/// Why a program can't be run inside, if it is not in the sandbox's PATH.
fn no_program(program: &str) -> Option<String> {
    let found = layout::PATH.split(':').any(|folder| {
        let file = Path::new(folder).join(program);
        file.is_file() && rustix::fs::access(&file, rustix::fs::Access::EXEC_OK).is_ok()
    });
    (!found).then(|| format!("no program named '{program}'"))
}
