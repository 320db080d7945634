//! Events of OpenHands V0 to steps.
//!
//! The model's own reply is in `tool_call_metadata.model_response`, repeated in each event that it led to; `args` are
//! the runtime's action, made of it. So one response is one step, with all its calls; the events go to the calls
//! and results. Where a log has no responses, the runtime's actions stand for the calls, and that is said.
//!
//! What is no part of the conversation (changes of state, recalled knowledge, condensation) is kept under
//! `other_events` of the step before it, or of the trajectory.

use super::super::chat;
use super::super::events::Value;
use super::super::fields::{self, Fields, some_object};
use super::super::openhands_events::{Growing, accumulated, exit_code};
use super::super::source::Refusal;
use super::kinds::{self, Role};
use crate::model::{
    Arguments, FinalMetrics, Object, Observation, ObservationResult, Reply, Source as Speaker, Step,
    ToolCall, Trajectory,
};
use crate::util::json::View;
use std::collections::HashMap;

/// A conversation under construction.
pub(in crate::formats) struct Conversation<'a> {
    growing: Growing,
    /// Response id: its step, and the response as written.
    responses: HashMap<String, (usize, &'a [u8])>,
    /// Event id as written: step and call of the action.
    actions: HashMap<&'a [u8], (usize, String)>,
    totals: Option<View<'a>>,
    internal: bool,
}

impl<'a> Conversation<'a> {
    /// An empty one.
    pub(in crate::formats) fn new() -> Self {
        Self {
            growing: Growing::new(),
            responses: HashMap::new(),
            actions: HashMap::new(),
            totals: None,
            internal: false,
        }
    }

    /// The trajectory, and what was remarked: file, and offset with a clause.
    pub(in crate::formats) fn finish(mut self) -> (Trajectory, Vec<(u32, Refusal)>) {
        // The figures grow from event to event, and stay in the events, too.
        let usage = self.totals.map(accumulated);
        self.growing.trajectory.final_metrics =
            usage.map(|usage| FinalMetrics { usage, ..FinalMetrics::default() });
        self.growing.finish()
    }

    /// An object that holds the events as its `trajectory`.
    pub(in crate::formats) fn wrapped(&mut self, whole: Value<'a>, list: View<'a>) {
        let mut fields = Fields::of(whole.view);
        fields.list("trajectory");
        self.growing.trajectory.extra.extend(fields.rest());
        list.items().for_each(|view| self.add(Value { view, ..whole }));
    }

    /// Adds one event.
    pub(in crate::formats) fn add(&mut self, event: Value<'a>) {
        let view = event.view;
        if let Some(metrics) = view.some("llm_metrics").filter(|metrics| metrics.is_object()) {
            self.totals = Some(metrics);
        }
        let mut fields = Fields::of(view);
        match (fields.string("action"), fields.string("observation")) {
            (Some(kind), None) => self.action(event, fields, &kind),
            (None, Some(kind)) => self.observation(event, fields, &kind),
            _ => self.strange(event, "an event is neither an action nor an observation: kept as it is"),
        }
    }

    fn strange(&mut self, event: Value<'a>, what: impl Into<String>) {
        self.growing.remark(event, what);
        self.growing.keep(event.view);
    }

    fn action(&mut self, event: Value<'a>, mut fields: Fields<'a>, kind: &str) {
        let response = event.view.get("tool_call_metadata").and_then(|meta| meta.get("model_response"));
        let response = response.filter(|response| response.is_object());
        match kinds::action(kind) {
            Role::Idle => return self.growing.keep(event.view),
            Role::Unknown if response.is_none() => {
                let what = format!("the action '{kind}' is not known: kept as it is");
                return self.strange(event, what);
            }
            Role::Unknown => self.growing.remark(event, format!("the action '{kind}' is not known")),
            Role::Said => {}
        }
        if let Some(response) = response {
            return self.call(event, fields, kind, response);
        }
        match (kind, self.speaker(&mut fields, kind)) {
            ("system", _) => self.system(event, fields),
            ("message", speaker) => self.message(event, fields, speaker),
            (_, Speaker::Agent) => self.internal(event, fields, kind),
            _ => self.growing.keep(event.view),
        }
    }

