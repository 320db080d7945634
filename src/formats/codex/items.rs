//! Lines of a session, and the items in them, to steps.

use super::super::chat;
use super::super::fields::{self, Fields};
use super::super::turns::{self, Turns};
use crate::model::{Arguments, Object, ObservationResult, Reply, Source, Step, ToolCall, Trajectory, Usage};
use crate::util::json::View;
use serde_json::Value;

/// Kinds of lines.
pub(super) const ENVELOPES: [&str; 5] =
    ["session_meta", "turn_context", "response_item", "event_msg", "compacted"];

/// Key of a call's or a result's extra that names its kind of item, unless it is a function's.
const KIND: &str = "item_type";

/// How messages begin that the program wrote in the user's name.
const INJECTED: [&str; 8] = [
    "<user_instructions>",
    "<environment_context>",
    "<turn_aborted>",
    "<user_shell_command>",
    "<skill>",
    "<subagent_notification>",
    "<permissions instructions>",
    "# AGENTS.md instructions",
];

/// A session under construction.
pub(super) struct Session<'w> {
    turns: Turns,
    trajectory: Trajectory,
    meta: Vec<Value>,
    /// The agent step that further items of the response belong to.
    open: Option<usize>,
    /// The last agent step without usage.
    unpaid: Option<usize>,
    /// Usage that came before its step.
    early: Option<(Usage, Object)>,
    /// The running total of the last count.
    total: Option<Value>,
    model: Option<String>,
    effort: Option<Value>,
    lines: usize,
    remarks: &'w mut Vec<(usize, String)>,
}

impl<'w> Session<'w> {
    pub(super) fn new(remarks: &'w mut Vec<(usize, String)>) -> Self {
        let mut trajectory = Trajectory::default();
        "codex".clone_into(&mut trajectory.agent.name);
        Self {
            turns: Turns::default(),
            trajectory,
            meta: Vec::new(),
            open: None,
            unpaid: None,
            early: None,
            total: None,
            model: None,
            effort: None,
            lines: 0,
            remarks,
        }
    }

    /// The trajectory of all lines. A count after which nothing came is in "meta" alone, as every count is.
    pub(super) fn finish(mut self) -> Trajectory {
        self.trajectory.steps = self.turns.finish();
        self.trajectory.agent.model =
            self.trajectory.steps.iter().find_map(|step| step.model.clone()).or(self.model);
        for step in &mut self.trajectory.steps {
            step.model =
                step.model.take().filter(|model| Some(model) != self.trajectory.agent.model.as_ref());
        }
        if !self.meta.is_empty() {
            self.trajectory.extra.insert("meta".to_owned(), self.meta.into());
        }
        self.trajectory
    }

    /// One line.
    pub(super) fn line(&mut self, line: View<'_>) {
        self.lines += 1;
        let kind = line.text_at("type").unwrap_or_default();
        let payload = line.get("payload").filter(|payload| payload.is_object());
        match (&*kind, payload) {
            ("session_meta", Some(payload)) => self.session(line, payload),
            ("turn_context", Some(payload)) => {
                self.open = None;
                self.model = payload.text_at("model").or(self.model.take());
                self.effort = payload.some("effort").map(View::value).or(self.effort.take());
                self.meta.push(line.value());
            }
            ("event_msg", Some(payload)) => self.event(line, payload),
            ("compacted", Some(payload)) => self.compacted(line, payload),
            ("response_item", Some(payload)) => {
                let mut members = Fields::of(line);
                members.any("type");
                members.any("payload");
                let timestamp = members.string("timestamp");
                self.item(payload, timestamp, members.rest());
            }
            ("", _) if self.lines == 1 && super::is_old_header(line) => self.session(line, line),
            ("", _) if line.get("record_type").is_some() => self.meta.push(line.value()),
            // Files without the envelope.
            (kind, None) if !ENVELOPES.contains(&kind) && !kind.is_empty() => {
                self.item(line, line.text_at("timestamp"), Object::new());
            }
            _ => {
                self.remarks.push((line.offset(), "a line of no known kind is kept in \"meta\"".to_owned()));
                self.meta.push(line.value());
            }
        }
    }

    fn session(&mut self, line: View<'_>, payload: View<'_>) {
        if self.trajectory.session_id.is_some() {
            // A fork repeats the line of the session that it began from.
            self.meta.push(line.value());
            return;
        }
        self.trajectory.session_id = payload.text_at("id");
        self.trajectory.agent.version = payload.text_at("cli_version").unwrap_or_default();
        self.trajectory.extra.insert("session_meta".to_owned(), line.value());
    }

    fn event(&mut self, line: View<'_>, payload: View<'_>) {
        self.meta.push(line.value());
        match payload.text_at("type").as_deref() {
            Some("token_count") => self.count(payload),
            Some("task_started" | "turn_started" | "turn_aborted" | "task_complete") => self.open = None,
            _ => {}
        }
    }

