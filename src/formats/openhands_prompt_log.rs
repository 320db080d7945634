//! `openhands-prompt-log`: what was sent to the model, messages divided by lines of ten dashes, no
//! roles. A folder of `prompt_NNN.log` and `response_NNN.log` is one input: see [`folder`].

mod folder;
mod roles;
mod write;

use super::record::too_long;
use super::text_calls;
use super::{Folder, Format, ReadOutput, Reader, Sniff, Source, Writer};
use crate::dialects::openhands_prompt;
use crate::model::{
    AgentInfo, Message, Observation, ObservationResult, Origin, Place, Reply, Source as Speaker, Step,
    Trajectory,
};
use std::borrow::Cow;

pub use roles::{Block, Role, blocks};

const NAME: &str = "openhands-prompt-log";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "prompt log of OpenHands: messages divided by lines of ten dashes, or a folder of prompt/response logs",
    sniff,
    marks: &[&[
        "text:\n----------\n",
        "text:<function=",
        "text:</function>",
        "text:EXECUTION RESULT of [",
        "text:---- BEGIN FUNCTION #",
    ]],
    read: Reader::Whole(read),
    folder: Some(Folder { claim: folder::claim, confirm: |_| true, read: folder::read }),
    write: Some(Writer::Document { extension: "log", write: write::write }),
};

/// How much of a file is looked at to tell its format.
const HEAD: usize = 1 << 20;

fn sniff(source: &Source<'_>) -> Sniff {
    let head = &source.text()[..source.text().len().min(HEAD)];
    if roles::dividers(head).next().is_none() {
        return Sniff::new(0, "has no line of exactly ten dashes");
    }
    let marks: [&[u8]; 4] = [b"---- BEGIN FUNCTION #", b"<function=", b"EXECUTION RESULT of [", b"<execute_"];
    if marks.iter().any(|mark| memchr::memmem::find(head, mark).is_some()) {
        return Sniff::new(90, "");
    }
    Sniff::new(20, "has lines of ten dashes, but no tool list, call or observation")
}

fn read(source: &Source<'_>) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    if let Some(at) = source.too_long() {
        output.errors.push(too_long(source.error(at, "")));
        return output;
    }
    let found = blocks(source.bytes);
    note(source, &found, &mut output);
    let mut trajectory = trajectory(&found);
    source.path.clone_into(&mut trajectory.origin.path);
    output.trajectories.push(trajectory);
    output
}

/// Says what is damaged, and where roles could not be told for sure.
fn note(source: &Source<'_>, found: &[Block<'_>], output: &mut ReadOutput) {
    for (n, block) in found.iter().enumerate() {
        if let Some((at, what)) = &block.damage {
            output.errors.push(source.error(*at, format!("block {n}: {what}")));
        }
        if let Some(why) = block.doubt {
            output.warnings.push(source.error(block.start, format!("block {n}: {why}")));
        }
    }
}

/// Makes steps of blocks: an observation goes to the step of its call.
fn trajectory(found: &[Block<'_>]) -> Trajectory {
    let mut trajectory = Trajectory {
        agent: AgentInfo { name: "openhands".to_owned(), ..AgentInfo::default() },
        origin: Origin { format: NAME.to_owned(), line: 1, ..Origin::default() },
        ..Trajectory::default()
    };
    let mut next_id = 1;
    for block in found {
        let id = trajectory.steps.len() as u64 + 1;
        match block.role {
            Role::System | Role::User => {
                let source = if block.role == Role::System { Speaker::System } else { Speaker::User };
                let mut step = Step::new(id, source, block.text.clone());
                step.place = Some(block.place());
                step.frame = if block.role == Role::System {
                    let tools = openhands_prompt::read_tools(&block.text);
                    let known = tools.is_some();
                    trajectory.agent.tools = trajectory.agent.tools.or(tools);
                    known
                } else {
                    openhands_prompt::frame(&block.text).is_some()
                };
                trajectory.steps.push(step);
            }
            Role::Assistant => {
                trajectory.steps.push(agent_step(id, &block.text, block.place(), &mut next_id));
            }
            Role::Observation => attach(&mut trajectory.steps, block),
        }
    }
    trajectory
}

/// One assistant message.
fn agent_step(id: u64, text: &str, place: Place, next_id: &mut u32) -> Step {
    let reading = text_calls::read(text, next_id);
    let mut step = Step::new(id, Speaker::Agent, reading.content);
    step.place = Some(place);
    step.calls = reading.calls;
    step.reply = Some(Reply {
        text: text.to_owned(),
        finish_reason: None,
        dialect: reading.dialect.map(str::to_owned),
        native: false,
        place: Some(place),
    });
    step
}

fn attach(steps: &mut Vec<Step>, block: &Block<'_>) {
    let (name, lead) = heading(&block.text);
    let mut place = block.place();
    // The heading holds no newline before its end, so that one may be CR and LF in the file.
    place.offset += lead as u64 + u64::from(block.crlf && lead > 0);
    let mut result = ObservationResult {
        name: name.map(str::to_owned),
        content: Some(Message::Text(block.text[lead..].to_owned())),
        place: Some(place),
        ..ObservationResult::default()
    };
    let index = match steps.iter().rposition(|step| step.source == Speaker::Agent) {
        Some(index) => index,
        None => {
            steps.push(Step::new(steps.len() as u64 + 1, Speaker::User, ""));
            steps.len() - 1
        }
    };
    let step = &mut steps[index];
    let observation = step.observation.get_or_insert_with(Observation::default);
    // Calls are answered in order.
    result.call_id = step.calls.get(observation.results.len()).map(|call| call.id.clone());
    observation.results.push(result);
}

/// Tool name of an observation's heading, and how long the heading is.
fn heading(text: &str) -> (Option<&str>, usize) {
    if let Some(rest) = text.strip_prefix("EXECUTION RESULT of [")
        && let Some(len) = rest.split('\n').next().and_then(|line| line.strip_suffix("]:")).map(str::len)
        && rest.as_bytes().get(len + 2) == Some(&b'\n')
    {
        return (Some(&rest[..len]), text.len() - rest.len() + len + "]:\n".len());
    }
    (None, text.strip_prefix("OBSERVATION:\n").map_or(0, |rest| text.len() - rest.len()))
}

/// Decodes bytes as text: LF for CRLF where the whole file is written so. Also tells damage.
fn decode(bytes: &[u8], offset: usize, crlf: bool) -> (Cow<'_, str>, Option<(usize, String)>) {
    let damage = match std::str::from_utf8(bytes) {
        Err(error) => Some((offset + error.valid_up_to(), "not valid UTF-8".to_owned())),
        Ok(_) => memchr::memchr(0, bytes).map(|at| (offset + at, "NUL bytes instead of text".to_owned())),
    };
    let text = String::from_utf8_lossy(bytes);
    (if crlf { Cow::Owned(text.replace("\r\n", "\n")) } else { text }, damage)
}

/// Whether every newline is CR and LF.
fn is_crlf(bytes: &[u8]) -> bool {
    let mut ends = memchr::memchr_iter(b'\n', bytes).peekable();
    ends.peek().is_some() && ends.all(|at| at > 0 && bytes[at - 1] == b'\r')
}
