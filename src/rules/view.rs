//! A trajectory prepared for the rules: every judged message parsed once, in both readings.

use super::Options;
use super::arguments::Validators;
use super::turns::{Turn, turns};
use crate::dialects::{self, Dialect, Markup, RefusalKind, Runtime, RuntimeReading, TextCall};
use crate::model::{Policy, Reading, Reply, Source, Span, Step, ToolCall, ToolDef, Trajectory};
use crate::util::redact::Redactor;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};

/// Everything that a rule may look at.
pub(super) struct View<'a> {
    pub(super) trajectory: &'a Trajectory,
    pub(super) policy: &'a Policy,
    /// Dialect of text calls.
    pub(super) dialect: &'static Dialect,
    /// The runtime of the second reading, if the dialect has one.
    pub(super) runtime: Option<&'static Runtime>,
    /// Whether the runtime reading counts.
    pub(super) counts_runtime: bool,
    /// Whether calls are expected as native objects.
    pub(super) native: bool,
    /// Tool list, if one is known.
    pub(super) tools: Option<&'a [ToolDef]>,
    pub(super) messages: Vec<Message<'a>>,
    /// What finds secrets, if it knows more than their shapes.
    pub(super) redactor: Option<&'a Redactor>,
    /// What is known to be no secret.
    pub(super) allowed: Option<&'a BTreeSet<String>>,
    turns: OnceCell<Vec<Turn>>,
    /// Words of which it is known whether the user or the instructions name them.
    pub(super) named: RefCell<HashMap<String, bool>>,
    pub(super) validators: Validators,
}

/// One judged message.
pub(super) struct Message<'a> {
    /// Index among the judged messages.
    pub(super) index: u64,
    /// Index among the steps.
    pub(super) position: usize,
    pub(super) step: &'a Step,
    pub(super) text: Cow<'a, str>,
    pub(super) markup: Markup,
    /// What the runtime makes of the text; `None` without a runtime or with native calls expected.
    pub(super) seen: Option<RuntimeReading>,
    pub(super) finish: Option<&'a str>,
}

impl<'a> View<'a> {
    pub(super) fn new(trajectory: &'a Trajectory, policy: &'a Policy, options: &Options<'a>) -> Self {
        let named = match &policy.reading {
            Reading::Runtime(Some(name)) => dialects::find_runtime(name),
            _ => None,
        };
        let asked = policy.dialect.as_deref();
        let own = asked.or_else(|| replies(trajectory).find_map(|reply| reply.dialect.as_deref()));
        let dialect = named
            .map(|(dialect, _)| dialect)
            .or_else(|| own.and_then(dialects::find))
            .unwrap_or(dialects::ALL[0]);
        let runtime = named.map(|(_, runtime)| runtime).or_else(|| dialect.runtimes.last());
        let mut view = View {
            trajectory,
            policy,
            dialect,
            runtime,
            counts_runtime: matches!(policy.reading, Reading::Runtime(_)) && runtime.is_some(),
            native: false,
            tools: options.tools.or(trajectory.agent.tools.as_deref()),
            messages: Vec::new(),
            redactor: options.redactor,
            allowed: options.allowed,
            turns: OnceCell::new(),
            named: RefCell::default(),
            validators: Validators::default(),
        };
        let steps = trajectory.steps.iter().enumerate();
        let judged = steps.filter(|(_, step)| step.source == Source::Agent && !step.frame);
        for (index, (position, step)) in judged.enumerate() {
            let text = step.judged_text();
            let markup = (dialect.parse)(&text);
            let finish = step.reply.as_ref().and_then(|reply| reply.finish_reason.as_deref());
            let index = index as u64;
            view.messages.push(Message { index, position, step, text, markup, seen: None, finish });
        }
        view.native = match own {
            Some(word) => word == "native",
            None => view.messages.iter().find_map(Message::evidence).unwrap_or(false),
        };
        if !view.native && !options.strict_only {
            view.read_as_runtime();
        }
        view
    }

    fn read_as_runtime(&mut self) {
        let Some(runtime) = self.runtime else { return };
        let tools = self.tools;
        for message in &mut self.messages {
            let made_up;
            let tools = if let Some(tools) = tools {
                tools
            } else {
                made_up = tools_of(&message.markup, &message.text);
                made_up.as_slice()
            };
            message.seen = Some((runtime.read)(&message.text, tools, message.index as u32 + 1));
        }
    }

    /// The turns of the trajectory, for rules about loops; made when the first of them asks.
    pub(super) fn turns(&self) -> &[Turn] {
        self.turns.get_or_init(|| turns(self))
    }

    /// The tool of that name.
    pub(super) fn tool(&self, name: &str) -> Option<&'a ToolDef> {
        self.tools?.iter().find(|tool| tool.name == name)
    }

    /// The step after a message's own that is not part of the prompt frame.
    pub(super) fn next_step(&self, message: &Message) -> Option<&'a Step> {
        self.trajectory.steps[message.position + 1..].iter().find(|step| !step.frame)
    }
}

