//! Drives the engine: runtime, signals, sinks; then reports and the exit code.

use super::setup::{Prepared, add_skips};
use super::verdict::{Seen, verdict};
use super::{Args, money, setup};
use crate::cli::{CliError, Context, Exit, Verbosity, image_store, progress};
use crate::engine::{self, Control, Keep, Matrix, Options, Plan, Planned, Sink, SinkError, SuitePlan, Work};
use crate::model::{AttemptId, AttemptRecord, LAYERS, Object, Outcome, RunError, RunManifest, Subject};
use crate::report::{self, Report};
use crate::sandbox::{self, Choice, Launcher};
use crate::store::{self, Recorder, RunView, StoreError, StoreErrorKind};
use crate::suite::Network;
use crate::util::clock::{Clock, SystemClock};
use crate::util::plural::plural;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Whether a run begins or goes on.
pub(in crate::cli) enum Started {
    /// A new run, in this folder or one under `reports`.
    Fresh {
        /// The folder asked for.
        out: Option<PathBuf>,
    },
    /// An unfinished run.
    Resumed {
        /// Its manifest.
        manifest: Box<RunManifest>,
        /// What is finished and kept.
        kept: Vec<AttemptRecord>,
        /// The tries so far of attempts that are run again.
        tries: BTreeMap<String, u32>,
        /// What was used of models before.
        used: Vec<store::Used>,
        /// Its recorder.
        recorder: Box<Recorder>,
    },
}

/// Runs what is prepared and tells the exit code.
pub(in crate::cli) fn drive(
    started: Started,
    prepared: Prepared,
    matrix: Matrix,
    args: &Args,
    report: &'static Report,
    context: &Context,
) -> Result<Exit, CliError> {
    let runtime = runtime()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let driven = runtime.block_on(async {
        let mut suites = prepared.suites;
        let hide = own_folders(&started, &suites, context);
        let launcher = launch(args, &suites, hide, context).await?;
        if let Some(launcher) = &launcher {
            add_skips(&mut suites, launcher);
        }
        let plan = Arc::new(engine::plan(suites, matrix));
        // On a worker, where attempts and who hands them out pass the turn without waking threads.
        let run = tokio::spawn(go(started, plan, launcher, clock, args.clone(), context.clone()));
        run.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(payload) => std::panic::resume_unwind(payload),
            Err(error) => Err(CliError::harness(format!("the run was lost: {error}"))),
        })
    });
    // What still runs there has a moment, beside the reports, which need nothing of it. What hangs must not keep the process.
    let ending = driven.as_ref().map_or(true, |ran| ran.sandboxes);
    let ending = if ending {
        Some(std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(1))))
    } else {
        runtime.shutdown_background();
        None
    };
    let exit = driven.and_then(|ran| conclude(ran, args, report, context));
    if let Some(ending) = ending {
        let _ = ending.join();
    }
    exit
}

pub(in crate::cli) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::harness(format!("the async runtime can't start: {error}")))
}

/// What of the harness no agent may read, wherever it lies: the suites with their hidden checks, the run, and what
/// its user keeps.
fn own_folders(started: &Started, suites: &[SuitePlan], context: &Context) -> Vec<PathBuf> {
    let mut folders = vec![context.cwd.clone()];
    folders.extend(context.var("HOME").map(PathBuf::from));
    folders.extend(suites.iter().map(|plan| context.cwd.join(&plan.suite.root)));
    match started {
        Started::Fresh { out } => folders.extend(out.iter().map(|out| context.cwd.join(out))),
        Started::Resumed { recorder, .. } => folders.push(context.cwd.join(recorder.dir())),
    }
    folders
}

