//! `tau2`: results of tau2-bench, in one file, in the directory form (`results.json` beside `simulations/ID.json`),
//! or one simulation alone.
//!
//! The simulated user has tools as well: its calls stand on user steps. Voice runs have `ticks` in the place of
//! `messages`; a run of ticks in which one side speaks or calls is a step. Source: tau2,
//! `data_model/{message,simulation}.py`.

mod ticks;

use super::chat::expected;
use super::record;
use super::source::Refusal;
use super::turns::attach;
use super::{Folder, Format, Group, ReadOutput, Reader, Sniff, Source};
use crate::model::{
    AgentInfo, Arguments, Message, Object, ObservationResult, Place, Reply, Source as Speaker, Step,
    ToolCall, Trajectory, Usage,
};
use crate::util::json::View;
use std::collections::BTreeMap;

const NAME: &str = "tau2";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "results of tau2-bench: one file, a folder with simulations/, or one simulation; messages or ticks",
    sniff,
    marks: &[
        &["simulations", "simulations[].task_id", "tasks", "info", "timestamp"],
        &["messages|ticks", "task_id", "termination_reason", "reward_info", "trial", "seed"],
    ],
    read: Reader::Whole(read),
    folder: Some(Folder { claim, confirm, read: read_folder }),
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    if is_results(record) || is_simulation(record) {
        Sniff::new(95, "")
    } else {
        Sniff::new(0, "has neither \"simulations\" and \"tasks\" nor the members of one simulation")
    }
}

fn is_results(record: View<'_>) -> bool {
    record.get("simulations").is_some_and(View::is_array) && record.get("tasks").is_some()
}

fn is_simulation(record: View<'_>) -> bool {
    ["messages", "ticks"].iter().any(|key| record.get(key).is_some_and(View::is_array))
        && record.get("task_id").is_some()
        && record.get("termination_reason").is_some()
}

fn read(source: &Source<'_>) -> ReadOutput {
    if source.first().is_some_and(is_results) {
        return record::inside(source, NAME, "simulations", |whole, simulation, warnings| {
            convert(Some(whole), simulation, warnings)
        });
    }
    record::read(source, NAME, |simulation: View<'_>, warnings: &mut Vec<Refusal>| {
        convert(None, simulation, warnings)
    })
}

/// `results.json` and the simulations beside it.
fn claim(paths: &[&str]) -> Vec<Group> {
    let folder = |path: &str| path.rfind('/').map_or(0, |at| at + 1);
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate() {
        let (root, name) = path.split_at(folder(path));
        if name == "results.json" {
            groups.entry(root).or_default().files.insert(0, index);
        } else if let Some(root) =
            root.strip_suffix("simulations/").filter(|_| name.strip_suffix(".json").is_some())
        {
            groups.entry(root).or_default().files.push(index);
        }
    }
    groups.retain(|root, group| {
        group.files.len() > 1 && paths[group.files[0]].strip_prefix(root) == Some("results.json")
    });
    groups.into_values().collect()
}

