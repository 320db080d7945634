//! Events of the SDK to steps.
//!
//! Actions with one `llm_response_id` come of one reply and are one step; what came back pairs by `tool_call_id`.
//! What belongs to no step's own fields is kept: of a message's event in the step's `extra`, of an action's event
//! under `event` in the call's `extra`, of an observation's event in the result's `extra`. Events that say nothing to
//! the model are kept under `other_events` of the step before them, or of the trajectory.

use super::super::events::Value;
use super::super::fields::{self, Fields, some_object};
use super::super::openhands_events::{Growing, accumulated, exit_code};
use super::super::source::Refusal;
use super::tools;
use crate::model::{
    FinalMetrics, Message, Object, Observation, ObservationResult, Reply, Source as Speaker, Step, ToolCall,
    Trajectory, Usage,
};
use crate::util::json::View;
use std::collections::HashMap;

/// The observation of a tool that the SDK does not know.
pub(super) const ANY_TOOL: &str = "MCPToolObservation";

/// Events that say nothing to the model.
pub(super) const IDLE: [&str; 14] = [
    "ConversationStateUpdateEvent",
    "Condensation",
    "CondensationRequest",
    "PauseEvent",
    "InterruptEvent",
    "TokenEvent",
    "LLMCompletionLogEvent",
    "ConversationErrorEvent",
    "HookExecutionEvent",
    "StreamingDeltaEvent",
    "ACPToolCallEvent",
    "SecurityAnalysisEvent",
    "ServerErrorEvent",
    "ResumeTranscriptEvent",
];

const SAID: [&str; 7] = [
    "SystemPromptEvent",
    "MessageEvent",
    "ActionEvent",
    "ObservationEvent",
    "AgentErrorEvent",
    "UserRejectObservation",
    "CondensationSummaryEvent",
];

/// Whether an event of the SDK has that kind.
pub(super) fn is_kind(kind: &str) -> bool {
    IDLE.contains(&kind) || SAID.contains(&kind)
}