/// Where sandboxes come from; `None` if nothing that is to be run needs one.
pub(in crate::cli) async fn launch(
    args: &Args,
    suites: &[SuitePlan],
    hide: Vec<PathBuf>,
    context: &Context,
) -> Result<Option<Arc<Launcher>>, CliError> {
    // `fake` runs no programs: it is for the tests of the harness, not for a hint.
    let backends = || sandbox::BACKENDS.iter().map(|(name, _)| *name).filter(|name| *name != "fake");
    let image = ["oci:", "container:"]
        .iter()
        .any(|kind| args.sandbox.strip_prefix(kind).is_some_and(|image| !image.is_empty()));
    let known = || backends().any(|name| args.sandbox.strip_suffix(':').unwrap_or(&args.sandbox) == name);
    if !image && !known() {
        return Err(CliError::unknown("sandbox back end", &args.sandbox, backends()));
    }
    if let Some(name) = args.require.iter().find(|name| !LAYERS.contains(&name.as_str())) {
        return Err(CliError::unknown("sandbox layer", name, LAYERS.iter().copied()));
    }
    if args.require.is_empty() && !suites.iter().any(SuitePlan::needs_launcher) {
        return Ok(None);
    }
    let choice = Choice {
        backend: match args.sandbox.strip_prefix("oci:") {
            Some(image) => format!("oci:{}", sandbox::image_from(&context.cwd, image)),
            None => args.sandbox.clone(),
        },
        level: args.level(),
        require: args.require.clone(),
        hide,
        helper: None,
        images: image_store::folder(context),
        logins: image_store::logins(context),
        engine: image_store::engine(context),
        vars: image_store::engine_vars(context),
    };
    let launcher = Launcher::new(choice).await.map_err(|error| {
        let shown = CliError::harness(error.message);
        match error.hint {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    })?;
    let launcher = Arc::new(launcher);
    let images = suites.iter().flat_map(|plan| &plan.suite.tasks);
    launcher.prepare(images.map(|task| task.sandbox.root.clone())).await;
    if context.verbosity > Verbosity::Quiet {
        for warning in launcher.warnings() {
            context.say(&format!("warning: {warning}"));
        }
    }
    Ok(Some(launcher))
}

/// A run that is over.
struct Ran {
    dir: PathBuf,
    seen: Seen,
    /// What it was, if that is known without reading.
    view: Option<RunView>,
    /// Who knows whether all of it is on disk.
    recorder: Mutex<Recorder>,
    /// Whether there were any: then helpers may still clear up.
    sandboxes: bool,
}

impl Ran {
    fn on_disk(&self) -> Result<(), StoreError> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner).finish()
    }
}

async fn go(
    started: Started,
    plan: Arc<Plan>,
    launcher: Option<Arc<Launcher>>,
    clock: Arc<dyn Clock>,
    args: Args,
    context: Context,
) -> Result<Ran, CliError> {
    let mut todo = plan.attempts.clone();
    let used = match &started {
        Started::Fresh { .. } => Vec::new(),
        Started::Resumed { used, .. } => used.clone(),
    };
    let purse = money::purse(&plan, &args, &used)?;
    for warning in money::warnings(&plan) {
        context.say(&format!("warning: {warning}"));
    }
    let (manifest, mut recorder) = match started {
        Started::Fresh { out } => {
            let tools = match &launcher {
                Some(launcher) => engine::tool_versions(&plan, launcher).await,
                None => Object::new(),
            };
            let mut manifest = manifest(&plan, launcher.as_deref(), tools, clock.as_ref(), &args)?;
            let recorder = record(&mut manifest, out).map_err(CliError::from)?;
            (manifest, recorder)
        }
        Started::Resumed { manifest, kept, tries, recorder, .. } => {
            let kept: HashSet<&AttemptId> = kept.iter().map(|record| &record.id).collect();
            todo.retain(|planned| !kept.contains(&planned.id));
            for planned in &mut todo {
                planned.try_n = tries.get(&planned.id.to_string()).copied().unwrap_or(0) + 1;
            }
            (*manifest, *recorder)
        }
    };
    let dir = recorder.dir().to_path_buf();
    if let Some(warning) =
        one_user(&plan, launcher.as_deref()).filter(|_| context.verbosity > Verbosity::Quiet)
    {
        context.say(&format!("warning: {warning}"));
    }
    for warning in open_networks(&plan) {
        context.say(&format!("warning: {warning}"));
    }
    if context.verbosity > Verbosity::Quiet {
        context.say(&headline(&plan, &todo, launcher.as_deref()));
    }
    let control = Control::default();
    let seen_signal = Arc::new(AtomicU8::new(0));
    let watcher = tokio::spawn(watch_signals(control.clone(), seen_signal.clone(), context.clone()));
    let mut sinks: Vec<Box<dyn Sink>> = vec![recorder.sink(), progress::sink(&context)];
    let asked = plan.clone();
    let keep = args.keep_sandbox != "none";
    let keep = keep.then(|| Keep { run: dir.clone(), all: args.keep_sandbox == "all" });
    if let Some(keep) = &keep {
        sandbox::sweep_states(&keep.folder());
    }
    let work = Work { plan, todo, manifest, launcher: launcher.clone(), clock, purse: purse.clone(), keep };
    let options = Options { jobs: args.jobs(), max_fail: args.max_fail };
    let ended = engine::run(work, &mut sinks, options, control).await;
    drop(sinks);
    if let Some(told) = purse.as_ref().and_then(|purse| money::told(purse, &args)) {
        context.say(&told);
    }
    // Reports are made while the last of it goes to disk, and written when it is there.
    let early = recorder.end();
    let kept = if early.is_some() { Ok(()) } else { recorder.finish() };
    watcher.abort();
    tell(&asked, ended.refused.as_ref(), &context);
    // The process ends soon: a plan of many tasks need not be given back piece by piece.
    std::mem::forget(asked);
    let sandboxes = launcher.is_some();
    if let Some(Ok(launcher)) = launcher.map(Arc::try_unwrap) {
        launcher.finish(Duration::from_secs(10)).await;
    }
    let failure = ended.sink_error.or(kept.err().map(SinkError::from));
    if let Some(error) = &failure {
        let shown = CliError::harness(error.message.clone());
        context.say(&match &error.hint {
            Some(hint) => shown.hint(hint.clone()).to_string(),
            None => shown.to_string(),
        });
    }
    let signal = match seen_signal.load(Ordering::SeqCst) {
        0 => None,
        15 => Some(Exit::Terminated),
        _ => Some(Exit::Interrupted),
    };
    let seen = Seen { signal, store_failed: failure.is_some(), spent: ended.spent };
    let view = early.or_else(|| recorder.take_view());
    Ok(Ran { dir, seen, view, recorder: Mutex::new(recorder), sandboxes })
}