    /// Who made the action. Old logs do not say: there the first message is the user's, and messages take turns.
    fn speaker(&self, fields: &mut Fields<'a>, kind: &str) -> Speaker {
        let said = fields.text("source").and_then(View::text);
        match said.as_deref() {
            Some("agent") => Speaker::Agent,
            Some("user") => Speaker::User,
            Some(_) => {
                fields.untake("source");
                Speaker::User
            }
            None if kind != "message" => Speaker::Agent,
            None => {
                let turns =
                    self.growing.trajectory.steps.iter().rev().find(|step| step.source != Speaker::System);
                let asked = turns.is_none_or(|step| step.source == Speaker::Agent && step.calls.is_empty());
                if asked { Speaker::User } else { Speaker::Agent }
            }
        }
    }

    fn system(&mut self, event: Value<'a>, mut fields: Fields<'a>) {
        let mut args = fields.object("args").unwrap_or_else(|| Fields::of(event.view));
        let content = fields::content(args.any("content"));
        if let Some(list) = args.list("tools") {
            (self.growing.trajectory.agent.tools, self.growing.trajectory.agent.raw_tools) =
                chat::tools(list);
        }
        if let Some(version) = args.string("openhands_version") {
            self.growing.trajectory.agent.version = version;
        }
        let index = self.growing.push(Speaker::System);
        let rest = args.rest();
        let text = content.message.text().into_owned();
        fields.drop_if("message", |value| value.text().as_deref() == Some(&*text));
        let step = &mut self.growing.trajectory.steps[index];
        step.timestamp = fields.string("timestamp");
        step.message = content.message;
        step.place = content.place.map(|place| event.at(place));
        step.extra = fields.rest();
        step.extra.extend(some_object("args", rest));
    }

    fn message(&mut self, event: Value<'a>, mut fields: Fields<'a>, speaker: Speaker) {
        let mut args = fields.object("args");
        let content = fields::content(match &mut args {
            Some(args) => args.any("content"),
            None => fields.any("content"),
        });
        let place = content.place.map(|place| event.at(place));
        let text = content.message.text().into_owned();
        fields.drop_if("message", |value| value.text().as_deref() == Some(&*text));
        let index = self.growing.push(speaker);
        let step = &mut self.growing.trajectory.steps[index];
        step.timestamp = fields.string("timestamp");
        step.message = content.message;
        step.place = place;
        step.extra = fields.rest();
        step.extra.extend(args.and_then(|args| some_object("args", args.rest())));
        if speaker == Speaker::Agent {
            self.growing.reply(index, Reply::default());
        }
    }

    /// An action of the agent in a log that does not hold the model's reply.
    fn internal(&mut self, event: Value<'a>, mut fields: Fields<'a>, kind: &str) {
        if !self.internal {
            self.internal = true;
            self.growing.remark(
                event,
                "the log holds no replies of the model: the runtime's actions stand for its calls",
            );
        }
        let index = self.growing.push(Speaker::Agent);
        let timestamp = fields.string("timestamp");
        let (thought, arguments, extra) = match fields.object("args") {
            Some(mut args) => (args.text("thought"), args.rest(), fields.rest()),
            None => {
                let thought = fields.text("thought");
                fields.any("id");
                (thought, fields.rest(), Object::new())
            }
        };
        let number = event.view.some("id");
        let id = number.map_or_else(
            || format!("action_{}", index + 1),
            |id| {
                id.text().map_or_else(
                    || String::from_utf8_lossy(id.raw()).into_owned(),
                    std::borrow::Cow::into_owned,
                )
            },
        );
        let step = &mut self.growing.trajectory.steps[index];
        step.timestamp = timestamp;
        step.message =
            crate::model::Message::Text(thought.and_then(View::text).unwrap_or_default().into_owned());
        step.place = thought.map(|thought| event.at(thought.place()));
        let arguments = Arguments::object(arguments);
        let extra = Object::from_iter(some_object("event", extra));
        let place = Some(event.at(event.view.value_place()));
        step.calls = vec![ToolCall { id: id.clone(), name: kind.to_owned(), arguments, extra, place }];
        self.growing.calls.insert(id.clone(), index);
        if let Some(number) = number {
            self.actions.insert(number.raw(), (index, id));
        }
    }

