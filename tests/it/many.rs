//! A run of many attempts of a realistic size: two subjects, twenty steps each, texts that differ everywhere.
//!
//! Also used by a bench, so it knows only [`crate::runs`].
#![allow(dead_code, reason = "the bench and the tests use different parts")]

use crate::runs;
use rolltape::model::{
    Arguments, AttemptId, Event, Finished, Message, Observation, ObservationResult, Outcome, Reply,
    RunSummary, Source, Step, Subject, ToolCall, Usage,
};
use rolltape::store::{self, RunView};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Steps of an attempt: instructions, the task, and turns.
pub(crate) const STEPS: u64 = 20;

const WORDS: [&str; 64] = [
    "the", "file", "of", "request", "with", "status", "key", "server", "returns", "and", "a", "model",
    "list", "error", "reads", "test", "path", "curl", "json", "body", "header", "when", "token", "runs",
    "python", "it", "script", "output", "again", "wrong", "value", "retry", "in", "loop", "shell", "checks",
    "answer", "import", "print", "def", "return", "if", "else", "for", "line", "not", "found", "exit",
    "code", "echo", "grep", "sed", "balance", "stream", "chunk", "done", "timeout", "base", "url", "set",
    "export", "cat", "ls", "main",
];

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// Prose of about `bytes`, with numbers in it and lines of different length.
    fn prose(&mut self, bytes: usize) -> String {
        let mut out = String::new();
        while out.len() < bytes {
            match self.roll(24) {
                0 => out.push_str(&format!("{:x}", self.roll(1 << 31))),
                1..=3 => out.push('\n'),
                // Long words and short ones, the frequent more often than the rare.
                at => out.push_str(WORDS[self.roll(if at < 14 { 20 } else { 64 }) as usize]),
            }
            out.push(' ');
        }
        out
    }
}

fn subject(at: u64) -> Subject {
    let id = ["codeact@api:small", "codeact@api:large"][at as usize];
    Subject { id: id.to_owned(), ..runs::subject() }
}

/// The attempt of plan position `seq` with texts of `scale` percent of a realistic size.
fn finished(seq: u64, scale: usize) -> Finished {
    // Every tenth has findings, and all outcomes occur.
    let mut finished = runs::finished(if seq % 10 == 3 { 1 } else { seq % 10 });
    let subject = subject(seq % 2);
    let record = &mut finished.record;
    record.seq = seq;
    record.id = AttemptId {
        suite: "many".to_owned(),
        task: format!("task-{:03}", seq / 2),
        subject: subject.id.clone(),
        n: 1,
    };
    record.subject = subject;
    if matches!(record.outcome, Outcome::Skipped(_)) {
        return finished;
    }
    record.turns = STEPS - 2;
    record.calls = STEPS - 2;
    let mut dice = Dice(seq / 2 + 1);
    let frame = Dice(0).prose(50 * scale);
    let first = std::mem::take(&mut finished.trajectory.steps);
    let mut steps =
        vec![Step::new(1, Source::System, frame), Step::new(2, Source::User, dice.prose(8 * scale))];
    dice.0 += seq % 2;
    for id in 3..=STEPS {
        let mut step = first[1].clone();
        step.id = id;
        let command = dice.prose(4 * scale);
        let before = dice.prose(4 * scale);
        // The first turn keeps the text that the findings point at.
        if id > 3 {
            let text = format!(
                "{before}\n<function=execute_bash>\n<parameter=command>{command}</parameter>\n</function>"
            );
            step.message = Message::Text(before);
            step.reply = Some(Reply { text, ..step.reply.clone().unwrap_or_default() });
        }
        let mut object = runs::object(json!({}));
        object.insert("command".to_owned(), command.into());
        step.calls = vec![ToolCall { arguments: Arguments::object(object), ..step.calls[0].clone() }];
        let content = Some(Message::Text(dice.prose(12 * scale)));
        step.observation = Some(Observation {
            results: vec![ObservationResult { content, ..ObservationResult::default() }],
        });
        step.usage = Some(Usage {
            prompt_tokens: Some(900 + id * 180),
            cached_tokens: Some(800 + (id - 3) * 180),
            completion_tokens: Some(40 + dice.roll(200)),
            cost_usd: Some(0.000_2),
        });
        steps.push(step);
    }
    for finding in &mut finished.record.findings {
        finding.step = Some(3);
    }
    finished.trajectory.steps = steps;
    finished
}

/// Writes such a run of `planned` attempts, with texts of `scale` percent of a realistic size.
pub(crate) fn write(dir: &Path, planned: u64, scale: usize) -> RunView {
    record(dir, planned, scale);
    store::open(dir).expect("the run opens")
}

/// [`write`]; gives who has written it.
pub(crate) fn record(dir: &Path, planned: u64, scale: usize) -> store::Recorder {
    let mut recorder = tell(dir, planned, scale);
    recorder.finish().expect("the run is on disk");
    recorder
}

/// The same, not waited for.
pub(crate) fn tell(dir: &Path, planned: u64, scale: usize) -> store::Recorder {
    let recorder = store::Recorder::create(dir).expect("a recorder");
    let mut sink = recorder.sink();
    let mut manifest = runs::manifest(planned);
    manifest.subjects = vec![subject(0), subject(1)];
    sink.on(&Event::RunStarted(Box::new(manifest))).expect("the recorder takes the event");
    for seq in 0..planned {
        let event = Event::AttemptFinished(Arc::new(finished(seq, scale)));
        sink.on(&event).expect("the recorder takes the event");
    }
    sink.on(&Event::RunFinished(RunSummary::default())).expect("the recorder takes the event");
    recorder
}