/// What came up on the side of the back ends.
fn tell(plan: &Plan, refused: Option<&RunError>, context: &Context) {
    if let Some(error) = refused {
        let hint = "mend the key or its account, then go on with `rolltape resume RUN --retry-errors`";
        context.say(
            &CliError::harness(format!("nothing more was started: {}", error.message)).hint(hint).to_string(),
        );
    }
    let mut told: Vec<String> = Vec::new();
    for subject in plan.suites.iter().flat_map(|suite| &suite.subjects) {
        for note in subject.backend.iter().flat_map(|backend| backend.notes()) {
            let note = format!("warning: {}: {note}", subject.subject.id);
            if context.verbosity > Verbosity::Quiet && !told.contains(&note) {
                context.say(&note);
                told.push(note);
            }
        }
    }
}

/// Makes the run's folder. Two runs of one suite in one second get different ids.
fn record(manifest: &mut RunManifest, out: Option<PathBuf>) -> Result<Recorder, StoreError> {
    if let Some(out) = out {
        return Recorder::create(&out);
    }
    let id = manifest.id.0.clone();
    for n in 2..100 {
        let created = Recorder::create(&PathBuf::from("reports").join(&manifest.id.0));
        match created {
            Err(error) if matches!(error.kind, StoreErrorKind::Locked | StoreErrorKind::Input) => {
                manifest.id.0 = format!("{id}-{n}");
            }
            other => return other,
        }
    }
    Recorder::create(&PathBuf::from("reports").join(&manifest.id.0))
}

/// Hidden tests that are not kept apart from the programs that they run. The verdict is then only as good as these
/// programs are honest, and nobody shall take it for more.
pub(in crate::cli) fn one_user(plan: &Plan, launcher: Option<&Launcher>) -> Option<String> {
    let launcher = launcher?;
    let (mut count, mut why) = (0, None);
    for suite in &plan.suites {
        for (index, task) in suite.suite.tasks.iter().enumerate() {
            if suite.skips[index].is_some() || task.hidden.is_empty() {
                continue;
            }
            if let Err(reason) = launcher.apart(&task.sandbox.root, &suite.mounts[index]) {
                count += 1;
                why.get_or_insert(reason);
            }
        }
    }
    Some(format!(
        "at the level '{}' the hidden tests of {} run as the same user as the programs that they judge, which could \
         change them: {}; the level 'overlay' always keeps them apart",
        launcher.level().as_str(),
        plural(count, "task"),
        why?
    ))
}

/// Tasks that reach more than their services: nobody shall find that out afterwards.
fn open_networks(plan: &Plan) -> Vec<String> {
    let mut told = Vec::new();
    for suite in &plan.suites {
        for task in suite.suite.tasks.iter().filter(|task| task.sandbox.network != Network::None) {
            let network = &task.sandbox.network;
            told.push(format!("task '{}/{}' reaches the network: {network}", suite.suite.name, task.id));
        }
    }
    told
}

fn headline(plan: &Plan, todo: &[Planned], launcher: Option<&Launcher>) -> String {
    let tasks: usize = plan.suites.iter().map(|suite| suite.suite.tasks.len()).sum();
    let kept = plan.attempts.len() - todo.len();
    let kept = if kept > 0 { format!(", {} kept", plural(kept, "finished attempt")) } else { String::new() };
    format!(
        "running {} of {} {}{kept}",
        plural(todo.len(), "attempt"),
        plural(tasks, "task"),
        place(launcher),
    )
}

