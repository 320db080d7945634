//! From a trajectory to the canonical row. Pure: nothing is repaired, what can't be carried over is
//! rejected with its reason.

mod agent;
mod frame;
mod think;

use super::dialogue::{Dialogue, Notes, Role, Turn};
use super::reason::{Reason, Reject};
use crate::model::{Message, ObservationResult, Source, Step, Trajectory};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// How calls are to stand in the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// As in the source.
    Auto,
    /// As objects.
    Native,
    /// In the text.
    Text,
}

/// What becomes of reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Think {
    /// It stays in the content; what came in a field goes in front as `<think>…</think>`.
    Keep,
    /// It is left out.
    Strip,
    /// It goes into `reasoning_content`.
    Field,
}

/// How dialogues are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Form of the calls.
    pub calls: Calls,
    /// What becomes of reasoning.
    pub think: Think,
    /// Whether tool lists in prompts and worked examples are left out.
    pub drop_frame: bool,
    /// Whether a message with several calls becomes several turns.
    pub split_calls: bool,
    /// Whether messages that break the call format are left out of training.
    pub mask_errors: bool,
}

/// Makes the dialogue of a trajectory. `broken`: steps whose message breaks the call format.
///
/// # Errors
/// Something can't be carried over.
pub fn dialogue(
    trajectory: &Trajectory,
    ask: &Ask,
    broken: &BTreeSet<u64>,
) -> Result<(Dialogue, Notes), Reject> {
    let source_native = came_native(trajectory);
    let native = match ask.calls {
        Calls::Auto => source_native,
        Calls::Native => true,
        Calls::Text => false,
    };
    let mut work =
        Work { ask, trajectory, native, source_native, notes: Notes::default(), turns: Vec::new() };
    for step in &trajectory.steps {
        work.step(step, broken.contains(&step.id))?;
    }
    work.end()
}

/// Whether the source has its calls as objects, or would have them so if there were any.
fn came_native(trajectory: &Trajectory) -> bool {
    let steps = &trajectory.steps;
    if steps.iter().any(is_native) {
        return true;
    }
    let in_text = |step: &Step| step.reply.as_ref().is_some_and(|reply| reply.dialect.is_some());
    let told = |step: &Step| step.source == Source::System && frame::lists_tools(&step.message.text());
    let tools = trajectory.agent.tools.as_ref().is_some_and(|tools| !tools.is_empty());
    tools && !steps.iter().any(|step| in_text(step) || told(step))
}

/// Whether the calls of a step came as objects.
fn is_native(step: &Step) -> bool {
    step.source == Source::Agent
        && match &step.reply {
            Some(reply) => reply.native,
            None => !step.calls.is_empty(),
        }
}

struct Work<'a> {
    ask: &'a Ask,
    trajectory: &'a Trajectory,
    /// Form of the rows.
    native: bool,
    /// Form of the source.
    source_native: bool,
    notes: Notes,
    turns: Vec<Turn>,
}

