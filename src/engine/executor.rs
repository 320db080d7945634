//! One attempt: sandbox, services, agent, then everything dead, then the probes, then the verdict.

use super::dispatcher::Message;
use super::judge::{self, Material};
use super::plan::{Plan, Planned};
use super::probe::{self, Kept};
use super::unwind::Unwinding;
use crate::agent::{AgentEnd, Session, StepLog};
use crate::backend::{Budget, Metered, Stop};
use crate::model::{AttemptId, ErrorClass, Exchanged, Finished, LimitKind, Object, Outcome, RunError};
use crate::sandbox::{Config, ExitReport, Launcher, Sandbox, SandboxError};
use crate::service::{self, Running, Secrets};
use crate::suite::{ServiceSpec, Task};
use crate::tools::Toolbox;
use crate::util::clock::Clock;
use crate::util::redact::Redactor;
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// Port of a task's first service in a sandbox with a loopback of its own; the others follow.
const FIRST_PORT: u16 = 8080;

/// What all attempts of a run share.
pub(super) struct Surroundings {
    pub(super) plan: Arc<Plan>,
    pub(super) launcher: Arc<Launcher>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) messages: UnboundedSender<Message>,
    pub(super) stop: CancellationToken,
}

/// How the agent's part ended, and what is left to judge.
struct Played {
    end: Ending,
    log: StepLog,
    metered: Option<Metered>,
    kept: Kept,
    requests: BTreeMap<String, Vec<Object>>,
    redactor: Redactor,
    report: ExitReport,
}

/// How the agent's part ended.
pub(super) enum Ending {
    /// The loop ended by itself, or a limit or error stopped it.
    Agent(AgentEnd),
    /// The wall clock ran out.
    Wall,
    /// The run was stopped.
    Cancelled,
    /// The loop panicked.
    Panic(String),
    /// Nothing could be begun.
    Error(RunError),
}

/// Runs one attempt to its record. Never fails: what goes wrong is the outcome.
pub(super) async fn attempt(around: Arc<Surroundings>, planned: Planned) -> Finished {
    let (suite, task, _) = around.plan.parts(&planned);
    if let Some(reason) = &suite.skips[planned.task] {
        return judge::without_run(&around.plan, &planned, Outcome::Skipped(reason.clone()));
    }
    let started = around.clock.now();
    let begin = around.clock.elapsed();
    let played = play(&around, &planned, task).await;
    let agent_ms = millis(&around, begin);
    let compiled = &suite.scorers[planned.task];
    let scored = match &played.end {
        Ending::Cancelled
        | Ending::Panic(_)
        | Ending::Error(_)
        | Ending::Agent(AgentEnd::Stopped(Stop::Error(_))) => None,
        Ending::Agent(_) | Ending::Wall => {
            probe::all(&around, task, compiled, &played.kept, &suite.mounts[planned.task]).await.transpose()
        }
    };
    let mut timing = Object::new();
    timing.insert("started".to_owned(), started.to_string().into());
    timing.insert("agent_ms".to_owned(), agent_ms.into());
    timing.insert("duration_ms".to_owned(), millis(&around, begin).into());
    let material = Material {
        end: played.end,
        steps: played.log.into_steps(),
        metered: played.metered,
        requests: played.requests,
        probes: scored,
        redactor: played.redactor,
        report: played.report,
        stopped: around.stop.is_cancelled(),
        timing,
    };
    judge::finish(&around.plan, &planned, compiled, material)
}

fn millis(around: &Surroundings, since: std::time::Duration) -> u64 {
    around.clock.elapsed().saturating_sub(since).as_millis() as u64
}

async fn play(around: &Arc<Surroundings>, planned: &Planned, task: &Task) -> Played {
    let (suite, _, subject) = around.plan.parts(planned);
    let mut played = Played {
        end: Ending::Cancelled,
        log: StepLog::default(),
        metered: None,
        kept: Kept::default(),
        requests: BTreeMap::new(),
        redactor: Redactor::default(),
        report: ExitReport::default(),
    };
    let config = sandbox_config(planned.id.to_string(), task, &suite.mounts[planned.task]);
    let sandbox = match around.launcher.start(config).await {
        Ok(sandbox) => sandbox,
        Err(error) => {
            played.end = Ending::Error(sandbox_error(&error));
            return played;
        }
    };
    let services = match prepare(around, planned, task, sandbox.as_ref()).await {
        Ok(services) => services,
        Err(error) => {
            played.end = Ending::Error(error);
            played.report = sandbox.close().await;
            return played;
        }
    };
    played.redactor = Redactor::new(known(&services));
    let (steps, step_inbox) = unbounded_channel();
    let (exchanges, exchange_inbox) = unbounded_channel();
    let forwarder = tokio::spawn(forward(
        around.messages.clone(),
        planned.id.clone(),
        step_inbox,
        exchange_inbox,
        played.redactor.clone(),
    ));
    played.log = StepLog::new(Some(steps));
    let budget = Budget { turns: task.limits.turns, tokens: task.limits.tokens };
    let mut metered = subject.backend.as_ref().map(|backend| {
        Metered::new(
            backend.clone(),
            planned.id.clone(),
            subject.subject.params.clone(),
            budget,
            played.redactor.clone(),
            Some(exchanges.clone()),
        )
    });
    drop(exchanges);
    let mut toolbox = Toolbox::new(sandbox.clone());
    let session = Session {
        attempt: &planned.id,
        task,
        tools: &mut toolbox,
        model: metered.as_mut(),
        log: &mut played.log,
    };
    let loop_end = Unwinding::new(subject.agent.run(session));
    played.end = tokio::select! {
        end = loop_end => end.map_or_else(Ending::Panic, Ending::Agent),
        () = wall(task) => Ending::Wall,
        () = around.stop.cancelled() => Ending::Cancelled,
    };
    drop(toolbox);
    played.report = sandbox.freeze().await.unwrap_or_default();
    for running in &services {
        played.requests.insert(running.name.clone(), running.requests());
    }
    drop(services);
    if !matches!(played.end, Ending::Cancelled | Ending::Error(_)) {
        played.kept = probe::keep(sandbox.as_ref(), &suite.scorers[planned.task]).await;
    }
    let closed = sandbox.close().await;
    played.report.limits.extend(closed.limits);
    played.report.leftovers += closed.leftovers;
    played.metered = metered;
    // The log's sender is what keeps the forwarder alive; it ends when the last step is told.
    let log = std::mem::take(&mut played.log);
    played.log = log.silent();
    let metered = played.metered.take().map(Metered::silent);
    played.metered = metered;
    let _ = forwarder.await;
    played
}