fn place(launcher: Option<&Launcher>) -> String {
    match launcher {
        Some(launcher) => format!("in sandboxes of level {}", launcher.level().as_str()),
        None => "without a sandbox".to_owned(),
    }
}

/// The sandbox as the manifest tells it. A boundary is not claimed where none was drawn.
fn sandbox_word(plan: &Plan, args: &Args, launcher: Option<&Launcher>) -> String {
    let Some(launcher) = launcher else { return "not used".to_owned() };
    let backend = match launcher.shows() {
        Some(image) => format!("oci:{}", image_store::shown(image)),
        None => args.sandbox.clone(),
    };
    let word = match launcher.level() {
        // The back end says it already.
        sandbox::Level::Container => backend,
        level => format!("{backend}:{}", level.as_str()),
    };
    let bare = plan.attempts.iter().filter(|planned| !plan.needs_sandbox(planned)).count();
    if bare == 0 {
        return word;
    }
    format!("{word}, not used by {bare} of {}", plural(plan.attempts.len(), "attempt"))
}

/// The first signal ends the run in order; the second ends the process, and the janitor clears up.
#[expect(clippy::exit, reason = "a second Ctrl-C means: at once")]
pub(in crate::cli) async fn watch_signals(control: Control, seen: Arc<AtomicU8>, context: Context) {
    let streams =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = streams else { return };
    loop {
        let (number, name) = tokio::select! {
            _ = interrupt.recv() => (2, "interrupted"),
            _ = terminate.recv() => (15, "terminated"),
            _ = hangup.recv() => (1, "hung up"),
        };
        if seen.swap(number, Ordering::SeqCst) != 0 {
            context.say(&format!("{name} again: ending at once"));
            let exit = if number == 15 { Exit::Terminated } else { Exit::Interrupted };
            std::process::exit(i32::from(exit.code()));
        }
        control.stop.cancel();
        context
            .say(&format!("{name}: ending what runs and keeping what is finished (once more ends at once)"));
    }
}

pub(in crate::cli) fn manifest(
    plan: &Plan,
    launcher: Option<&Launcher>,
    tools: Object,
    clock: &dyn Clock,
    args: &Args,
) -> Result<RunManifest, CliError> {
    let mut subjects: Vec<Subject> = Vec::new();
    for subject in plan.suites.iter().flat_map(|suite| &suite.subjects) {
        if !subjects.contains(&subject.subject) {
            subjects.push(subject.subject.clone());
        }
    }
    let names: Vec<&str> = plan.suites.iter().map(|suite| suite.suite.name.as_str()).collect();
    let now = clock.now();
    let mut versions = Object::new();
    versions.insert("rolltape".to_owned(), env!("CARGO_PKG_VERSION").into());
    versions.insert("tools".to_owned(), serde_json::Value::Object(tools));
    let images = launcher.map(Launcher::images).unwrap_or_default();
    if !images.is_empty() {
        let images =
            images.into_iter().map(|(name, digest)| (image_store::shown(&name).to_owned(), digest.into()));
        versions.insert("images".to_owned(), serde_json::Value::Object(images.collect()));
    }
    let mut timing = Object::new();
    timing.insert("started".to_owned(), now.to_string().into());
    let tasks = plan.suites.iter().flat_map(|suite| {
        suite
            .suite
            .tasks
            .iter()
            .map(|task| (format!("{}/{}", suite.suite.name, task.id), task.digest.clone()))
    });
    let policies: Vec<&str> = plan
        .suites
        .iter()
        .filter_map(|suite| suite.suite.tasks.first().zip(suite.subjects.first()))
        .map(|(task, subject)| subject.agent.policy(&task.policy).calls.as_str())
        .collect();
    Ok(RunManifest {
        id: store::run_id(now, &names.join("+"), args.seed),
        suites: plan
            .suites
            .iter()
            .map(|suite| (suite.suite.name.clone(), suite.suite.digest.clone()))
            .collect(),
        tasks: tasks.collect(),
        subjects,
        attempts: args.attempts,
        planned: plan.attempts.len() as u64,
        seed: args.seed,
        sandbox: sandbox_word(plan, args, launcher),
        layers: launcher.map_or_else(Vec::new, |launcher| launcher.layers().to_vec()),
        policy: policies.join(","),
        reading: "strict".to_owned(),
        versions,
        invocation: args.to_invocation()?,
        timing,
    })
}

