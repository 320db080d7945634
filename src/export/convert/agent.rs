//! What the model says: calls as objects or in the text, and the way from one to the other.

use super::super::dialogue::{Call, Role, Turn};
use super::super::reason::{Reason, Reject};
use super::{Work, is_native, text, think};
use crate::dialects::{self, Dialect, RuntimeReading};
use crate::model::{Step, ToolCall, ToolDef};
use serde_json::Value;

/// Text calls are written in this dialect.
const DIALECT: &str = "openhands";

/// Calls in text become objects as this runtime, the newest, reads them.
const RUNTIME: &str = "openhands-v1";

impl Work<'_> {
    /// The turn of an agent step.
    pub(super) fn agent(&mut self, step: &Step) -> Result<Turn, Reject> {
        let native_step = is_native(step);
        let (content, calls) = if native_step {
            (
                text(&step.message, step.id)?.into_owned(),
                step.calls.iter().map(|call| object(call, step.id)).collect::<Result<_, _>>()?,
            )
        } else if self.native && !self.source_native {
            self.call_of_text(step)?
        } else {
            // Text in a text dialogue, or text that a model wrote among native calls: as it stands.
            text(&step.message, step.id)?;
            (step.judged_text().into_owned(), Vec::new())
        };
        let (content, reasoning) = think::apply(self.ask.think, content, step.reasoning.as_deref(), step.id)?;
        let mut turn = Turn::new(Role::Assistant, content, step.id);
        turn.reasoning = reasoning;
        if !self.native && native_step {
            self.notes.converted += calls.len() as u64;
            // Several calls wait for the one who splits or rejects them.
            if calls.len() < 2 {
                turn.content = in_text(&turn.content, &calls, step.id)?;
                return Ok(turn);
            }
        }
        turn.calls = calls;
        Ok(turn)
    }

    /// A call in text as an object, if the runtime reads it without a repair.
    fn call_of_text(&mut self, step: &Step) -> Result<(String, Vec<Call>), Reject> {
        let raw = step.judged_text();
        let malformed = |what: &str| Reject::new(Reason::MalformedCall, format!("step {}: {what}", step.id));
        let tools = self.trajectory.agent.tools.as_deref().unwrap_or_default();
        let Some((dialect, runtime)) = dialects::find_runtime(RUNTIME) else {
            return Err(malformed("nothing can read its calls"));
        };
        let markup = (dialect.parse)(&raw);
        if markup.calls.is_empty() && markup.fragments.is_empty() {
            return Ok((raw.into_owned(), Vec::new()));
        }
        let RuntimeReading::Calls { content, calls, repairs } = (runtime.read)(&raw, tools, 1) else {
            return Err(malformed("its text holds markup of a call that no runtime takes"));
        };
        let [call] = <[_; 1]>::try_from(calls).map_err(|_| malformed("its text holds several calls"))?;
        if let Some(repair) = repairs.first() {
            return Err(malformed(&format!("its call needs a repair ({})", repair.kind)));
        }
        self.notes.converted += 1;
        // The id that the results of the step refer to.
        let id = step.calls.first().map_or(call.id, |known| known.id.clone());
        range(&Value::Object(call.arguments.clone()), step.id)?;
        Ok((content, vec![Call { id, name: call.name, arguments: call.arguments, raw: None }]))
    }
}

fn object(call: &ToolCall, step: u64) -> Result<Call, Reject> {
    let Some(arguments) = call.arguments.parsed.clone() else {
        let text = format!("step {step}: the arguments of '{}' are no JSON object", call.name);
        return Err(Reject::new(Reason::ArgumentsNotObject, text));
    };
    let arguments = Value::Object(arguments);
    range(&arguments, step)?;
    let Value::Object(arguments) = arguments else {
        return Err(Reject::new(Reason::ArgumentsNotObject, format!("step {step}: no JSON object")));
    };
    Ok(Call { id: call.id.clone(), name: call.name.clone(), arguments, raw: call.arguments.raw.clone() })
}

/// Readers of data sets have 64-bit signed integers: beyond them a number would lose digits.
fn range(value: &Value, step: u64) -> Result<(), Reject> {
    match value {
        Value::Number(number) => {
            let fits = number.is_i64() || number.as_f64().is_some_and(|float| float.abs() < 9.2e18);
            if fits {
                Ok(())
            } else {
                let text = format!("step {step}: {number} is beyond 64-bit integers");
                Err(Reject::new(Reason::NumberOutOfRange, text))
            }
        }
        Value::Array(items) => items.iter().try_for_each(|item| range(item, step)),
        Value::Object(object) => object.values().try_for_each(|item| range(item, step)),
        _ => Ok(()),
    }
}

fn dialect() -> Option<&'static Dialect> {
    dialects::find(DIALECT)
}

/// Text with its calls behind it, as the dialect writes them.
pub(super) fn in_text(content: &str, calls: &[Call], step: u64) -> Result<String, Reject> {
    let Some(dialect) = dialect() else { return Ok(content.to_owned()) };
    let calls: Vec<dialects::Call<'_>> = calls
        .iter()
        .map(|call| dialects::Call { id: &call.id, name: &call.name, arguments: &call.arguments })
        .collect();
    (dialect.render)(content, &calls)
        .map_err(|why| Reject::new(Reason::MalformedCall, format!("step {step}: {why}")))
}

/// A result as a user message of the dialect.
pub(super) fn observe(tool: &str, output: &str) -> String {
    dialect().map_or_else(|| output.to_owned(), |dialect| (dialect.observe)(tool, output))
}

/// Puts the list of tools and the rules of the dialect into the system prompt.
pub(super) fn tell_tools(turns: &mut Vec<Turn>, tools: &[ToolDef]) {
    let Some(dialect) = dialect() else { return };
    let told = (dialect.describe)(tools);
    match turns.first_mut() {
        Some(first) if first.role == Role::System => {
            first.content.push_str("\n\n");
            first.content.push_str(&told);
        }
        _ => turns.insert(0, Turn::new(Role::System, told, 0)),
    }
}