impl Work<'_> {
    fn step(&mut self, step: &Step, broken: bool) -> Result<(), Reject> {
        match step.source {
            Source::System | Source::User => {
                let role = if step.source == Source::System { Role::System } else { Role::User };
                let content = text(&step.message, step.id)?;
                // In the native form the list of tools stands beside the messages.
                let drop = self.ask.drop_frame || (self.native && !self.source_native);
                let content = if drop { frame::without(step, content) } else { Some(content) };
                let results = step.observation.as_ref().map_or(&[][..], |o| &o.results);
                match content {
                    None => self.notes.frames += 1,
                    Some(Cow::Owned(cut)) => {
                        self.notes.frames += u64::from(drop);
                        self.turns.push(Turn::new(role, cut, step.id));
                    }
                    // A step made by the reader to hold results that nobody asked for.
                    Some(text) if text.is_empty() && !results.is_empty() => {}
                    Some(text) => self.turns.push(Turn::new(role, text, step.id)),
                }
                self.results(step, results)
            }
            Source::Agent if step.frame && step.copied != Some(true) && self.ask.drop_frame => {
                self.notes.frames += 1;
                Ok(())
            }
            Source::Agent => {
                let mut turn = self.agent(step)?;
                turn.broken = broken;
                let shown = step.frame || step.copied == Some(true) || step.llm_calls == Some(0);
                let masked = self.ask.mask_errors && broken;
                turn.train = !shown && !masked;
                self.notes.masked += u64::from(!turn.train);
                let results = step.observation.as_ref().map_or(&[][..], |o| &o.results);
                if self.ask.split_calls && turn.calls.len() > 1 {
                    return self.split(step, &turn, results);
                }
                if !self.native && step.calls.len() > 1 && is_native(step) {
                    return Err(parallel(step));
                }
                self.turns.push(turn);
                self.results(step, results)
            }
        }
    }

    /// One turn a call, each with its result behind it; the text goes with the first.
    fn split(&mut self, step: &Step, turn: &Turn, results: &[ObservationResult]) -> Result<(), Reject> {
        self.notes.split += 1;
        let owner = |result: &ObservationResult| {
            turn.calls.iter().position(|call| Some(&call.id) == result.call_id.as_ref())
        };
        if results.iter().any(|result| owner(result).is_none()) {
            return Err(orphan(step));
        }
        for (n, call) in turn.calls.iter().enumerate() {
            let mut part = Turn { calls: vec![call.clone()], ..turn.clone() };
            if n > 0 {
                part.content.clear();
                part.reasoning = None;
            }
            if !self.native {
                part.content = agent::in_text(&part.content, &part.calls, step.id)?;
                part.calls.clear();
            }
            self.turns.push(part);
            for result in results.iter().filter(|result| owner(result) == Some(n)) {
                self.results(step, std::slice::from_ref(result))?;
            }
        }
        Ok(())
    }

    fn results(&mut self, step: &Step, results: &[ObservationResult]) -> Result<(), Reject> {
        for (n, result) in results.iter().enumerate() {
            let content = match &result.content {
                Some(message) => text(message, step.id)?,
                None => Cow::Borrowed(""),
            };
            let by_id = step.calls.iter().find(|call| Some(&call.id) == result.call_id.as_ref());
            let call = match (&result.call_id, step.calls.as_slice()) {
                // Formats that pair by order.
                (None, calls) if calls.len() == results.len() => calls.get(n),
                _ => by_id,
            };
            let name = result.name.as_ref().or(call.map(|call| &call.name));
            if self.native {
                let Some(call) = call else { return Err(orphan(step)) };
                let mut turn = Turn::new(Role::Tool, content, step.id);
                turn.call_id = Some(call.id.clone());
                turn.name = name.cloned();
                self.turns.push(turn);
            } else {
                let text = match name {
                    Some(name) => agent::observe(name, &content),
                    None => content.into_owned(),
                };
                self.turns.push(Turn::new(Role::User, text, step.id));
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<(Dialogue, Notes), Reject> {
        let last = self.turns.iter().rposition(|turn| turn.role == Role::Assistant);
        let Some(last) = last else {
            return Err(Reject::new(Reason::NoAssistantTurn, "the model says nothing in it"));
        };
        self.notes.trimmed += (self.turns.len() - last - 1) as u64;
        self.turns.truncate(last + 1);
        let tools = self.tools();
        if self.native {
            pairing(&self.turns)?;
        }
        let calls = self.turns.iter().any(|turn| !turn.calls.is_empty());
        if !self.native && self.source_native && self.notes.converted > 0 {
            // The text form has its list of tools in the system prompt.
            match &self.trajectory.agent.tools {
                Some(tools) if !tools.is_empty() => agent::tell_tools(&mut self.turns, tools),
                _ => self.notes.toolless += 1,
            }
        }
        if self.native && calls && tools.is_empty() {
            self.notes.toolless += 1;
        }
        let tools = if self.native { tools } else { Vec::new() };
        Ok((Dialogue { tools, native: self.native, turns: self.turns }, self.notes))
    }

    /// The tools in one shape, whatever the source has.
    fn tools(&self) -> Vec<Value> {
        let tools = self.trajectory.agent.tools.as_deref().unwrap_or_default();
        let one = |tool: &crate::model::ToolDef| {
            let empty = || json!({"type": "object", "properties": {}});
            let parameters = Some(tool.parameters.clone()).filter(Value::is_object).unwrap_or_else(empty);
            json!({"type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": parameters,
            }})
        };
        tools.iter().map(one).collect()
    }
}

/// In the native form every call but the last ones has one result, and every result its call.
fn pairing(turns: &[Turn]) -> Result<(), Reject> {
    let mut open: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    for turn in turns {
        let place = || format!("step {}", turn.step);
        if turn.role == Role::Tool {
            let id = turn.call_id.as_deref().unwrap_or_default();
            match open.iter().position(|known| *known == id) {
                Some(at) => drop(open.remove(at)),
                None => {
                    let text = format!("{}: a result answers no open call", place());
                    return Err(Reject::new(Reason::OrphanResult, text));
                }
            }
            continue;
        }
        if !open.is_empty() {
            let text = format!("{}: a call before it has no result", place());
            return Err(Reject::new(Reason::UnansweredCall, text));
        }
        for call in &turn.calls {
            if call.id.is_empty() || !seen.insert(call.id.as_str()) {
                let what =
                    if call.id.is_empty() { "a call has no id" } else { "a call id stands there twice" };
                return Err(Reject::new(Reason::CallId, format!("{}: {what}", place())));
            }
            open.push(&call.id);
        }
    }
    Ok(())
}

fn parallel(step: &Step) -> Reject {
    let text = format!("step {}: {} calls in one message", step.id, step.calls.len());
    Reject::new(Reason::ParallelCalls, text)
}

fn orphan(step: &Step) -> Reject {
    Reject::new(Reason::OrphanResult, format!("step {}: a result belongs to no call", step.id))
}

/// The text of a message; images and sound have no place in a row.
fn text(message: &Message, step: u64) -> Result<Cow<'_, str>, Reject> {
    if let Message::Parts(parts) = message
        && let Some(part) = parts.iter().find(|part| part.text.is_none())
    {
        let text = format!("step {step}: a message holds a part of the kind '{}'", part.kind);
        return Err(Reject::new(Reason::ContentNotText, text));
    }
    Ok(message.text())
}