/// A tool list that accepts what the message itself calls: without a known list nothing can be unknown.
fn tools_of(markup: &Markup, text: &str) -> Vec<ToolDef> {
    let mut properties = Map::new();
    let params = markup.calls.iter().flat_map(|call| &call.params);
    properties.extend(params.map(|param| (param.name.clone(), json!({ "type": "string" }))));
    let objects = markup.calls.iter().filter_map(|call| call.arguments.as_ref()?.value.parsed.as_ref());
    properties.extend(objects.flat_map(Map::keys).map(|name| (name.clone(), json!({}))));
    // Parameters of nested calls are merged into the outer one by a runtime.
    for part in text.split("<parameter=").skip(1) {
        if let Some((name, _)) = part.split_once('>')
            && name.len() <= 256
        {
            properties.insert(name.to_owned(), json!({ "type": "string" }));
        }
    }
    let schema = json!({ "type": "object", "properties": Value::Object(properties) });
    let mut names: Vec<&str> = markup.calls.iter().map(|call| call.name.as_str()).collect();
    names.extend(
        text.split("<function=").skip(1).filter_map(|part| part.split_once('>').map(|(name, _)| name)),
    );
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| name.len() <= 256)
        .map(|name| ToolDef { name: name.to_owned(), description: String::new(), parameters: schema.clone() })
        .collect()
}

fn replies(trajectory: &Trajectory) -> impl Iterator<Item = &Reply> {
    trajectory.judged().filter_map(|step| step.reply.as_ref())
}

impl Message<'_> {
    /// Whether the message speaks for native calls (`Some(true)`), for text calls, or for neither.
    fn evidence(&self) -> Option<bool> {
        if !self.native_calls().is_empty() {
            Some(true)
        } else if !self.markup.calls.is_empty() {
            Some(false)
        } else {
            None
        }
    }

    /// Calls that came as objects. Where the raw reply is known and has none, the step's calls were
    /// parsed from its text and are judged there.
    pub(super) fn native_calls(&self) -> &[ToolCall] {
        if self.step.reply.as_ref().is_none_or(|reply| reply.native) { &self.step.calls } else { &[] }
    }

    /// Text calls outside reasoning.
    pub(super) fn text_calls(&self) -> impl Iterator<Item = &TextCall> {
        self.markup.calls.iter().filter(|call| !self.in_reasoning(call.span))
    }

    /// Text calls inside reasoning blocks of the text.
    pub(super) fn hidden_calls(&self) -> impl Iterator<Item = &TextCall> {
        self.markup.calls.iter().filter(|call| self.in_reasoning(call.span))
    }

    fn in_reasoning(&self, span: Span) -> bool {
        self.markup.reasoning.iter().any(|block| block.start <= span.start && span.start < block.end)
    }

    /// Calls in the strict reading.
    pub(super) fn strict_calls(&self) -> usize {
        self.text_calls().count() + self.native_calls().len()
    }

    /// Calls in the runtime's reading. A refused call is no call.
    pub(super) fn runtime_calls(&self, view: &View) -> usize {
        match &self.seen {
            _ if view.native => self.native_calls().len(),
            Some(RuntimeReading::Calls { calls, .. }) => calls.len(),
            _ => 0,
        }
    }

    /// Whether the runtime gets a call out of the text.
    pub(super) fn runtime_takes_call(&self) -> bool {
        matches!(self.seen, Some(RuntimeReading::Calls { .. }))
    }

    /// Whether the runtime takes the whole text as a message to the user, or refuses it for want of a call.
    pub(super) fn runtime_sees_no_call(&self) -> bool {
        matches!(
            self.seen,
            Some(RuntimeReading::Message { .. } | RuntimeReading::Error { kind: RefusalKind::NoCall, .. })
        )
    }

    /// Whether the runtime refuses the message because it holds too many calls.
    pub(super) fn runtime_refuses_several(&self) -> bool {
        matches!(self.seen, Some(RuntimeReading::Error { kind: RefusalKind::SeveralCalls, .. }))
    }

    /// Whether the model was cut off by its output limit.
    pub(super) fn was_cut(&self) -> bool {
        self.finish.is_some_and(|word| {
            ["length", "max_tokens", "max_output_tokens", "model_length"]
                .iter()
                .any(|w| word.eq_ignore_ascii_case(w))
        })
    }

    /// Whether a call of the dialect stands in reasoning that came apart from the text.
    pub(super) fn call_in_separate_reasoning(&self, dialect: &Dialect) -> bool {
        self.step.reasoning.as_deref().is_some_and(|text| {
            dialect
                .markers
                .iter()
                .any(|mark| memchr::memmem::find(text.as_bytes(), mark.as_bytes()).is_some())
                && (dialect.parse)(text).calls.iter().any(|call| call.closed)
        })
    }
}