    /// An action that a reply of the model led to.
    fn call(&mut self, event: Value<'a>, mut fields: Fields<'a>, kind: &str, response: View<'a>) {
        let (index, other) = self.response(event, response);
        let mut meta = fields.object("tool_call_metadata").unwrap_or_else(|| Fields::of(response));
        meta.any("model_response");
        let id = meta.string("tool_call_id");
        let name = meta.string("function_name");
        fields.drop_if("source", |value| value.text().as_deref() == Some("agent"));
        let mut kept = Object::from_iter([("action".to_owned(), kind.into())]);
        let step = &mut self.growing.trajectory.steps[index];
        let wanted = |call: &ToolCall| Some(&call.id) == id.as_ref() && !call.extra.contains_key("event");
        let call = match step.calls.iter().position(wanted) {
            Some(at) => &mut step.calls[at],
            None => {
                let args = event.view.get("args").map(View::object).unwrap_or_default();
                step.calls.push(ToolCall {
                    id: id.clone().unwrap_or_default(),
                    name: name.clone().unwrap_or_default(),
                    arguments: Arguments::object(args),
                    extra: Object::new(),
                    place: Some(event.at(event.view.value_place())),
                });
                self.growing.calls.entry(id.clone().unwrap_or_default()).or_insert(index);
                let what = "the reply has no call of the id that the action names: the action stands for it";
                self.growing.remarks.push((event.file, (event.view.offset(), what.to_owned())));
                let last = step.calls.len() - 1;
                &mut step.calls[last]
            }
        };
        if name.as_ref().is_some_and(|name| *name != call.name) {
            meta.untake("function_name");
        }
        kept.extend(fields.rest());
        let mut left = meta.rest();
        left.extend(other.map(|value| ("model_response".to_owned(), value)));
        kept.extend(some_object("tool_call_metadata", left));
        call.extra.insert("event".to_owned(), kept.into());
        let id = call.id.clone();
        if let Some(number) = event.view.some("id") {
            self.actions.insert(number.raw(), (index, id));
        }
    }

    /// The step of a response, which is made when it is seen first. A response that has the id of another one and
    /// is not the same is given back.
    fn response(&mut self, event: Value<'a>, response: View<'a>) -> (usize, Option<serde_json::Value>) {
        let id = response.some("id").unwrap_or(response);
        let key = String::from_utf8_lossy(id.raw()).into_owned();
        if let Some((index, raw)) = self.responses.get(&key) {
            return (*index, (*raw != response.raw()).then(|| response.value()));
        }
        let index = self.growing.push(Speaker::Agent);
        self.responses.insert(key, (index, response.raw()));
        let step = &mut self.growing.trajectory.steps[index];
        step.timestamp = event.view.text_at("timestamp");
        let mut fields = Fields::of(response);
        let model = fields.string("model");
        if model.is_some() && self.growing.trajectory.agent.model.is_none() {
            self.growing.trajectory.agent.model = model;
        } else if model != self.growing.trajectory.agent.model {
            step.model = model;
        }
        if let Some(figures) = fields.object("usage") {
            let (usage, rest) = fields::usage(figures);
            (step.usage, step.metrics_extra) = (Some(usage), rest);
        }
        step.llm_calls = Some(1);
        if let Some(sent) = reply(step, event, &mut fields) {
            self.growing.reply(index, sent);
        }
        let step = &mut self.growing.trajectory.steps[index];
        step.extra.extend(some_object("response", fields.rest()));
        (index, None)
    }