    /// Usage of the call that has just ended; a count that repeats the one before says nothing new.
    fn count(&mut self, payload: View<'_>) {
        let Some(info) = payload.some("info") else { return };
        let total = info.get("total_token_usage").map(View::value);
        if total.is_some() && total == self.total {
            return;
        }
        self.total = total;
        let Some(last) = info.some("last_token_usage").filter(|last| last.is_object()) else { return };
        let mut tokens = Fields::of(last);
        let usage = Usage {
            prompt_tokens: tokens.uint("input_tokens"),
            completion_tokens: tokens.uint("output_tokens"),
            cached_tokens: tokens.uint("cached_input_tokens"),
            cost_usd: None,
        };
        let rest = Object::from_iter(fields::some_object("extra", tokens.rest()));
        self.open = None;
        match self.unpaid.take() {
            Some(index) => pay(&mut self.turns.steps[index], usage, rest),
            None => self.early = Some((usage, rest)),
        }
    }

    fn compacted(&mut self, line: View<'_>, payload: View<'_>) {
        self.open = None;
        let mut members = Fields::of(payload);
        let content = fields::content(members.any("message"));
        let mut extra = Object::from_iter([("type".to_owned(), "compacted".into())]);
        extra.extend(members.rest());
        let mut outer = Fields::of(line);
        outer.any("type");
        outer.any("payload");
        let timestamp = outer.string("timestamp");
        extra.extend(fields::some_object("line", outer.rest()));
        let step = self.turns.push(Source::System, content);
        step.timestamp = timestamp;
        step.frame = true;
        step.copied = Some(true);
        step.extra = extra;
    }

    /// One item of a request or a response; `outer` is what else stands on its line.
    fn item(&mut self, item: View<'_>, timestamp: Option<String>, mut outer: Object) {
        let kind = item.text_at("type").unwrap_or_default();
        let goes_on = self.open.map(|index| &self.turns.steps[index]);
        if let Some(time) = timestamp.as_ref().filter(|time| {
            is_reply(&kind, item) && goes_on.is_some_and(|step| step.timestamp.as_ref() != Some(time))
        }) {
            // The step has the time of its first item.
            outer.insert("timestamp".to_owned(), time.clone().into());
        }
        let mut members = Fields::of(item);
        members.any("type");
        if item.get("timestamp").and_then(View::text).as_deref() == timestamp.as_deref() {
            members.string("timestamp");
        }
        match &*kind {
            "message" => self.message(members, timestamp, outer),
            "reasoning" => {
                let texts = |key: &str| -> Vec<String> {
                    let parts = item.some(key).into_iter().flat_map(View::items);
                    parts.filter_map(|part| part.text_at("text")).collect()
                };
                let content = texts("content");
                let said = if content.is_empty() { texts("summary") } else { content }.join("\n");
                let step = self.reply(timestamp);
                if !said.is_empty() {
                    let all = step.reasoning.get_or_insert_default();
                    if !all.is_empty() {
                        all.push('\n');
                    }
                    all.push_str(&said);
                }
                keep(step, item.object(), outer);
            }
            "function_call" | "custom_tool_call" | "local_shell_call" => {
                let call = call(&kind, members, outer);
                let index = self.reply_index(timestamp);
                self.turns.made(index, vec![call]);
            }
            "function_call_output" | "custom_tool_call_output" => {
                self.result(&kind, members, timestamp, outer);
            }
            // Run by the server: nobody else answers it.
            "web_search_call" => keep(self.reply(timestamp), item.object(), outer),
            "ghost_snapshot" | "compaction" | "compaction_summary" => {
                self.open = None;
                self.aside(item, outer);
            }
            other => {
                let what = format!("an item of the kind '{other}' is not known: it is kept in \"meta\"");
                self.remarks.push((item.offset(), what));
                self.aside(item, outer);
            }
        }
    }

    fn aside(&mut self, item: View<'_>, outer: Object) {
        let mut value = item.value();
        if let Value::Object(object) = &mut value {
            object.extend(fields::some_object("line", outer));
        }
        self.meta.push(value);
    }

    fn message(&mut self, mut members: Fields<'_>, timestamp: Option<String>, outer: Object) {
        let role = members.string("role");
        let content = fields::content(members.any("content"));
        let source = match role.as_deref() {
            Some("assistant") => return self.say(members, content, timestamp, outer),
            Some("system" | "developer") => Source::System,
            Some("user") => Source::User,
            other => {
                let what =
                    format!("the role of a message is '{}': it is kept as a user's", other.unwrap_or("none"));
                self.remarks.push((members.view().offset(), what));
                members.untake("role");
                Source::User
            }
        };
        self.open = None;
        let text = content.message.text();
        let injected = INJECTED.iter().any(|start| text.trim_start().starts_with(start));
        let mut extra = members.rest();
        if role.as_deref() == Some("developer") {
            extra.insert("role".to_owned(), "developer".into());
        }
        extra.extend(fields::some_object("line", outer));
        let step = self.turns.push(source, content);
        step.timestamp = timestamp;
        step.frame = injected && source == Source::User;
        step.extra = extra;
    }

