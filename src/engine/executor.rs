//! One attempt: sandbox, services, agent, then everything dead, then the probes, then the verdict.

use super::ending::Ending;
use super::judge::{self, Material};
use super::keeping;
use super::place::{FOLDER, folder_of, open_network, put, sandbox_config, sandbox_error, serve};
use super::plan::Planned;
use super::probe::{self, Kept};
use super::surroundings::{Message, Surroundings};
use super::unwind::Unwinding;
use crate::agent::{Agent, AgentEnd, Door, Session, StepLog};
use crate::backend::{Budget, Metered, Stop, Troubles};
use crate::model::{ErrorClass, Finished, Object, Outcome, RunError};
use crate::sandbox::{Config, ExitReport, Sandbox, nowhere};
use crate::service::{self, Authority, Egress, Running};
use crate::suite::{Limits, Task};
use crate::tools::{Options, Toolbox};
use crate::util::redact::Redactor;
use crate::util::tell::Tell;
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;

/// Port of an agent's door in a sandbox with a loopback of its own, below those of the services.
const DOOR: u16 = 8079;

/// How the agent's part ended, and what is left to judge.
struct Played {
    end: Ending,
    log: StepLog,
    metered: Option<Metered>,
    kept: Kept,
    requests: BTreeMap<String, Vec<Object>>,
    network: Vec<Object>,
    redactor: Redactor,
    report: ExitReport,
    /// The sandbox, where its state may be kept; all in it is dead.
    sandbox: Option<Arc<dyn Sandbox>>,
}

/// Runs one attempt to its record. Never fails: what goes wrong is the outcome.
pub(super) async fn attempt(around: Arc<Surroundings>, planned: Planned) -> Arc<Finished> {
    let (suite, task, _) = around.plan.parts(&planned);
    if let Some(reason) = &suite.skips[planned.task] {
        return Arc::new(judge::without_run(&around.plan, &planned, Outcome::Skipped(reason.clone())));
    }
    let started = around.clock.now();
    let begin = around.clock.elapsed();
    let mut played = play(&around, &planned, task).await;
    let sandbox = played.sandbox.take();
    let agent_ms = millis(&around, begin);
    let compiled = &suite.scorers[planned.task];
    let scored = match &played.end {
        Ending::Cancelled
        | Ending::Panic(_)
        | Ending::Error(_)
        | Ending::Agent(AgentEnd::Stopped(Stop::Error(_))) => None,
        Ending::Agent(_) | Ending::Wall | Ending::Breached(_) => {
            probe::all(&around, task, compiled, &played.kept, &suite.mounts[planned.task]).await.transpose()
        }
    };
    let mut timing = Object::new();
    if let Some(retries) = played.metered.as_ref().and_then(|metered| metered.troubles().to_json()) {
        timing.insert("retries".to_owned(), retries);
    }
    timing.insert("started".to_owned(), started.to_string().into());
    timing.insert("agent_ms".to_owned(), agent_ms.into());
    timing.insert("duration_ms".to_owned(), millis(&around, begin).into());
    let mut log = played.log;
    let material = Material {
        end: played.end,
        tools: log.take_tools(),
        steps: log.into_steps(),
        metered: played.metered,
        requests: played.requests,
        network: played.network,
        carried: played.kept.carried(compiled),
        probes: scored,
        redactor: played.redactor,
        report: played.report,
        stopped: around.stop.is_cancelled(),
        timing,
    };
    let mut finished = judge::finish(&around.plan, &planned, compiled, material);
    if let Some(sandbox) = sandbox {
        keeping::keep(&around, &planned, sandbox, &mut finished).await;
    }
    Arc::new(finished)
}

fn millis(around: &Surroundings, since: std::time::Duration) -> u64 {
    around.clock.elapsed().saturating_sub(since).as_millis() as u64
}

/// What holds for each command and cell of a task.
fn of_commands(limits: &Limits) -> Options {
    Options { command_wall: limits.command, command_cpu: limits.command_cpu, ..Options::default() }
}