/// A conversation under construction.
pub(super) struct Conversation<'a> {
    growing: Growing,
    /// Response id: its step.
    responses: HashMap<String, usize>,
    /// Call id: id of the action's event.
    actions: HashMap<String, String>,
    totals: Option<View<'a>>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new() -> Self {
        Self { growing: Growing::new(), responses: HashMap::new(), actions: HashMap::new(), totals: None }
    }

    /// The trajectory, and what was remarked: file, and offset with a clause.
    pub(super) fn finish(mut self) -> (Trajectory, Vec<(u32, Refusal)>) {
        if let Some(stats) = self.totals {
            let (usage, model) = totals(stats);
            let trajectory = &mut self.growing.trajectory;
            trajectory.agent.model = trajectory.agent.model.take().or(model);
            trajectory.final_metrics = Some(FinalMetrics { usage, ..FinalMetrics::default() });
        }
        self.growing.finish()
    }

    /// The state of the conversation.
    pub(super) fn base(&mut self, state: View<'a>) {
        let mut fields = Fields::of(state);
        self.growing.trajectory.session_id = fields.string("id");
        self.growing.trajectory.agent.model =
            state.get("agent").and_then(|agent| agent.get("llm")?.text_at("model"));
        self.stats(state.some("stats"));
        self.growing.trajectory.extra.extend(some_object("base_state", fields.rest()));
    }

    /// Statistics grow: the last ones count.
    fn stats(&mut self, stats: Option<View<'a>>) {
        let stats = stats.and_then(|stats| stats.some("usage_to_metrics"));
        self.totals = stats.filter(|stats| stats.members().next().is_some()).or(self.totals);
    }

    /// Adds one event.
    pub(super) fn add(&mut self, event: Value<'a>) {
        let mut fields = Fields::of(event.view);
        let kind = fields.string("kind");
        match kind.as_deref() {
            Some("SystemPromptEvent") => self.system(event, fields),
            Some("MessageEvent") => self.message(event, fields),
            Some("ActionEvent") => self.action(event, fields),
            Some(kind @ ("ObservationEvent" | "AgentErrorEvent" | "UserRejectObservation")) => {
                self.result(event, fields, kind);
            }
            Some("CondensationSummaryEvent") => {
                let step = self.push(event, &mut fields, Speaker::User);
                let summary = fields.text("summary");
                step.message = Message::Text(summary.and_then(View::text).unwrap_or_default().into_owned());
                step.place = summary.map(|summary| event.at(summary.place()));
                step.extra = fields.rest();
                step.extra.insert("kind".to_owned(), "CondensationSummaryEvent".into());
            }
            Some(kind) => {
                if !IDLE.contains(&kind) {
                    self.growing
                        .remark(event, format!("the event kind '{kind}' is not known: kept as it is"));
                }
                self.keep(event);
            }
            None => {
                self.growing.remark(event, "an event has no \"kind\": kept as it is");
                self.keep(event);
            }
        }
    }

    fn keep(&mut self, event: Value<'a>) {
        let view = event.view;
        let value = view.get("value").filter(|_| view.text_at("kind").as_deref() == Some(IDLE[0]));
        match view.text_at("key").as_deref() {
            Some("stats") => self.stats(value),
            Some("full_state") => self.stats(value.and_then(|state| state.some("stats"))),
            _ => {}
        }
        self.growing.keep(view);
    }

    fn push(&mut self, event: Value<'a>, fields: &mut Fields<'a>, source: Speaker) -> &mut Step {
        let index = self.growing.push(source);
        let step = &mut self.growing.trajectory.steps[index];
        step.timestamp = fields.string("timestamp");
        let implied = match source {
            Speaker::User => "user",
            Speaker::System | Speaker::Agent => "agent",
        };
        if event.view.text_at("source").as_deref() == Some(implied) {
            fields.text("source");
        }
        step
    }

    fn system(&mut self, event: Value<'a>, mut fields: Fields<'a>) {
        if let Some(list) = fields.list("tools") {
            let (read, raw) = tools::read(list);
            (self.growing.trajectory.agent.tools, self.growing.trajectory.agent.raw_tools) =
                (Some(read), raw);
        }
        let step = self.push(event, &mut fields, Speaker::System);
        let prompt = event.view.get("system_prompt");
        let text =
            prompt.and_then(|prompt| if prompt.is_object() { prompt.get("text") } else { Some(prompt) });
        let text = text.filter(|text| text.text().is_some());
        step.message = Message::Text(text.and_then(View::text).unwrap_or_default().into_owned());
        step.place = text.map(|text| event.at(text.place()));
        if text.is_some() {
            fields.any("system_prompt");
        }
        step.extra = fields.rest();
        let rest = prompt.filter(|prompt| text.is_some() && prompt.is_object()).map(|prompt| {
            let mut prompt = Fields::of(prompt);
            prompt.text("text");
            idle_text(&mut prompt);
            prompt.rest()
        });
        step.extra.extend(rest.and_then(|rest| some_object("system_prompt", rest)));
    }

    fn message(&mut self, event: Value<'a>, mut fields: Fields<'a>) {
        let sent = fields.object("llm_message");
        let role = sent.as_ref().and_then(|sent| sent.view().text_at("role"));
        let by = event.view.text_at("source");
        let speaker = match (role.as_deref(), by.as_deref()) {
            (Some("assistant"), _) | (None, Some("agent")) => Speaker::Agent,
            (Some("system"), _) => Speaker::System,
            _ => Speaker::User,
        };
        let step = self.push(event, &mut fields, speaker);
        let mut rest = Object::new();
        if let Some(mut sent) = sent {
            let implied = match speaker {
                Speaker::Agent => "assistant",
                Speaker::System => "system",
                Speaker::User => "user",
            };
            sent.drop_if("role", |role| role.text().as_deref() == Some(implied));
            let content = fields::content(sent.any("content"));
            step.message = content.message;
            step.place = content.place.map(|place| event.at(place));
            step.reasoning = sent.string("reasoning_content");
            let made = sent.list("tool_calls").into_iter().flat_map(View::items);
            step.calls = made.map(|item| event.native_call(item)).collect();
            idle_message(&mut sent);
            rest = sent.rest();
        }
        for key in ["activated_skills", "extended_content"] {
            fields.drop_if(key, is_empty_list);
        }
        let response = event.view.text_at("llm_response_id");
        step.extra = fields.rest();
        step.extra.extend(some_object("llm_message", rest));
        if speaker == Speaker::Agent {
            step.llm_calls = response.is_some().then_some(1);
        }
        let index = self.growing.trajectory.steps.len() - 1;
        if let Some(response) = response {
            self.responses.insert(response, index);
        }
        if speaker == Speaker::Agent {
            self.growing.reply(index, Reply::default());
        } else {
            self.growing.note_calls(index);
        }
    }

    fn action(&mut self, event: Value<'a>, mut fields: Fields<'a>) {
        let response = event.view.text_at("llm_response_id");
        let known = response.as_ref().and_then(|id| self.responses.get(id).copied());
        let index = match known {
            Some(index) => {
                fields.text("llm_response_id");
                index
            }
            None => self.reply_of(event, &mut fields, response),
        };
        let number = event.view.text_at("id");
        let call = call(event, fields);
        self.actions.extend(number.map(|number| (call.id.clone(), number)));
        self.growing.calls.insert(call.id.clone(), index);
        let step = &mut self.growing.trajectory.steps[index];
        step.calls.push(call);
        if let Some(reply) = &mut step.reply {
            reply.native = true;
            reply.dialect = Some("native".to_owned());
        }
    }

    /// The step of the first action that a reply led to: thought and reasoning stand there alone.
    fn reply_of(&mut self, event: Value<'a>, fields: &mut Fields<'a>, response: Option<String>) -> usize {
        fields.text("llm_response_id");
        let step = self.push(event, fields, Speaker::Agent);
        let content = fields::content(fields.any("thought"));
        step.message = content.message;
        step.place = content.place.map(|place| event.at(place));
        step.reasoning = fields.string("reasoning_content");
        step.reply =
            Some(Reply { text: step.message.text().into_owned(), place: step.place, ..Reply::default() });
        let index = self.growing.trajectory.steps.len() - 1;
        if let Some(response) = response {
            let step = &mut self.growing.trajectory.steps[index];
            step.llm_calls = Some(1);
            step.extra.insert("llm_response_id".to_owned(), response.clone().into());
            self.responses.insert(response, index);
        }
        index
    }

    fn result(&mut self, event: Value<'a>, mut fields: Fields<'a>, kind: &str) {
        let mut extra = Object::new();
        if kind != "ObservationEvent" {
            extra.insert("kind".to_owned(), kind.into());
        }
        let implied = if kind == "AgentErrorEvent" { "agent" } else { "environment" };
        fields.drop_if("source", |source| source.text().as_deref() == Some(implied));
        fields.drop_if("extended_content", is_empty_list);
        let id = fields.string("tool_call_id");
        let name = fields.string("tool_name");
        let action = id.as_ref().and_then(|id| self.actions.get(id));
        fields.drop_if("action_id", |id| action.is_some_and(|action| id.text().as_deref() == Some(action)));
        let (content, code, seen) = match kind {
            "AgentErrorEvent" => (fields.any("error"), None, None),
            "UserRejectObservation" => (fields.any("rejection_reason"), None, None),
            _ => match fields.object("observation") {
                Some(mut seen) => {
                    let content = seen.any("content").or_else(|| seen.any("output"));
                    seen.drop_if("is_error", |flag| flag.bool() == Some(false));
                    // The kind that stands for tools which the SDK does not know says nothing.
                    if seen.view().text_at("kind").as_deref() == Some(ANY_TOOL) {
                        seen.text("kind");
                        seen.drop_if("tool_name", |own| own.text() == name.as_deref().map(Into::into));
                    }
                    let view = seen.view();
                    let metadata = view.get("metadata").filter(|metadata| metadata.is_object());
                    (content, exit_code([Some(view), metadata]), Some(seen.rest()))
                }
                None => (None, None, None),
            },
        };
        let content = fields::content(content);
        let result = ObservationResult {
            name,
            content: Some(content.message),
            place: content.place.map(|place| event.at(place)),
            ..ObservationResult::default()
        };
        extra.extend(fields.rest());
        extra.extend(seen.and_then(|seen| some_object("observation", seen)));
        if let Some(code) = code {
            extra.entry("exit_code").or_insert_with(|| code.value());
        }
        let own = id.as_ref().and_then(|id| self.growing.calls.get(id).copied());
        let index = own.or_else(|| self.growing.agent_step());
        let index = index.unwrap_or_else(|| self.growing.push(Speaker::User));
        let seen = self.growing.trajectory.steps[index].observation.get_or_insert_with(Observation::default);
        seen.results.push(ObservationResult { call_id: id, extra, ..result });
    }
}

