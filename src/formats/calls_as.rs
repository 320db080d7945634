//! How calls are written, turned: objects into the text of a dialect, text into objects, text into other text.
//!
//! Invariant: nothing is guessed. A message is turned only if the strict grammar reads from the result exactly what
//! was to be written; one that is not stays as it is, and a remark names its step. What a dialect has no place for
//! (ids; types of values where it writes bare text) is found by comparing both sides as objects: [`as_objects`].

use super::{Changes, text_calls};
use crate::dialects::{self, Call, Dialect, Markup, openhands_prompt};
use crate::model::{Arguments, Message, Object, Reply, Source, Step, ToolCall, ToolDef, Trajectory};
use serde_json::{Value, json};

/// The key of a trajectory's extra under which tools stand that the system prompt tells of.
pub(super) const TOLD: &str = "tools_in_prompt";

/// The form that calls shall have.
#[derive(Clone, Copy)]
pub enum CallForm {
    /// Objects beside the text.
    Native,
    /// Text in a dialect.
    Text(&'static Dialect),
}

impl CallForm {
    /// The form of that name: `native`, or a dialect.
    pub fn find(name: &str) -> Option<Self> {
        if name == "native" { Some(Self::Native) } else { dialects::find(name).map(Self::Text) }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Text(dialect) => dialect.name,
        }
    }
}

/// Gives all calls of a trajectory that form, those of its subagents too. Remarks name steps of the trajectory.
///
/// With text, the tools are told at the end of the system prompt, and the list itself goes to the trajectory's
/// `extra.tools_in_prompt`; turning the calls into objects puts it back.
pub fn calls_as(trajectory: &mut Trajectory, form: CallForm, changes: &mut Changes) {
    turn(trajectory, form, None, changes);
}

/// The trajectory with its calls as objects, as far as they can be read; `tools` are those that a system prompt in
/// the same form may tell of. Both sides of a comparison are brought into this form.
pub(super) fn as_objects(trajectory: &mut Trajectory, tools: Option<&[ToolDef]>) {
    turn(trajectory, CallForm::Native, tools, &mut Changes::default());
}

fn turn(trajectory: &mut Trajectory, form: CallForm, tools: Option<&[ToolDef]>, changes: &mut Changes) {
    let from = trajectory.steps.iter().find_map(text_calls::dialect_of);
    take_back(trajectory, from, tools);
    let known = trajectory.agent.tools.clone().unwrap_or_default();
    let mut next_id = 1;
    for step in trajectory.steps.iter_mut().filter(|step| step.source == Source::Agent) {
        if let Some(dialect) = text_calls::dialect_of(step)
            && !matches!(form, CallForm::Text(wanted) if wanted.name == dialect.name)
        {
            match objects(step, dialect, &known) {
                Ok(()) => changes.note("calls read from text", Some(step.id)),
                Err(why) => changes.note(why, Some(step.id)),
            }
        }
        if let CallForm::Text(dialect) = form
            && !step.calls.is_empty()
            && text_calls::dialect_of(step).is_none()
        {
            match text(step, dialect, &mut next_id) {
                Ok(()) => changes.note("calls written as text", Some(step.id)),
                Err(why) => changes.note(why, Some(step.id)),
            }
        } else {
            next_id += step.calls.len() as u32;
        }
    }
    match form {
        CallForm::Text(dialect) => tell(trajectory, dialect, changes),
        CallForm::Native => {
            let prompts = trajectory.steps.iter().filter(|step| step.source == Source::System);
            for step in prompts {
                if openhands_prompt::read_tools(&step.message.text()).is_some() {
                    changes.note("system prompt still tells how calls are written as text", Some(step.id));
                }
            }
        }
    }
    for subagent in &mut trajectory.subagents {
        turn(subagent, form, tools, changes);
    }
}