fn confirm(sources: &[Source<'_>]) -> bool {
    let results = sources.first().and_then(Source::first);
    results.is_some_and(|record| record.get("info").is_some() && record.get("tasks").is_some())
        && sources[1..].iter().all(|source| source.first().is_none_or(is_simulation))
}

fn read_folder(sources: &[Source<'_>]) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    let Some((results, simulations)) = sources.split_first() else { return output };
    let whole = results.first();
    if whole.is_some_and(is_results) {
        output.append(read(results));
    }
    for source in simulations {
        output.append(record::read(source, NAME, |simulation: View<'_>, warnings: &mut Vec<Refusal>| {
            convert(whole, simulation, warnings)
        }));
    }
    output
}

fn convert(
    results: Option<View<'_>>,
    simulation: View<'_>,
    warnings: &mut Vec<Refusal>,
) -> Result<Trajectory, Refusal> {
    if !simulation.is_object() {
        return Err(expected(simulation, "a simulation", "an object"));
    }
    let mut reading = Reading { steps: Vec::new(), warnings };
    let mut kept = vec!["id", "messages"];
    match (simulation.some("messages"), simulation.some("ticks")) {
        (Some(list), _) if list.is_array() => {
            for message in list.items() {
                reading.message(message)?;
            }
        }
        (_, Some(list)) if list.is_array() => {
            // What a tick says beside speech and calls has no other place.
            kept.pop();
            ticks::read(list, &mut reading)?;
        }
        (Some(other), _) => return Err(expected(other, "\"messages\"", "a list")),
        _ => return Err((simulation.offset(), "has neither \"messages\" nor \"ticks\"".to_owned())),
    }
    let mut trajectory = Trajectory { steps: reading.steps, ..Trajectory::default() };
    trajectory.id = simulation.text_at("id");
    if trajectory.id.is_none() {
        kept.retain(|key| *key != "id");
    }
    let rest = simulation.members().filter(|(key, _)| !kept.contains(&&**key));
    trajectory.extra = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    trajectory.agent = AgentInfo { name: "tau2".to_owned(), ..AgentInfo::default() };
    if let Some(results) = results {
        let info = results.some("info").and_then(|info| info.some("agent_info"));
        trajectory.agent.model = info.and_then(|agent| agent.text_at("llm"));
        shared(results, simulation, &mut trajectory.extra);
    }
    Ok(trajectory)
}

/// What the results say of all simulations, and the one task of this simulation.
fn shared(results: View<'_>, simulation: View<'_>, extra: &mut Object) {
    let tasks = results.get("tasks").filter(|tasks| tasks.items().all(View::is_object));
    let id = simulation.get("task_id").map(View::value);
    let own = tasks.and_then(|tasks| tasks.items().find(|task| task.get("id").map(View::value) == id));
    if let Some(task) = own {
        extra.insert("task".to_owned(), task.value());
    }
    // A list in which this task can't be found is kept whole.
    let taken = |key: &str| key == "simulations" || key == "tasks" && own.is_some();
    let rest = results.members().filter(|(key, _)| !taken(key));
    let run: Object = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    extra.insert("run".to_owned(), run.into());
}

/// Steps under construction.
struct Reading<'w> {
    steps: Vec<Step>,
    warnings: &'w mut Vec<Refusal>,
}

impl Reading<'_> {
    fn message(&mut self, message: View<'_>) -> Result<(), Refusal> {
        if !message.is_object() {
            return Err(expected(message, "a message", "an object"));
        }
        match message.text_at("role").as_deref() {
            Some("system") => self.said(message, Speaker::System),
            Some("user") => self.said(message, Speaker::User),
            Some("assistant") => self.said(message, Speaker::Agent),
            Some("tool") => {
                if let Some(several) = message.some("tool_messages").filter(|list| list.is_array()) {
                    several.items().try_for_each(|result| self.result(result))?;
                    let rest =
                        message.members().filter(|(key, _)| !["role", "tool_messages"].contains(&&**key));
                    let rest: Object = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
                    if let Some(step) = self.steps.last_mut().filter(|_| !rest.is_empty()) {
                        step.extra.insert("multi_tool_message".to_owned(), rest.into());
                    }
                    return Ok(());
                }
                self.result(message)
            }
            other => {
                let role = other.unwrap_or("none");
                self.warnings.push((
                    message.offset(),
                    format!("the role of a message is '{role}': it is kept as a user's"),
                ));
                self.said(message, Speaker::User)
            }
        }
    }

    /// A message with text, calls, or both.
    fn said(&mut self, message: View<'_>, source: Speaker) -> Result<(), Refusal> {
        let content = message.some("content");
        let text = match content {
            Some(content) => {
                content.text().ok_or_else(|| expected(content, "\"content\"", "a string"))?.into_owned()
            }
            None => String::new(),
        };
        let mut step = Step::new(self.steps.len() as u64 + 1, source, text.clone());
        step.place = content.map(View::place);
        step.calls = calls(message)?;
        step.timestamp = message.text_at("timestamp");
        let taken = |key: &str, value: View<'_>| match key {
            "role" | "content" | "tool_calls" => true,
            "timestamp" => value.text().is_some(),
            "usage" => value.is_object(),
            "cost" => value.float().is_some(),
            _ => value.is_null(),
        };
        let rest = message.members().filter(|(key, value)| !value.is_null() && !taken(key, *value));
        step.extra = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
        usage(message, &mut step);
        if source == Speaker::Agent {
            step.reply = Some(reply(message, text, step.place));
        }
        self.steps.push(step);
        Ok(())
    }

    /// A result goes to the latest step that made its call.
    fn result(&mut self, message: View<'_>) -> Result<(), Refusal> {
        if !message.is_object() {
            return Err(expected(message, "a tool message", "an object"));
        }
        let content = message.some("content");
        let taken = |key: &str, value: View<'_>| match key {
            "role" => value.text().as_deref() == Some("tool"),
            "id" => value.text().is_some(),
            "content" => true,
            _ => value.is_null(),
        };
        let rest = message.members().filter(|(key, value)| !taken(key, *value));
        let result = ObservationResult {
            call_id: message.text_at("id"),
            content: content.map(|content| {
                Message::Text(
                    content.text().map_or_else(|| content.value().to_string(), std::borrow::Cow::into_owned),
                )
            }),
            place: content.filter(|content| content.text().is_some()).map(View::place),
            extra: rest.map(|(key, value)| (key.into_owned(), value.value())).collect(),
            ..ObservationResult::default()
        };
        attach(&mut self.steps, result);
        Ok(())
    }
}

