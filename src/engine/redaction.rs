//! What this attempt must not leak, taken out of its steps before they leave the engine.

use crate::model::{Message, Object, Source, Step, ToolDef};
use crate::util::redact::{Hit, Redactor};

/// A step without secrets; raw text, parsed forms and extras alike. Hits in the text that the rules judge are
/// added to `hits` with the step's id.
pub(super) fn step(step: Step, redactor: &Redactor, hits: &mut Vec<(u64, Vec<Hit>)>) -> Step {
    let mut step = step;
    if step.source == Source::Agent {
        let (_, mut found) = redactor.redact_with_hits(&step.judged_text());
        // Addresses, nonces and folders are taken out as they differ from run to run; who tells them leaks nothing.
        found.retain(|hit| !hit.kind.starts_with('<'));
        if !found.is_empty() {
            // The id is given by the log and never changes.
            hits.push((step.id, found));
        }
    }
    message(&mut step.message, redactor);
    if let Some(reasoning) = &mut step.reasoning {
        text(reasoning, redactor);
    }
    if let Some(reply) = &mut step.reply {
        text(&mut reply.text, redactor);
    }
    for call in &mut step.calls {
        text(&mut call.name, redactor);
        if let Some(raw) = &mut call.arguments.raw {
            text(raw, redactor);
        }
        if let Some(parsed) = &mut call.arguments.parsed {
            object(parsed, redactor);
        }
        object(&mut call.extra, redactor);
    }
    for result in step.observation.iter_mut().flat_map(|observation| &mut observation.results) {
        if let Some(content) = &mut result.content {
            message(content, redactor);
        }
        object(&mut result.extra, redactor);
    }
    object(&mut step.extra, redactor);
    step
}

/// Tool definitions without secrets: a program may have put anything into them.
pub(super) fn tools(tools: Vec<ToolDef>, redactor: &Redactor) -> Vec<ToolDef> {
    let clean = |tool: ToolDef| ToolDef {
        name: redactor.redact(&tool.name).into_owned(),
        description: redactor.redact(&tool.description).into_owned(),
        parameters: redactor.redact_value(tool.parameters),
    };
    tools.into_iter().map(clean).collect()
}

/// An object without secrets.
pub(super) fn object(object: &mut Object, redactor: &Redactor) {
    *object = redactor.redact_object(std::mem::take(object));
}

fn message(message: &mut Message, redactor: &Redactor) {
    match message {
        Message::Text(content) => text(content, redactor),
        Message::Parts(parts) => {
            let mut texts: Vec<&mut String> =
                parts.iter_mut().filter_map(|part| part.text.as_mut()).collect();
            redactor.redact_joined(&mut texts);
        }
    }
}

fn text(text: &mut String, redactor: &Redactor) {
    if let std::borrow::Cow::Owned(clean) = redactor.redact(text) {
        *text = clean;
    }
}