/// Reads the calls of a step out of its text. The error says why they stay there.
fn objects(step: &mut Step, dialect: &'static Dialect, tools: &[ToolDef]) -> Result<(), &'static str> {
    let Some(reply) = &step.reply else { return Ok(()) };
    let markup = (dialect.parse)(&reply.text);
    let Some((content, calls)) = strict(&reply.text, &markup, dialect, tools) else {
        return Err("calls left as text: the grammar does not read all of the message");
    };
    if calls.len() != step.calls.len() {
        return Err("calls left as text: they are not those of the step");
    }
    for (call, (name, arguments)) in step.calls.iter_mut().zip(calls) {
        call.name = name;
        call.arguments = arguments;
    }
    let content = content.to_owned();
    step.reply = Some(Reply {
        text: content.clone(),
        dialect: Some("native".to_owned()),
        native: true,
        finish_reason: reply.finish_reason.clone(),
        place: None,
    });
    step.message = Message::Text(content);
    Ok(())
}

/// The text before the calls and the calls, if the message is nothing but these.
fn strict<'t>(
    text: &'t str,
    markup: &Markup,
    dialect: &Dialect,
    tools: &[ToolDef],
) -> Option<(&'t str, Vec<(String, Arguments)>)> {
    let first = markup.calls.first()?;
    let clean = markup.fragments.is_empty() && markup.foreign.is_empty();
    let mut end = first.span.start;
    for call in &markup.calls {
        let repeated = |n: usize| call.params[..n].iter().any(|other| other.name == call.params[n].name);
        let whole = call.closed && call.flaws.is_empty() && call.nested.is_empty();
        if !whole
            || (0..call.params.len()).any(repeated)
            || !text.get(end..call.span.start)?.trim().is_empty()
        {
            return None;
        }
        end = call.span.end;
    }
    if !clean || !text.get(end..)?.trim().is_empty() {
        return None;
    }
    let wraps = wraps_values(dialect);
    let calls: Vec<(String, Arguments)> = markup
        .calls
        .iter()
        .map(|call| {
            let mut arguments = text_calls::arguments(call, text);
            if call.arguments.is_none() {
                if wraps {
                    unwrap_lines(&mut arguments);
                }
                typed(&mut arguments, tools.iter().find(|tool| tool.name == call.name));
            }
            (call.name.clone(), arguments)
        })
        .collect();
    Some((before(text, first.span.start, dialect, &calls), calls))
}

/// The text before the first call, without the gap that the dialect writes between them.
fn before<'t>(text: &'t str, end: usize, dialect: &Dialect, calls: &[(String, Arguments)]) -> &'t str {
    let head = &text[..end];
    let short = head.trim_end();
    if head.len() - short.len() <= 1 {
        return short;
    }
    // Blanks at the end of the text look like the gap: it is as much as makes the same message again.
    let again = |content: &str| written(content, calls, dialect).is_some_and(|again| again == text);
    let gaps = [short.len()].into_iter().chain((short.len() + 1..end).rev());
    gaps.filter(|at| head.is_char_boundary(*at))
        .take(8)
        .map(|at| &head[..at])
        .find(|content| again(content))
        .unwrap_or(short)
}

fn written(content: &str, calls: &[(String, Arguments)], dialect: &Dialect) -> Option<String> {
    let calls: Option<Vec<Call<'_>>> = calls
        .iter()
        .map(|(name, arguments)| Some(Call { id: "", name, arguments: arguments.parsed.as_ref()? }))
        .collect();
    (dialect.render)(content, &calls?).ok()
}

/// Whether the dialect writes each value on lines of its own: then a newline before and one behind it are markup.
fn wraps_values(dialect: &Dialect) -> bool {
    let probe = Object::from_iter([("p".to_owned(), Value::from("x"))]);
    let Ok(text) = (dialect.render)("", &[Call { id: "", name: "f", arguments: &probe }]) else {
        return false;
    };
    let markup = (dialect.parse)(&text);
    let value =
        markup.calls.first().and_then(|call| call.params.first()).map(|param| param.value.text(&text));
    value == Some("\nx\n")
}

