//! The dispatcher: hands attempts to executors, owns the run's state, tells the sinks.

use super::executor;
use super::judge;
use super::keeping::Keep;
use super::plan::{Plan, Planned};
use super::surroundings::{Message, Surroundings};
use super::unwind;
use super::{Sink, SinkError};
use crate::backend::Purse;
use crate::model::{ErrorClass, Event, Finished, Outcome, RunError, RunManifest, RunSummary};
use crate::sandbox::Launcher;
use crate::util::clock::Clock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// How to run a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Attempts at once, from 1.
    pub jobs: usize,
    /// Stop starting after this many attempts that did not pass.
    pub max_fail: Option<u64>,
}

/// How a run can be stopped from outside.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Stops starting and ends what runs.
    pub stop: CancellationToken,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// Counts.
    pub summary: RunSummary,
    /// Whether a call could cost more than what was left for the run.
    pub spent: bool,
    /// The first sink that could not go on.
    pub sink_error: Option<SinkError>,
    /// The back end that let nobody in: nothing more was started after it.
    pub refused: Option<RunError>,
}

struct Dispatcher<'a> {
    sinks: &'a mut [Box<dyn Sink>],
    options: Options,
    control: Control,
    finished: u64,
    failures: u64,
    sink_error: Option<SinkError>,
    refused: Option<RunError>,
    purse: Option<Arc<Purse>>,
}

/// What is to be run, and with what.
pub struct Work {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The attempts of it that are to be done now, in order.
    pub todo: Vec<Planned>,
    /// The manifest that the sinks are told.
    pub manifest: RunManifest,
    /// Where sandboxes come from; `None` if no attempt needs one.
    pub launcher: Option<Arc<Launcher>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What all attempts together may spend; `None` is no limit.
    pub purse: Option<Arc<Purse>>,
    /// Whether states of sandboxes are kept, and where.
    pub keep: Option<Keep>,
}

/// Runs what is to be done, at most `jobs` attempts at once, and tells the sinks.
pub async fn run(work: Work, sinks: &mut [Box<dyn Sink>], options: Options, control: Control) -> Ended {
    let Work { plan, todo, manifest, launcher, clock, purse, keep } = work;
    let mut dispatcher = Dispatcher {
        sinks,
        options,
        control: control.clone(),
        finished: 0,
        failures: 0,
        sink_error: None,
        refused: None,
        purse: purse.clone(),
    };
    dispatcher.emit(&Event::RunStarted(Box::new(manifest)));
    let (messages, mut inbox) = unbounded_channel();
    let surroundings = Arc::new(Surroundings {
        plan: plan.clone(),
        launcher,
        clock,
        purse,
        messages,
        stop: control.stop.clone(),
        keep,
        authority: Mutex::default(),
    });
    let mut queue: VecDeque<Planned> = todo.into();
    let mut running: JoinSet<Arc<Finished>> = JoinSet::new();
    let mut names: Vec<(Id, Planned)> = Vec::new();
    loop {
        while running.len() < options.jobs.max(1) && dispatcher.may_start() {
            let Some(planned) = queue.pop_front() else { break };
            dispatcher.emit(&Event::AttemptStarted(planned.id.clone()));
            // Boxed, as an attempt is large and the runtime moves what it runs several times.
            let handle = running.spawn(Box::pin(executor::attempt(surroundings.clone(), planned.clone())));
            names.push((handle.id(), planned));
        }
        if running.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            Some(message) = inbox.recv() => dispatcher.message(message),
            Some(joined) = running.join_next_with_id() => {
                // Whatever the attempt said before it ended comes before its end.
                dispatcher.drain(&mut inbox);
                let (id, finished) = match joined {
                    Ok((id, finished)) => (id, Ok(finished)),
                    Err(error) => (error.id(), Err(error)),
                };
                let Some(position) = names.iter().position(|(other, _)| *other == id) else { continue };
                let (_, planned) = names.swap_remove(position);
                let finished = finished.unwrap_or_else(|error| {
                    let text = error.try_into_panic().map_or_else(
                        |_| "the attempt was aborted".to_owned(),
                        |payload| unwind::message(payload.as_ref()),
                    );
                    let error = RunError::new(ErrorClass::Internal, text);
                    Arc::new(judge::without_run(&plan, &planned, Outcome::Error(error)))
                });
                dispatcher.finished(finished);
            }
        }
    }
    dispatcher.drain(&mut inbox);
    let mut summary = RunSummary {
        finished: dispatcher.finished,
        not_started: queue.len() as u64,
        interrupted: dispatcher.stopped(),
    };
    for planned in queue {
        // What was not started is told as such; a resume starts it.
        let finished = judge::without_run(&plan, &planned, Outcome::Cancelled);
        dispatcher.emit(&Event::AttemptFinished(Arc::new(finished)));
    }
    summary.interrupted |= dispatcher.stopped();
    dispatcher.emit(&Event::RunFinished(summary.clone()));
    Ended {
        summary,
        spent: dispatcher.spent(),
        sink_error: dispatcher.sink_error,
        refused: dispatcher.refused,
    }
}

impl Dispatcher<'_> {
    fn stopped(&self) -> bool {
        self.control.stop.is_cancelled()
    }

    fn spent(&self) -> bool {
        self.purse.as_ref().is_some_and(|purse| purse.refused().is_some())
    }

    fn may_start(&self) -> bool {
        let enough = self.options.max_fail.is_some_and(|max| self.failures >= max);
        let over = enough || self.spent() || self.refused.is_some();
        !self.stopped() && !over && self.sink_error.is_none()
    }

    fn emit(&mut self, event: &Event) {
        for sink in self.sinks.iter_mut() {
            if let Err(error) = sink.on(event)
                && self.sink_error.is_none()
            {
                // Work that can't be kept is not begun, and what runs is ended.
                self.control.stop.cancel();
                self.sink_error = Some(error);
            }
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Step(attempt, step, summary) => {
                self.emit(&Event::StepAdded { attempt, step, summary });
            }
            Message::Warning(text) => self.emit(&Event::Warning(text)),
            Message::Exchanged(exchanged) => self.emit(&Event::Exchanged(exchanged)),
        }
    }

    fn drain(&mut self, inbox: &mut UnboundedReceiver<Message>) {
        while let Ok(message) = inbox.try_recv() {
            self.message(message);
        }
    }

    fn finished(&mut self, finished: Arc<Finished>) {
        self.finished += 1;
        if !matches!(finished.record.outcome, Outcome::Passed | Outcome::Skipped(_) | Outcome::Cancelled) {
            self.failures += 1;
        }
        if let Outcome::Error(error) = &finished.record.outcome
            && error.class == ErrorClass::BackendAuth
        {
            // A key that is refused once is refused always; the first refusal is told.
            self.refused.get_or_insert_with(|| error.clone());
        }
        self.emit(&Event::AttemptFinished(finished));
    }
}