/// The call of an action's event.
fn call(event: Value<'_>, mut fields: Fields<'_>) -> ToolCall {
    fields.drop_if("source", |source| source.text().as_deref() == Some("agent"));
    for key in ["thinking_blocks", "thought"] {
        fields.drop_if(key, is_empty_list);
    }
    fields.drop_if("reasoning_content", |_| false);
    let mut rest = Object::new();
    let mut call = match fields.object("tool_call") {
        Some(mut sent) => {
            let call = ToolCall {
                id: sent.string("id").unwrap_or_default(),
                name: sent.string("name").unwrap_or_default(),
                arguments: super::super::chat::arguments(sent.any("arguments")),
                extra: Object::new(),
                place: Some(event.at(sent.view().value_place())),
            };
            sent.drop_if("origin", |origin| origin.text().as_deref() == Some("completion"));
            sent.drop_if("responses_item_id", |_| false);
            rest = sent.rest();
            call
        }
        None => ToolCall {
            id: fields.string("tool_call_id").unwrap_or_default(),
            name: fields.string("tool_name").unwrap_or_default(),
            arguments: super::super::chat::arguments(fields.any("action")),
            extra: Object::new(),
            place: Some(event.at(event.view.value_place())),
        },
    };
    fields.drop_if("tool_name", |name| name.text().as_deref() == Some(&call.name));
    fields.drop_if("tool_call_id", |id| id.text().as_deref() == Some(&call.id));
    // The action of a tool that the SDK does not know holds the arguments once more.
    fields.drop_if("action", |action| {
        let plain =
            action.members().count() == 2 && action.text_at("kind").as_deref() == Some("MCPToolAction");
        plain && action.get("data").is_some_and(|data| call.arguments.parsed.as_ref() == Some(&data.object()))
    });
    let mut event = fields.rest();
    event.extend(some_object("tool_call", rest));
    call.extra.extend(some_object("event", event));
    call
}