/// Values without the newlines that are markup.
fn unwrap_lines(arguments: &mut Arguments) {
    for (_, value) in arguments.parsed.iter_mut().flatten() {
        if let Value::String(text) = value {
            let inner = text.strip_prefix('\n').unwrap_or(text);
            *text = inner.strip_suffix('\n').unwrap_or(inner).to_owned();
        }
    }
}

/// Values that were written as bare text, of the types that the tool says.
fn typed(arguments: &mut Arguments, tool: Option<&ToolDef>) {
    let (Some(object), Some(tool)) = (&mut arguments.parsed, tool) else { return };
    let Some(properties) = tool.parameters.get("properties") else { return };
    for (name, value) in object {
        let kinds = properties.get(name.as_str()).map(kinds).unwrap_or_default();
        let Value::String(text) = &*value else { continue };
        if kinds.is_empty() || kinds.contains(&"string") {
            continue;
        }
        let Ok(read) = serde_json::from_str::<Value>(text) else { continue };
        let fits = kinds.iter().any(|kind| match *kind {
            "integer" => read.is_i64() || read.is_u64(),
            "number" => read.is_number(),
            "boolean" => read.is_boolean(),
            "array" => read.is_array(),
            "object" => read.is_object(),
            "null" => read.is_null(),
            _ => false,
        });
        if fits {
            *value = read;
        }
    }
}