    fn observation(&mut self, event: Value<'a>, mut fields: Fields<'a>, kind: &str) {
        let view = event.view;
        let meta = view.get("tool_call_metadata").filter(|meta| meta.is_object());
        let cause = view.some("cause").map(View::raw);
        let action = cause.and_then(|cause| self.actions.get(cause).cloned());
        let called = meta.and_then(|meta| meta.text_at("tool_call_id"));
        match kinds::observation(kind) {
            Role::Idle if called.is_none() && action.is_none() => return self.growing.keep(event.view),
            Role::Unknown => self.growing.remark(event, format!("the observation '{kind}' is not known")),
            _ => {}
        }
        let content = fields::content(fields.any("content"));
        let mut result = ObservationResult {
            content: Some(content.message),
            place: content.place.map(|place| event.at(place)),
            ..ObservationResult::default()
        };
        let own = called.as_ref().and_then(|id| self.growing.calls.get(id).copied());
        let before = self.growing.trajectory.steps.last().filter(|step| step.source == Speaker::Agent);
        let next = before.filter(|_| cause.is_none() && called.is_none()).and_then(|step| {
            let done = step.observation.as_ref().map_or(0, |observation| observation.results.len());
            step.calls.get(done)
        });
        let (index, id) = match (own, action, next) {
            (Some(index), ..) => (Some(index), called),
            (None, Some((index, id)), _) if called.is_none() => (Some(index), Some(id)),
            (None, None, Some(call)) => {
                (Some(self.growing.trajectory.steps.len() - 1), Some(call.id.clone()))
            }
            // What answers nothing was said by the runtime: the error that a bad message caused, for example.
            (None, None, None) if called.is_none() && cause.is_none_or(|cause| cause == b"-1") => {
                (None, None)
            }
            (None, ..) => {
                let cause = cause.map(|cause| String::from_utf8_lossy(cause).into_owned());
                (self.growing.agent_step(), called.or(cause))
            }
        };
        result.call_id = id;
        result.extra = self.result_extra(fields, kind, meta);
        let index = index.unwrap_or_else(|| self.growing.push(Speaker::User));
        let step = &mut self.growing.trajectory.steps[index];
        if step.source == Speaker::User && result.call_id.is_none() {
            step.timestamp = view.text_at("timestamp");
            step.message = result.content.take().unwrap_or(crate::model::Message::Text(String::new()));
            step.place = result.place;
            step.extra = result.extra;
            step.extra.shift_remove("timestamp").filter(|time| !time.is_string());
            return;
        }
        if let Some(call) = step.calls.iter().find(|call| Some(&call.id) == result.call_id.as_ref()) {
            result.name = Some(call.name.clone());
        }
        step.observation.get_or_insert_with(Observation::default).results.push(result);
    }

    /// What stands beside the content; the exit code stands in one place, wherever the version had it.
    fn result_extra(&self, mut fields: Fields<'a>, kind: &str, meta: Option<View<'a>>) -> Object {
        let mut extra = Object::from_iter([("observation".to_owned(), kind.into())]);
        let mut left = Object::new();
        if let Some(meta) = meta {
            fields.any("tool_call_metadata");
            let mut meta = Fields::of(meta);
            meta.text("tool_call_id");
            let response = meta.any("model_response");
            let known = response.and_then(|response| {
                let id = response.some("id").unwrap_or(response);
                self.responses.get(&*String::from_utf8_lossy(id.raw()))
            });
            let same = known.is_some_and(|(_, raw)| response.is_some_and(|response| response.raw() == *raw));
            if !same {
                meta.untake("model_response");
            }
            left = meta.rest();
        }
        extra.extend(fields.rest());
        extra.extend(some_object("tool_call_metadata", left));
        let extras = fields.view().get("extras");
        let metadata = extras.and_then(|extras| extras.get("metadata"));
        if let Some(code) = exit_code([metadata, extras]) {
            extra.entry("exit_code").or_insert_with(|| code.value());
        }
        extra
    }
}

/// Message, native calls and finish reason of a response's first choice.
fn reply(step: &mut Step, event: Value<'_>, response: &mut Fields<'_>) -> Option<Reply> {
    let list = response.list("choices")?;
    let mut choices = list.items();
    let Some(first) = choices.next().filter(|choice| choice.is_object()) else {
        response.untake("choices");
        return None;
    };
    let mut choice = Fields::of(first);
    choice.drop_if("index", |index| index.uint() == Some(0));
    let finish_reason = choice.string("finish_reason");
    if let Some(mut message) = choice.object("message") {
        message.drop_if("role", |role| role.text().as_deref() == Some("assistant"));
        let content = fields::content(message.any("content"));
        step.reasoning = message.string("reasoning_content");
        step.place = content.place.map(|place| event.at(place));
        step.message = content.message;
        let calls = message.list("tool_calls").into_iter().flat_map(View::items);
        step.calls = calls.map(|item| event.native_call(item)).collect();
        message.drop_if("function_call", |_| false);
        step.extra.extend(some_object("message", message.rest()));
    }
    step.extra.extend(some_object("choice", choice.rest()));
    let more: Vec<serde_json::Value> = choices.map(View::value).collect();
    if !more.is_empty() {
        step.extra.insert("choices".to_owned(), more.into());
    }
    Some(Reply { finish_reason, ..Reply::default() })
}