    /// An assistant's message: text of the open step.
    fn say(&mut self, members: Fields<'_>, content: chat::Content, timestamp: Option<String>, outer: Object) {
        let rest = members.rest();
        let step = self.reply(timestamp);
        turns::say(step, content);
        if !rest.is_empty() || !outer.is_empty() {
            let mut item = Object::from_iter([("type".to_owned(), "message".into())]);
            item.extend(rest);
            keep(step, item, outer);
        }
    }

    fn reply(&mut self, timestamp: Option<String>) -> &mut Step {
        let index = self.reply_index(timestamp);
        &mut self.turns.steps[index]
    }

    /// The open step, or a new one.
    fn reply_index(&mut self, timestamp: Option<String>) -> usize {
        if let Some(index) = self.open {
            return index;
        }
        let index = self.turns.steps.len();
        let mut step = Step::new(0, Source::Agent, "");
        step.timestamp = timestamp;
        step.model.clone_from(&self.model);
        step.reasoning_effort.clone_from(&self.effort);
        step.llm_calls = Some(1);
        step.reply = Some(Reply { native: true, dialect: Some("native".to_owned()), ..Reply::default() });
        let step = self.turns.add(step);
        self.open = Some(index);
        self.unpaid = Some(index);
        if let Some((usage, rest)) = self.early.take() {
            pay(step, usage, rest);
            self.unpaid = None;
        }
        index
    }

    fn result(&mut self, kind: &str, mut members: Fields<'_>, timestamp: Option<String>, outer: Object) {
        self.open = None;
        let call_id = members.string("call_id");
        let output = members.any("output");
        // Some versions wrap the text.
        let inner =
            output.and_then(|output| output.get("content").filter(|content| content.text().is_some()));
        let mut extra = Object::new();
        if let (Some(output), Some(_)) = (output, inner) {
            let mut wrapped = Fields::of(output);
            wrapped.any("content");
            extra.extend(fields::some_object("output", wrapped.rest()));
        }
        let said = fields::content(inner.or(output));
        if kind != "function_call_output" {
            extra.insert(KIND.to_owned(), kind.to_owned().into());
        }
        extra.extend(timestamp.map(|time| ("timestamp".to_owned(), time.into())));
        extra.extend(members.rest());
        extra.extend(fields::some_object("line", outer));
        self.turns.attach(ObservationResult {
            call_id,
            content: output.map(|_| said.message),
            place: said.place,
            extra,
            ..ObservationResult::default()
        });
    }
}

/// Whether an item is part of what the model wrote.
fn is_reply(kind: &str, item: View<'_>) -> bool {
    match kind {
        "message" => item.text_at("role").as_deref() == Some("assistant"),
        "reasoning" | "function_call" | "custom_tool_call" | "local_shell_call" | "web_search_call" => true,
        _ => false,
    }
}

fn pay(step: &mut Step, usage: Usage, rest: Object) {
    step.usage = Some(usage);
    step.metrics_extra = rest;
}

/// Keeps an item of a response beside the step, with what else stood on its line.
fn keep(step: &mut Step, mut item: Object, outer: Object) {
    item.extend(fields::some_object("line", outer));
    if let Value::Array(list) = step.extra.entry("items").or_insert_with(|| Value::Array(Vec::new())) {
        list.push(item.into());
    }
}

/// A call; what is no function keeps its kind.
fn call(kind: &str, mut members: Fields<'_>, outer: Object) -> ToolCall {
    let mut extra = Object::new();
    let (name, arguments) = match kind {
        "function_call" => (members.string("name"), chat::arguments(members.any("arguments"))),
        // Free text, not JSON that failed to parse.
        "custom_tool_call" => {
            let input = members.any("input").map(|input| ("input".to_owned(), input.value()));
            (members.string("name"), Arguments::object(input.into_iter().collect()))
        }
        _ => (Some("local_shell".to_owned()), chat::arguments(members.any("action"))),
    };
    if kind != "function_call" {
        extra.insert(KIND.to_owned(), kind.to_owned().into());
    }
    let id = members.string("call_id").or_else(|| members.string("id")).unwrap_or_default();
    extra.extend(members.rest());
    extra.extend(fields::some_object("line", outer));
    let place = Some(members.view().value_place());
    ToolCall { id, name: name.unwrap_or_default(), arguments, extra, place }
}