async fn play(around: &Arc<Surroundings>, planned: &Planned, task: &Task) -> Played {
    let (suite, _, subject) = around.plan.parts(planned);
    let mut played = Played {
        end: Ending::Cancelled,
        log: StepLog::default(),
        metered: None,
        kept: Kept::default(),
        requests: BTreeMap::new(),
        network: Vec::new(),
        redactor: Redactor::default(),
        report: ExitReport::default(),
        sandbox: None,
    };
    let authority = match around.authority(task) {
        Ok(authority) => authority,
        Err(error) => {
            played.end = Ending::Error(error);
            return played;
        }
    };
    let authority = authority.as_deref();
    let bare = !around.plan.needs_sandbox(planned);
    let config = || {
        let mounts: Vec<_> = suite.mounts[planned.task].iter().chain(&subject.mounts).cloned().collect();
        let config = sandbox_config(planned.id.to_string(), task, &mounts, authority);
        Config { keep: around.keep.is_some(), ..config }
    };
    let place = if bare { Ok(nowhere()) } else { around.start(config()).await };
    let sandbox = match place {
        Ok(sandbox) => sandbox,
        Err(error) => {
            played.end = Ending::Error(sandbox_error(&error));
            return played;
        }
    };
    let prepared = if bare {
        Ok(Prepared::default())
    } else {
        prepare(around, planned, task, sandbox.as_ref(), authority).await
    };
    let Prepared { services, network, door } = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            played.end = Ending::Error(error);
            played.report = sandbox.close().await;
            return played;
        }
    };
    let mut hidden = known(&services, door.as_ref());
    hidden.extend(folder_of(sandbox.as_ref()).map(|folder| (FOLDER.to_owned(), folder)));
    hidden.extend(subject.backend.iter().flat_map(|backend| backend.secrets()));
    played.redactor = Redactor::new(hidden);
    played.log = StepLog::new(Some(steps(around, planned, &played.redactor)));
    let mut metered = metered(around, planned, &played.redactor);
    let troubles = metered.as_ref().map(Metered::troubles).unwrap_or_default();
    let options = of_commands(&task.limits);
    let mut toolbox = Toolbox::with_options(sandbox.clone(), options);
    let session = Session {
        attempt: &planned.id,
        task,
        tools: &mut toolbox,
        model: metered.as_mut(),
        log: &mut played.log,
        door,
    };
    let loop_end = Unwinding::new(subject.agent.run(session));
    played.end = tokio::select! {
        end = loop_end => end.map_or_else(Ending::Panic, Ending::Agent),
        () = wall(task) => out_of_time(task, &troubles),
        kind = sandbox.breached() => Ending::Breached(kind),
        () = around.stop.cancelled() => Ending::Cancelled,
    };
    drop(toolbox);
    played.report = sandbox.freeze().await.unwrap_or_default();
    for running in &services {
        played.requests.insert(running.name.clone(), running.requests());
    }
    drop(services);
    played.network = network.as_ref().map(Egress::requests).unwrap_or_default();
    drop(network);
    if !matches!(played.end, Ending::Cancelled | Ending::Error(_)) {
        played.kept = probe::keep(sandbox.as_ref(), &suite.scorers[planned.task]).await;
    }
    played.metered = metered;
    if around.keep.is_some() && !bare && !matches!(played.end, Ending::Cancelled) {
        // Whether it is kept depends on the verdict.
        played.sandbox = Some(sandbox);
        return played;
    }
    let closed = sandbox.close().await;
    for kind in closed.limits {
        if !played.report.limits.contains(&kind) {
            played.report.limits.push(kind);
        }
    }
    played.report.leftovers += closed.leftovers;
    played
}

/// Tells what the agent does while it does it, redacted.
fn steps(around: &Surroundings, planned: &Planned, redactor: &Redactor) -> Tell<(u64, String)> {
    let (messages, attempt, redactor) = (around.messages.clone(), planned.id.clone(), redactor.clone());
    Tell::new(move |(step, summary): (u64, String)| {
        let summary = redactor.redact(&summary).into_owned();
        let _ = messages.send(Message::Step(attempt.clone(), step, summary));
    })
}