/// The types that a property may have; none if it does not say, or not in a way that is sure.
pub(super) fn kinds(property: &Value) -> Vec<&str> {
    if let Some(options) = ["anyOf", "oneOf"].iter().find_map(|key| property.get(*key)?.as_array()) {
        let all: Vec<Vec<&str>> = options.iter().map(kinds).collect();
        return if all.iter().any(Vec::is_empty) { Vec::new() } else { all.concat() };
    }
    match property.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Writes the calls of a step into its text. The error says why they stay objects.
fn text(step: &mut Step, dialect: &'static Dialect, next_id: &mut u32) -> Result<(), &'static str> {
    if let Message::Parts(parts) = &step.message
        && parts.iter().any(|part| part.text.is_none())
    {
        return Err("calls left as objects: the message holds more than text");
    }
    let content = step.message.text().into_owned();
    let calls: Option<Vec<Call<'_>>> = step
        .calls
        .iter()
        .map(|call| Some(Call { id: &call.id, name: &call.name, arguments: call.arguments.parsed.as_ref()? }))
        .collect();
    let calls = calls.ok_or("calls left as objects: arguments that are no JSON object")?;
    let rendered = (dialect.render)(&content, &calls)
        .map_err(|_| "calls left as objects: the dialect can't hold a name or a value")?;
    let markup = (dialect.parse)(&rendered);
    let read = strict(&rendered, &markup, dialect, &[]);
    let same = |read: &[(String, Arguments)]| {
        read.len() == calls.len() && read.iter().zip(&calls).all(|((name, _), call)| name == call.name)
    };
    if read.is_none_or(|(before, read)| before != content || !same(&read)) {
        return Err("calls left as objects: the text would be read in another way");
    }
    let read = text_calls::read_as(dialect, &rendered, next_id);
    // Results go with the new ids, and are told by the names of their calls.
    let mut renamed: Vec<(String, ToolCall)> = Vec::new();
    for (old, new) in std::mem::take(&mut step.calls).into_iter().zip(read.calls) {
        renamed.push((old.id, ToolCall { extra: old.extra, ..new }));
    }
    for result in step.observation.iter_mut().flat_map(|observation| &mut observation.results) {
        let own = renamed.iter().find(|(old, _)| Some(old) == result.call_id.as_ref());
        if let Some((_, call)) = own {
            result.call_id = Some(call.id.clone());
            result.name.get_or_insert_with(|| call.name.clone());
        }
    }
    step.calls = renamed.into_iter().map(|(_, call)| call).collect();
    step.message = Message::Text(read.content.into_owned());
    step.reply = Some(Reply {
        text: rendered,
        dialect: Some(dialect.name.to_owned()),
        native: false,
        finish_reason: step.reply.as_ref().and_then(|reply| reply.finish_reason.clone()),
        place: None,
    });
    Ok(())
}

/// Puts the tool list and the rules of the dialect at the end of the system prompt.
fn tell(trajectory: &mut Trajectory, dialect: &'static Dialect, changes: &mut Changes) {
    let Some(tools) = trajectory.agent.tools.take_if(|tools| !tools.is_empty()) else { return };
    let told = || super::chat::tools_in_prompt(&trajectory.steps).is_some_and(|told| told == tools);
    if dialect.name == "openhands" && told() {
        // A log in this very form: they are told already.
        trajectory.agent.tools = Some(tools);
        return;
    }
    let description = (dialect.describe)(&tools);
    let list: Vec<Value> = match trajectory.agent.raw_tools.take() {
        Some(raw) => raw,
        None => tools.iter().map(super::chat::tool_value).collect(),
    };
    trajectory.extra.insert(TOLD.to_owned(), json!({"dialect": dialect.name, "tools": list}));
    let first = trajectory.steps.first_mut().filter(|step| step.source == Source::System);
    match first {
        Some(step) => {
            changes.note("tools told in the system prompt", Some(step.id));
            match &mut step.message {
                Message::Text(text) => *text = format!("{text}\n\n{description}"),
                Message::Parts(parts) => parts.push(super::chat::text_part(format!("\n\n{description}"))),
            }
        }
        None => {
            changes.note("system prompt made that tells the tools", None);
            trajectory.steps.insert(0, Step::new(1, Source::System, description));
            for (step, id) in trajectory.steps.iter_mut().zip(1..) {
                step.id = id;
            }
        }
    }
}

/// Undoes [`tell`], as far as the system prompt is still as it was made.
fn take_back(trajectory: &mut Trajectory, dialect: Option<&'static Dialect>, tools: Option<&[ToolDef]>) {
    let kept = trajectory.extra.get(TOLD).cloned();
    let named = kept.as_ref().and_then(|kept| dialects::find(kept.get("dialect")?.as_str()?));
    let Some(dialect) = named.or(dialect) else { return };
    let list = kept.as_ref().and_then(|kept| kept.get("tools")?.as_array());
    let (read, raw) = match list {
        Some(list) => super::chat::tools_of(list),
        None => (None, None),
    };
    let Some(wanted) = read.as_deref().or(tools) else { return };
    let description = (dialect.describe)(wanted);
    let Some(step) = trajectory.steps.first_mut().filter(|step| step.source == Source::System) else {
        return;
    };
    let told = match &mut step.message {
        Message::Text(text) if *text == description => {
            text.clear();
            true
        }
        Message::Text(text) => {
            match text.strip_suffix(&description).and_then(|rest| rest.strip_suffix("\n\n")) {
                Some(rest) => {
                    text.truncate(rest.len());
                    true
                }
                None => false,
            }
        }
        Message::Parts(parts) => {
            let last = parts.last().and_then(|part| part.text.as_deref());
            let own = last.and_then(|text| text.strip_prefix("\n\n")) == Some(description.as_str());
            own && parts.pop().is_some()
        }
    };
    if !told {
        return;
    }
    if read.is_some() {
        trajectory.extra.shift_remove(TOLD);
        (trajectory.agent.tools, trajectory.agent.raw_tools) = (read, raw);
    }
    let made = step.message.text().is_empty() && step.extra == Object::new();
    if made {
        trajectory.steps.remove(0);
        for (step, id) in trajectory.steps.iter_mut().zip(1..) {
            step.id = id;
        }
    }
}