fn is_empty_list(value: View<'_>) -> bool {
    value.is_array() && value.items().next().is_none()
}

/// Passes by what a text content always has.
fn idle_text(fields: &mut Fields<'_>) {
    fields.drop_if("type", |kind| kind.text().as_deref() == Some("text"));
    fields.drop_if("cache_prompt", |flag| flag.bool() == Some(false));
}

/// Passes by the defaults of a message.
fn idle_message(fields: &mut Fields<'_>) {
    for key in ["thinking_blocks", "name", "tool_call_id", "responses_reasoning_item"] {
        fields.drop_if(key, is_empty_list);
    }
    for key in ["cache_enabled", "vision_enabled", "function_calling_enabled", "force_string_serializer"] {
        fields.drop_if(key, |flag| flag.bool() == Some(false));
    }
    fields.drop_if("send_reasoning_content", |flag| flag.bool() == Some(false));
}

/// The sums of all models' statistics, and the model of the agent's.
fn totals(stats: View<'_>) -> (Usage, Option<String>) {
    let mut sum: Option<Usage> = None;
    let mut model = None;
    for (name, metrics) in stats.members() {
        let usage = accumulated(metrics);
        sum = Some(sum.map_or(usage, |sum| sum.plus(usage)));
        if matches!(&*name, "default" | "agent") || model.is_none() {
            model = metrics.text_at("model_name");
        }
    }
    (sum.unwrap_or_default(), model)
}
