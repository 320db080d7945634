//! Steps to blocks: calls as text, one a block, each followed by what it returned.
//!
//! The log holds no roles, and its reader tells them by order. So what stands out of order is taken for somebody
//! else's when it is read again; the loss report finds it.

use super::roles;
use crate::dialects::{self, Call, Dialect, openhands_prompt};
use crate::formats::Changes;
use crate::model::{Message, Object, ObservationResult, Source as Speaker, Step, ToolCall, Trajectory};

const DIVIDER: &str = "\n\n----------\n\n";

/// Dialects whose text is kept as the model wrote it.
const OWN: [&str; 2] = ["openhands", "codeact-legacy"];

/// Writes one log.
pub(super) fn write(trajectory: &Trajectory, changes: &mut Changes) -> Vec<u8> {
    let mut log = Log { blocks: Vec::new(), changes };
    let mut steps = trajectory.steps.as_slice();
    log.head(trajectory, &mut steps);
    for step in steps {
        log.step(step);
    }
    if !trajectory.subagents.is_empty() {
        log.changes.note("subagents left out", None);
    }
    let blocks = log.blocks;
    let mut text = blocks.join(DIVIDER);
    // The reader takes one newline off the start, and two at most off the end.
    if text.starts_with('\n') && blocks.first().is_some_and(|first| !first.is_empty()) {
        text.insert(0, '\n');
    }
    text.push_str(if text.ends_with('\n') { "\n\n" } else { "\n" });
    text.into_bytes()
}

struct Log<'a> {
    blocks: Vec<String>,
    changes: &'a mut Changes,
}

impl Log<'_> {
    /// The system's block and the user's, which every log begins with. Two empty blocks say that there was no
    /// system prompt.
    fn head(&mut self, trajectory: &Trajectory, steps: &mut &[Step]) {
        let mut system = String::new();
        let mut empty = false;
        while let Some((first, rest)) = steps.split_first()
            && first.source == Speaker::System
            && system.trim().is_empty()
        {
            // Some versions logged an empty message before the system prompt.
            empty |= system.is_empty() && first.message.text().trim().is_empty();
            system = self.text(&first.message, first.id);
            *steps = rest;
        }
        if openhands_prompt::read_tools(&system).is_none()
            && let Some(tools) = trajectory.agent.tools.as_ref().filter(|tools| !tools.is_empty())
            && let Some(dialect) = dialects::find("openhands")
        {
            self.changes.note("tools described in the system prompt", None);
            let described = (dialect.describe)(tools);
            system = if system.is_empty() { described } else { format!("{system}\n\n{described}") };
        }
        if empty || system.trim().is_empty() {
            self.blocks.push(String::new());
        }
        self.push(system, None);
        if steps.first().is_some_and(|step| step.source != Speaker::User) {
            self.blocks.push(String::new());
        }
    }

    fn push(&mut self, text: String, step: Option<u64>) {
        if roles::dividers(text.as_bytes()).next().is_some() {
            self.changes.note("a line of ten dashes divides a text", step);
        }
        self.blocks.push(text);
    }

    fn text(&mut self, message: &Message, step: u64) -> String {
        if let Message::Parts(parts) = message {
            self.changes.note("parts joined", Some(step));
            if parts.iter().any(|part| part.text.is_none()) {
                self.changes.note("parts left out", Some(step));
            }
        }
        message.text().into_owned()
    }

    fn step(&mut self, step: &Step) {
        if step.source != Speaker::Agent {
            if step.source == Speaker::System {
                self.changes.note("system message taken for another's", Some(step.id));
            }
            let text = self.text(&step.message, step.id);
            // A step that only holds results said nothing.
            if step.observation.is_none() || !text.is_empty() {
                self.push(text, Some(step.id));
            }
            return self.results(step);
        }
        let reply = step.reply.as_ref().filter(|reply| !reply.native);
        let known = reply.and_then(|reply| reply.dialect.as_deref());
        if let Some(reply) = reply.filter(|_| known.is_none_or(|name| OWN.contains(&name))) {
            self.push(reply.text.clone(), Some(step.id));
            return self.results(step);
        }
        if step.calls.is_empty() {
            let text = self.text(&step.message, step.id);
            self.push(text, Some(step.id));
            return self.results(step);
        }
        if step.calls.len() > 1 {
            self.changes.note("calls split", Some(step.id));
        }
        for (n, call) in step.calls.iter().enumerate() {
            let content = if n == 0 { self.text(&step.message, step.id) } else { String::new() };
            let text = self.call(&content, call, step.id);
            self.push(text, Some(step.id));
            for result in results(step).filter(|result| result.call_id.as_ref() == Some(&call.id)) {
                self.result(result, step);
            }
        }
        let others = |result: &&ObservationResult| {
            !step.calls.iter().any(|call| Some(&call.id) == result.call_id.as_ref())
        };
        for result in results(step).filter(others) {
            self.result(result, step);
        }
    }

    /// A message with its call; one that the dialect can't hold is left out.
    fn call(&mut self, content: &str, call: &ToolCall, step: u64) -> String {
        let wrapped = call.arguments.raw.as_ref().map(|raw| ("arguments".to_owned(), raw.clone().into()));
        let arguments = call.arguments.parsed.clone().unwrap_or_else(|| {
            self.changes.note("arguments that are no object wrapped", Some(step));
            Object::from_iter(wrapped)
        });
        let call = Call { id: &call.id, name: &call.name, arguments: &arguments };
        let written = dialects::find("openhands").map(|dialect| (dialect.render)(content, &[call]));
        match written {
            Some(Ok(text)) => text,
            _ => {
                self.changes.note("calls that the dialect can't hold left out", Some(step));
                content.to_owned()
            }
        }
    }

    fn results(&mut self, step: &Step) {
        for result in results(step) {
            self.result(result, step);
        }
    }

    fn result(&mut self, result: &ObservationResult, step: &Step) {
        let call = step.calls.iter().find(|call| Some(&call.id) == result.call_id.as_ref());
        let name = result.name.as_deref().or(call.map(|call| call.name.as_str()));
        let said = result.content.as_ref().map(|content| self.text(content, step.id)).unwrap_or_default();
        let own =
            step.reply.as_ref().filter(|reply| !reply.native).and_then(|reply| reply.dialect.as_deref());
        let own = own.filter(|name| OWN.contains(name)).and_then(dialects::find);
        let dialect: Option<&Dialect> = own.or_else(|| dialects::find("openhands"));
        // Old logs name no tool.
        let text = match (name, dialect) {
            (Some(name), Some(dialect)) => (dialect.observe)(name, &said),
            _ => format!("OBSERVATION:\n{said}"),
        };
        self.push(text, Some(step.id));
    }
}

fn results(step: &Step) -> impl Iterator<Item = &ObservationResult> {
    step.observation.iter().flat_map(|seen| &seen.results)
}
