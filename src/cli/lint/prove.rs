//! Makes the proofs: runs of the engine with agents that ask no model. Nothing of them is kept on disk.

use crate::cli::{CliError, Context, Exit, Verbosity, progress, run};
use crate::engine::{self, Control, Matrix, Options, Plan, Planned, Sink, SinkError, SuitePlan, Work};
use crate::lint::{Proof, Role};
use crate::model::{AttemptRecord, Event, Object};
use crate::util::clock::{Clock, SystemClock};
use crate::util::plural::plural;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Agents that work at every task, and what they prove.
pub(super) const AGENTS: [(&str, Role); 4] = [
    ("oracle", Role::Oracle),
    ("nop", Role::Nop),
    ("answer:empty", Role::Empty),
    ("answer:prompt", Role::Echo),
];

/// What came of the proofs.
#[derive(Default)]
pub(super) struct Proved {
    /// In plan order.
    pub(super) proofs: Vec<Proof>,
    /// The signal that stopped them.
    pub(super) signal: Option<Exit>,
}

/// Keeps the records of a run.
struct Keep(Arc<Mutex<Vec<AttemptRecord>>>);

impl Sink for Keep {
    fn on(&mut self, event: &Event) -> Result<(), SinkError> {
        if let Event::AttemptFinished(finished) = event {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(finished.record.clone());
        }
        Ok(())
    }
}

fn role(agent: &str) -> Role {
    AGENTS.iter().find(|(name, _)| *name == agent).map_or(Role::Cheat, |(_, role)| *role)
}

/// Runs all proofs of these roles, none of them longer than `wall`.
pub(super) fn prove(
    mut suite: SuitePlan,
    roles: &BTreeSet<Role>,
    args: &run::Args,
    wall: Duration,
    context: &Context,
) -> Result<Proved, CliError> {
    for task in &mut suite.suite.tasks {
        let limit = task.limits.wall.map_or(wall, |own| own.min(wall));
        task.limits.wall = Some(limit);
    }
    suite.subjects.retain(|subject| roles.contains(&role(&subject.subject.agent)));
    let runtime = run::runtime()?;
    let proved = runtime.block_on(async {
        let run = tokio::spawn(go(suite, args.clone(), context.clone()));
        run.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(payload) => std::panic::resume_unwind(payload),
            Err(error) => Err(CliError::harness(format!("the proofs were lost: {error}"))),
        })
    });
    // Blocking helpers that hang must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    proved
}

async fn go(suite: SuitePlan, args: run::Args, context: Context) -> Result<Proved, CliError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut suites = vec![suite];
    let mut hide: Vec<PathBuf> = vec![context.cwd.clone()];
    hide.extend(context.var("HOME").map(PathBuf::from));
    hide.extend(suites.iter().map(|plan| context.cwd.join(&plan.suite.root)));
    let launcher = run::launch(&args, &suites, hide, &context).await?;
    if let Some(launcher) = &launcher {
        run::add_skips(&mut suites, launcher);
    }
    let plan = Arc::new(engine::plan(suites, Matrix { attempts: 1, seed: args.seed }));
    let todo: Vec<Planned> =
        plan.attempts.iter().filter(|planned| can_be_made(&plan, planned)).cloned().collect();
    let mut manifest = run::manifest(&plan, launcher.as_deref(), Object::new(), clock.as_ref(), &args)?;
    manifest.planned = todo.len() as u64;
    if context.verbosity > Verbosity::Quiet {
        if let Some(warning) = run::one_user(&plan, launcher.as_deref()) {
            context.say(&format!("warning: {warning}"));
        }
        context.say(&format!("making {}", plural(todo.len(), "proof")));
    }
    let control = Control::default();
    let seen = Arc::new(AtomicU8::new(0));
    let watcher = tokio::spawn(run::watch_signals(control.clone(), seen.clone(), context.clone()));
    let records = Arc::new(Mutex::default());
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(Keep(Arc::clone(&records))), progress::sink(&context)];
    let work = Work { plan, todo, manifest, launcher: launcher.clone(), clock, purse: None, keep: None };
    let options = Options { jobs: args.jobs(), max_fail: None };
    let ended = engine::run(work, &mut sinks, options, control).await;
    drop(sinks);
    watcher.abort();
    if let Some(Ok(launcher)) = launcher.map(Arc::try_unwrap) {
        launcher.finish(Duration::from_secs(10)).await;
    }
    if let Some(error) = ended.sink_error {
        return Err(CliError::harness(error.message));
    }
    let mut records = std::mem::take(&mut *records.lock().unwrap_or_else(PoisonError::into_inner));
    records.sort_by_key(|record| record.seq);
    let proofs = records.into_iter().map(|record| {
        let agent = record.subject.agent.clone();
        Proof { role: role(&agent), agent, record }
    });
    let signal = match seen.load(Ordering::SeqCst) {
        0 => None,
        15 => Some(Exit::Terminated),
        _ => Some(Exit::Interrupted),
    };
    Ok(Proved { proofs: proofs.collect(), signal })
}

/// Whether the task has what the agent runs.
fn can_be_made(plan: &Plan, planned: &Planned) -> bool {
    let (_, task, subject) = plan.parts(planned);
    let agent = &subject.subject.agent;
    match role(agent) {
        Role::Oracle => task.solution.is_some(),
        Role::Cheat => agent.split_once(':').is_some_and(|(_, name)| task.cheats.contains_key(name)),
        Role::Nop | Role::Empty | Role::Echo => true,
    }
}