/// Writes the derived files, prints the report and the way on, and judges.
fn conclude(ran: Ran, args: &Args, report: &'static Report, context: &Context) -> Result<Exit, CliError> {
    let dir = ran.dir.as_path();
    let mut seen = ran.seen;
    if !store::is_run(dir) {
        if seen.store_failed && dir.is_dir() {
            // It could not even begin, and why is told.
            return Ok(Exit::Harness);
        }
        return Err(CliError::harness(format!(
            "the run folder '{}' went away during the run",
            dir.display()
        ))
        .hint("nothing of this run is kept; start it again, and leave its folder alone until it ends"));
    }
    let view = match &ran.view {
        Some(view) => Cow::Borrowed(view),
        None => Cow::Owned(crate::cli::report::open(dir, context)?),
    };
    let options = report::Options {
        timing: true,
        color: context.color_out,
        width: crate::cli::report::columns(context),
    };
    let shown = report::Shown::new(&view);
    let (derived, text) = rayon::join(
        || {
            if seen.store_failed {
                return Ok(Vec::new());
            }
            report::write_derived(&shown, &report::Options::file(), &|| ran.on_disk().is_ok())
        },
        || report::render(report, &shown, &options),
    );
    if !seen.store_failed
        && let Err(error) = ran.on_disk()
    {
        // What was made shows records that do not count: the files tell those that do.
        context.say(&CliError::from(error).to_string());
        let seen = Seen { store_failed: true, ..seen };
        return conclude(Ran { seen, view: None, ..ran }, args, report, context);
    }
    if let Err(error) = derived {
        context.say(&CliError::from(error).to_string());
        seen.store_failed = true;
    }
    let text = text
        .map_err(|error| CliError::harness(format!("can't render the report: {}", store::io_text(&error))))?;
    context.data(&String::from_utf8_lossy(&text));
    let unfinished = view.records.iter().any(|record| record.outcome == Outcome::Cancelled)
        || (view.records.len() as u64) < view.manifest.planned;
    if context.verbosity > Verbosity::Quiet {
        context.say(&format!("kept in {}", dir.display()));
    }
    if context.verbosity > Verbosity::Quiet
        && let Some(line) = kept(&view)
    {
        context.say(&line);
    }
    if unfinished {
        context.say(&format!("to go on: rolltape resume {}", dir.display()));
    }
    let exit = verdict(&view.records, args.fail_under, seen);
    // The process ends with it: the memory of a large run need not be given back piece by piece.
    std::mem::forget(view);
    std::mem::forget(ran.view);
    Ok(exit)
}

/// Which sandboxes were kept, and how one is opened.
fn kept(view: &RunView) -> Option<String> {
    let mut kept = view.records.iter().filter(|record| record.kept.is_some());
    let first = kept.next()?;
    let sandboxes = plural(1 + kept.count(), "sandbox state");
    Some(format!(
        "{sandboxes} kept; to open one: rolltape sandbox --from {}/{}",
        view.dir.display(),
        first.id
    ))
}

/// Shows the matrix, the skips and the bound of the cost; runs nothing.
pub(super) fn dry_run(
    prepared: Prepared,
    matrix: Matrix,
    args: &Args,
    context: &Context,
) -> Result<Exit, CliError> {
    let runtime = runtime()?;
    let (plan, place) = runtime.block_on(async {
        let mut suites = prepared.suites;
        let launcher = launch(args, &suites, Vec::new(), context).await?;
        if let Some(launcher) = &launcher {
            setup::add_skips(&mut suites, launcher);
        }
        let place = launcher.as_ref().map_or_else(
            || "no sandbox".to_owned(),
            |launcher| format!("sandbox level {}", launcher.level().as_str()),
        );
        if let Some(Ok(launcher)) = launcher.map(Arc::try_unwrap) {
            launcher.finish(Duration::from_secs(5)).await;
        }
        Ok::<_, CliError>((engine::plan(suites, matrix), place))
    })?;
    // What can't be begun is told here too.
    money::purse(&plan, args, &[])?;
    let mut text = String::new();
    for planned in &plan.attempts {
        let (suite, _, _) = plan.parts(planned);
        match &suite.skips[planned.task] {
            Some(reason) => text.push_str(&format!("{}  skipped: {reason}\n", planned.id)),
            None => text.push_str(&format!("{}\n", planned.id)),
        }
    }
    text.push_str(&format!(
        "{}, {place}, {}\n",
        plural(plan.attempts.len(), "attempt"),
        money::bound(&plan, args),
    ));
    context.data(&text);
    Ok(Exit::Fine)
}
