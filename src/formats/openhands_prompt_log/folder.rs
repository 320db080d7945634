//! A folder of `prompt_NNN.log` and `response_NNN.log`: one pair a model call.
//!
//! Each prompt repeats the conversation so far. A prompt that begins with all of an earlier one
//! goes on with that conversation; the last prompt of a conversation and its response make one
//! trajectory, and every reply whose response file is there keeps the model's own text.

use super::roles::{Block, Role, blocks};
use super::{NAME, agent_step, decode, is_crlf, note, trajectory};
use crate::formats::record::too_long;
use crate::formats::{Group, ReadOutput, Source};
use crate::model::{Place, Source as Speaker, Trajectory};
use std::collections::BTreeMap;

/// One model call of the folder.
struct Pair<'a> {
    prompt: &'a str,
    blocks: Vec<Block<'a>>,
    response: Option<(&'a str, &'a [u8])>,
}

/// `prompt` or `response`, and the number, of a log's file name.
fn log_name(path: &str) -> Option<(&str, u64)> {
    let name = path.rsplit('/').next()?.strip_suffix(".log")?;
    let (kind, number) = name.split_once('_')?;
    (matches!(kind, "prompt" | "response") && number.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| Some((kind, number.parse().ok()?)))?
}

/// Logs of one folder belong together.
pub(super) fn claim(paths: &[&str]) -> Vec<Group> {
    let mut folders: BTreeMap<&str, Group> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate().filter(|(_, path)| log_name(path).is_some()) {
        let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
        folders.entry(folder).or_default().files.push(index);
    }
    folders.into_values().collect()
}

/// Reads the logs of one folder.
pub(super) fn read(sources: &[Source<'_>]) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    let mut pairs: BTreeMap<u64, Pair<'_>> = BTreeMap::new();
    let mut responses: BTreeMap<u64, (&str, &[u8])> = BTreeMap::new();
    for source in sources {
        let (path, bytes) = (source.path, source.bytes);
        match log_name(path) {
            Some(("prompt", number)) => {
                if let Some(at) = source.too_long() {
                    output.errors.push(too_long(source.error(at, "")));
                    continue;
                }
                let found = blocks(bytes);
                note(source, &found, &mut output);
                pairs.insert(number, Pair { prompt: path, blocks: found, response: None });
            }
            Some((_, number)) => {
                responses.insert(number, (path, bytes));
            }
            None => {}
        }
    }
    for (number, (path, bytes)) in responses {
        match pairs.get_mut(&number) {
            Some(pair) => pair.response = Some((path, bytes)),
            None => {
                let source = Source::new(path, bytes);
                output
                    .errors
                    .push(source.error(0, format!("no prompt log has the number {number} of this response")));
            }
        }
    }
    for chain in chains(pairs.into_values().collect()) {
        let trajectory = join(&chain, &mut output);
        output.trajectories.push(trajectory);
    }
    output
}

/// Groups calls into conversations, oldest first.
fn chains(pairs: Vec<Pair<'_>>) -> Vec<Vec<Pair<'_>>> {
    let mut chains: Vec<Vec<Pair<'_>>> = Vec::new();
    for pair in pairs {
        let goes_on =
            |chain: &Vec<Pair<'_>>| chain.last().is_some_and(|last| begins(&pair.blocks, &last.blocks));
        match chains.iter().rposition(goes_on) {
            Some(index) => chains[index].push(pair),
            None => chains.push(vec![pair]),
        }
    }
    chains
}

/// Whether a prompt begins with all of an earlier one. Some versions put a reminder behind the last
/// message of a prompt, which the next one no longer holds.
fn begins(later: &[Block<'_>], earlier: &[Block<'_>]) -> bool {
    let Some((last, head)) = earlier.split_last() else { return false };
    earlier.len() < later.len()
        && head.iter().zip(later).all(|(a, b)| a.text == b.text)
        && last
            .text
            .strip_prefix(&*later[head.len()].text)
            .is_some_and(|rest| rest.is_empty() || rest.trim_start().starts_with("ENVIRONMENT REMINDER:"))
}

fn join(chain: &[Pair<'_>], output: &mut ReadOutput) -> Trajectory {
    let Some(last) = chain.last() else { return Trajectory::default() };
    let mut trajectory = trajectory(&last.blocks);
    last.prompt.clone_into(&mut trajectory.origin.path);
    let mut next_id = trajectory.steps.iter().map(|step| step.calls.len() as u32).sum::<u32>() + 1;
    for (n, pair) in chain.iter().enumerate() {
        let Some((path, bytes)) = pair.response else { continue };
        let source = Source::new(path, bytes);
        if let Some(at) = source.too_long() {
            output.errors.push(too_long(source.error(at, "")));
            continue;
        }
        trajectory.origin.files.push(path.to_owned());
        let crlf = is_crlf(bytes);
        let raw = source.text();
        let body = raw.strip_suffix(b"\r\n").or_else(|| raw.strip_suffix(b"\n")).unwrap_or(raw);
        let (text, damage) = decode(body, source.start, crlf);
        if let Some((at, what)) = damage {
            output.errors.push(source.error(at, what));
        }
        let file = trajectory.origin.files.len() as u32;
        let place = Place { offset: source.start as u64, crlf, file, ..Place::default() };
        if n + 1 == chain.len() {
            let id = trajectory.steps.len() as u64 + 1;
            trajectory.steps.push(agent_step(id, &text, place, &mut next_id));
            continue;
        }
        // The reply to this prompt is the assistant block behind it in the last one.
        let index = pair.blocks.len();
        let agents = last.blocks[..index].iter().filter(|block| block.role == Role::Assistant).count();
        let mut replies = trajectory.steps.iter_mut().filter(|step| step.source == Speaker::Agent);
        let (Some(block), Some(step)) = (last.blocks.get(index), replies.nth(agents)) else { continue };
        // The runtime closes tags that the stop word cut, and may set thought and call apart anew.
        let mut held = block.text.chars().filter(|c| !c.is_whitespace());
        if !text.chars().filter(|c| !c.is_whitespace()).all(|c| held.next() == Some(c)) {
            let what = "the next prompt holds another text for this response; the response is judged";
            output.warnings.push(source.error(0, what));
        }
        if let Some(reply) = &mut step.reply {
            reply.text = text.into_owned();
            reply.place = Some(place);
        }
    }
    trajectory
}