/// The model of an attempt, if its agent asks one.
fn metered(around: &Surroundings, planned: &Planned, redactor: &Redactor) -> Option<Metered> {
    let (_, task, subject) = around.plan.parts(planned);
    let messages = around.messages.clone();
    let exchanges = Tell::new(move |exchanged| {
        // The dispatcher outlives every attempt; a closed channel means that the process ends.
        let _ = messages.send(Message::Exchanged(Arc::new(exchanged)));
    });
    let budget = Budget { turns: task.limits.turns, tokens: task.limits.tokens, usd: task.limits.usd };
    let metered = Metered::new(
        subject.backend.clone()?,
        planned.id.clone(),
        subject.subject.params.clone(),
        budget,
        redactor.clone(),
        Some(exchanges),
    );
    Some(metered.with_purse(around.purse.clone()))
}

/// What runs beside an agent.
#[derive(Default)]
struct Prepared {
    services: Vec<Running>,
    network: Option<Egress>,
    door: Option<Door>,
}

/// Puts the task's files in, starts its services and opens the door of an agent that wants one.
async fn prepare(
    around: &Surroundings,
    planned: &Planned,
    task: &Task,
    sandbox: &dyn Sandbox,
    authority: Option<&Authority>,
) -> Result<Prepared, RunError> {
    put(sandbox, &task.files, "").await?;
    let mut services = Vec::new();
    for (index, spec) in task.services.iter().enumerate() {
        let secrets = service::derive_secrets(around.plan.seed, &planned.id.to_string(), &spec.name);
        services.push(serve(task, index, &Object::new(), secrets, sandbox, authority).await?);
    }
    let network = open_network(task, sandbox).await?;
    let agent = around.plan.parts(planned).2.agent.as_ref();
    Ok(Prepared { services, network, door: door(around, planned, agent, sandbox).await? })
}

/// The door of an agent that wants one.
async fn door(
    around: &Surroundings,
    planned: &Planned,
    agent: &dyn Agent,
    sandbox: &dyn Sandbox,
) -> Result<Option<Door>, RunError> {
    if !agent.wants_door() {
        return Ok(None);
    }
    let mut bound = sandbox.listen(DOOR).await;
    if bound.is_err() {
        // A service of the task has that port.
        bound = sandbox.listen(0).await;
    }
    let (listener, addr) = bound.map_err(|error| {
        let message = format!("the agent's model can't be served in its sandbox: {}", error.message);
        RunError::new(ErrorClass::Sandbox, message)
    })?;
    let key = service::derive_secrets(around.plan.seed, &planned.id.to_string(), "\u{0}agent").key;
    Ok(Some(Door { listener, addr, key }))
}

/// What must not be written: keys, and what differs from run to run by chance.
fn known(services: &[Running], door: Option<&Door>) -> Vec<(String, String)> {
    let mut known = Vec::new();
    if let Some(door) = door {
        known.push(("<SECRET:agent.key>".to_owned(), door.key.clone()));
        known.push(("<ADDR:agent>".to_owned(), door.addr.to_string()));
    }
    for running in services {
        known.push((format!("<SECRET:{}.key>", running.name), running.secrets.key.clone()));
        known.push((format!("<NONCE:{}>", running.name), running.secrets.nonce.clone()));
        known.push((format!("<ADDR:{}>", running.name), running.addr.to_string()));
        known.extend(running.tls.map(|addr| (format!("<TLS_ADDR:{}>", running.name), addr.to_string())));
    }
    known
}

/// The wall clock ran out: the agent's limit, unless it was the back end that used up the time. It did if the request
/// under way has failed before, or if more than half of the time went by without a byte of its reply.
fn out_of_time(task: &Task, troubles: &Troubles) -> Ending {
    let mute = || {
        let silent =
            troubles.silent().filter(|silent| task.limits.wall.is_some_and(|wall| *silent > wall / 2))?;
        Some(format!("no byte of its reply came for {:.1} s", silent.as_secs_f64()))
    };
    match troubles.pending().or_else(mute) {
        Some(reason) => {
            let message = format!("the wall clock ran out while the back end failed: {reason}");
            Ending::Error(RunError::new(ErrorClass::Backend, message))
        }
        None => Ending::Wall,
    }
}

async fn wall(task: &Task) {
    match task.limits.wall {
        Some(limit) => tokio::time::sleep(limit).await,
        None => pending().await,
    }
}