fn calls(message: View<'_>) -> Result<Vec<ToolCall>, Refusal> {
    let Some(list) = message.some("tool_calls") else { return Ok(Vec::new()) };
    if !list.is_array() {
        return Err(expected(list, "\"tool_calls\"", "a list"));
    }
    list.items().map(call).collect()
}

fn call(item: View<'_>) -> Result<ToolCall, Refusal> {
    let Some(name) = item.text_at("name") else {
        return Err((item.offset(), "a tool call has no \"name\"".to_owned()));
    };
    let arguments = match item.some("arguments") {
        Some(value) if value.is_object() => Arguments::object(value.object()),
        Some(value) => {
            Arguments { raw: Some(String::from_utf8_lossy(value.raw()).into_owned()), parsed: None }
        }
        None => Arguments { raw: None, parsed: None },
    };
    let taken = |key: &str, value: View<'_>| match key {
        "id" => value.text().is_some(),
        _ => ["name", "arguments"].contains(&key),
    };
    let rest = item.members().filter(|(key, value)| !taken(key, *value));
    let extra: Object = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    Ok(ToolCall {
        id: item.text_at("id").unwrap_or_default(),
        name,
        arguments,
        extra,
        place: Some(item.value_place()),
    })
}

fn usage(message: View<'_>, step: &mut Step) {
    let tokens = message.some("usage");
    let count = |key: &str| tokens.and_then(|tokens| tokens.some(key)).and_then(View::uint);
    let usage = Usage {
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
        cached_tokens: None,
        cost_usd: message.some("cost").and_then(View::float),
    };
    if usage != Usage::default() {
        step.usage = Some(usage);
    }
    let rest = tokens.into_iter().flat_map(View::members);
    let taken = |key: &str, value: View<'_>| {
        ["prompt_tokens", "completion_tokens"].contains(&key) && value.uint().is_some()
    };
    let rest = rest.filter(|(key, value)| !taken(key, *value));
    let rest: Object = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    if !rest.is_empty() {
        step.metrics_extra.insert("extra".to_owned(), rest.into());
    }
}

fn reply(message: View<'_>, text: String, place: Option<Place>) -> Reply {
    // The provider's own answer tells why it stopped.
    let raw = message.some("raw_data");
    let choice = raw.and_then(|raw| raw.some("choices")?.items().next()).or(raw);
    let finish_reason = choice.and_then(|choice| choice.text_at("finish_reason"));
    Reply { text, finish_reason, dialect: Some("native".to_owned()), native: true, place }
}