/// The sandbox of a task, for the agent and for its probes alike.
pub(super) fn sandbox_config(label: String, task: &Task, mounts: &[(String, String)]) -> Config {
    Config {
        label,
        hosts: task.services.iter().flat_map(|service| service.hosts.clone()).collect(),
        env: BTreeMap::new(),
        mounts: mounts.to_vec(),
        memory: task.sandbox.memory,
        cpus: task.sandbox.cpus,
        pids: task.sandbox.pids,
        disk: task.sandbox.disk,
    }
}

pub(super) fn sandbox_error(error: &SandboxError) -> RunError {
    RunError::new(ErrorClass::Sandbox, error.message.clone())
}

/// Puts the task's files in and starts its services.
async fn prepare(
    around: &Surroundings,
    planned: &Planned,
    task: &Task,
    sandbox: &dyn Sandbox,
) -> Result<Vec<Running>, RunError> {
    probe::put(sandbox, &task.files, "").await?;
    let mut services = Vec::new();
    for (index, spec) in task.services.iter().enumerate() {
        let secrets = service::derive_secrets(around.plan.seed, &planned.id.to_string(), &spec.name);
        services.push(serve(index, spec, &Object::new(), secrets, sandbox).await?);
    }
    Ok(services)
}

/// Starts one service inside a sandbox and tells programs where it is. `options` are laid over the task's own.
pub(super) async fn serve(
    index: usize,
    spec: &ServiceSpec,
    options: &Object,
    secrets: Secrets,
    sandbox: &dyn Sandbox,
) -> Result<Running, RunError> {
    let failed = |message: String| RunError::new(ErrorClass::Service, message);
    let Some(kind) = service::ALL.iter().find(|kind| kind.name == spec.kind) else {
        return Err(failed(format!("service '{}' is of the unknown kind '{}'", spec.name, spec.kind)));
    };
    let port = spec.port.unwrap_or(FIRST_PORT + index as u16);
    let (listener, _) = sandbox.listen(port).await.map_err(|error| {
        failed(format!("service '{}' can't listen in its sandbox: {}", spec.name, error.message))
    })?;
    let mut merged = spec.options.clone();
    merged.extend(options.clone());
    let running = (kind.start)(spec, &merged, secrets, listener)?;
    sandbox.set_env(&url_variable(&spec.name), &running.url());
    if let Some(name) = &spec.key_env {
        sandbox.set_env(name, &running.secrets.key);
    }
    Ok(running)
}

/// `ROLLTAPE_SERVICE_<NAME>_URL`, the name in capitals with underscores.
fn url_variable(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("ROLLTAPE_SERVICE_{name}_URL")
}

/// What must not be written: keys, and what differs from run to run by chance.
fn known(services: &[Running]) -> Vec<(String, String)> {
    let mut known = Vec::new();
    for running in services {
        known.push((format!("<SECRET:{}.key>", running.name), running.secrets.key.clone()));
        known.push((format!("<NONCE:{}>", running.name), running.secrets.nonce.clone()));
        known.push((format!("<ADDR:{}>", running.name), running.addr.to_string()));
    }
    known
}

async fn wall(task: &Task) {
    match task.limits.wall {
        Some(limit) => tokio::time::sleep(limit).await,
        None => pending().await,
    }
}

/// Passes on what the agent does while it does it, redacted.
async fn forward(
    messages: UnboundedSender<Message>,
    attempt: AttemptId,
    mut steps: tokio::sync::mpsc::UnboundedReceiver<(u64, String)>,
    mut exchanges: tokio::sync::mpsc::UnboundedReceiver<Exchanged>,
    redactor: Redactor,
) {
    loop {
        let message = tokio::select! {
            Some((step, summary)) = steps.recv() => {
                Message::Step(attempt.clone(), step, redactor.redact(&summary).into_owned())
            }
            Some(exchanged) = exchanges.recv() => Message::Exchanged(Box::new(exchanged)),
            else => break,
        };
        // The dispatcher outlives every attempt; a closed channel means that the process ends.
        if messages.send(message).is_err() {
            break;
        }
    }
}

impl Ending {
    /// The limit that ended the agent's part, if one did.
    pub(super) fn limit(&self) -> Option<LimitKind> {
        match self {
            Ending::Wall => Some(LimitKind::Wall),
            Ending::Agent(AgentEnd::Stopped(Stop::Limit(kind))) => Some(*kind),
            _ => None,
        }
    }
}
