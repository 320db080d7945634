//! Actions and observations to steps.
//!
//! An action is a reply of the model. Actions that follow each other without a text of their own are parallel calls
//! of one. An observation that names a call, or that follows one that nothing has answered, is its result.

use super::super::chat::expected;
use super::super::fields::{self, Fields};
use super::super::source::Refusal;
use super::super::text_calls;
use crate::model::{
    Arguments, ContentPart, Message, Object, Observation, ObservationResult, Place, Reply, Source as Speaker,
    Step, ToolCall, Trajectory,
};
use crate::util::json::View;

/// Reads one trajectory.
pub(super) fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a record", "an object with \"content\""));
    }
    let mut fields = Fields::of(record);
    let list = fields.any("content").ok_or_else(|| (record.offset(), "has no \"content\"".to_owned()))?;
    if !list.is_array() {
        return Err(expected(list, "\"content\"", "a list"));
    }
    let mut items = Items { steps: Vec::new(), next_id: 1 };
    list.items().for_each(|item| items.add(item, warnings));
    Ok(Trajectory {
        id: fields.string("id"),
        steps: items.steps,
        extra: fields.rest(),
        ..Trajectory::default()
    })
}

struct Items {
    steps: Vec<Step>,
    next_id: u32,
}

impl Items {
    fn push(&mut self, source: Speaker) -> &mut Step {
        self.steps.push(Step::new(self.steps.len() as u64 + 1, source, ""));
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    fn add(&mut self, item: View<'_>, warnings: &mut Vec<Refusal>) {
        let mut fields = Fields::of(item);
        match fields.string("class_").as_deref() {
            Some("message_action") => self.message(fields),
            Some("code_action") => {
                let name = fields.string("language").unwrap_or_default();
                let mut arguments = Object::new();
                arguments.extend(fields.any("content").map(|text| ("content".to_owned(), text.value())));
                self.call(fields, name, Arguments::object(arguments), Some("code_action"));
            }
            Some("api_action") => {
                let name = fields.string("function").unwrap_or_default();
                let arguments = super::super::chat::arguments(fields.any("kwargs"));
                self.call(fields, name, arguments, None);
            }
            Some("text_observation") => {
                let (message, place) = said(fields.any("content"));
                self.seen(fields, message, place, None);
            }
            Some("json_observation") => {
                let (message, place) = said(fields.any("content"));
                self.seen(fields, message, place, Some("json_observation"));
            }
            Some("web_observation") => {
                // What a browsing agent is shown is the tree of the page; the markup stays beside it.
                let text = fields.text("axtree");
                let (message, place) = said(text);
                self.seen(fields, message, place, Some("web_observation"));
            }
            Some("image_observation") => {
                let source =
                    Object::from_iter(fields.any("content").map(|at| ("content".to_owned(), at.value())));
                let part = ContentPart { kind: "image".to_owned(), text: None, source: Some(source) };
                self.seen(fields, Message::Parts(vec![part]), None, Some("image_observation"));
            }
            class => {
                let what = match class {
                    Some(class) => format!("the class '{class}' is not known: kept as it is"),
                    None => "an item has no \"class_\": kept as it is".to_owned(),
                };
                warnings.push((item.offset(), what));
                let step = self.push(Speaker::System);
                step.extra.insert("item".to_owned(), item.value());
            }
        }
    }

    fn message(&mut self, mut fields: Fields<'_>) {
        let (message, place) = said(fields.any("content"));
        let text = message.text().into_owned();
        let reading = text_calls::read(&text, &mut self.next_id);
        fields.drop_if("description", |text| text.text().as_deref() == Some(""));
        let step = self.push(Speaker::Agent);
        (step.message, step.place) = (message, place);
        if !reading.calls.is_empty() {
            step.message = Message::Text(reading.content.into_owned());
            step.calls = reading.calls;
        }
        step.reasoning = fields.string("reasoning_content");
        step.extra = fields.rest();
        let dialect = reading.dialect.map(str::to_owned);
        step.reply = Some(Reply { text, dialect, place, ..Reply::default() });
    }

    fn call(&mut self, mut fields: Fields<'_>, name: String, arguments: Arguments, class: Option<&str>) {
        let description = fields.text("description");
        let text = description.and_then(View::text).unwrap_or_default().into_owned();
        let reasoning = fields.string("reasoning_content");
        // Every call counts, so that a made id does not depend on which others have one.
        let made = self.next_id;
        self.next_id += 1;
        let id = fields.string("tool_call_id").unwrap_or_else(|| format!("call_{made:02}"));
        let mut extra = fields.rest();
        extra.extend(class.map(|class| ("class_".to_owned(), class.into())));
        let place = Some(fields.view().value_place());
        let call = ToolCall { id, name, arguments, extra, place };
        let parallel = text.is_empty() && reasoning.is_none();
        let open = self.steps.last_mut().filter(|step| {
            parallel
                && step.observation.is_none()
                && !step.calls.is_empty()
                && step.reply.as_ref().is_some_and(|reply| reply.native)
        });
        if let Some(step) = open {
            step.calls.push(call);
            return;
        }
        let place = description.map(View::place);
        let step = self.push(Speaker::Agent);
        step.message = Message::Text(text.clone());
        (step.place, step.reasoning, step.calls) = (place, reasoning, vec![call]);
        step.reply =
            Some(Reply { text, native: true, dialect: Some("native".to_owned()), place, ..Reply::default() });
    }

    fn seen(&mut self, mut fields: Fields<'_>, message: Message, place: Option<Place>, class: Option<&str>) {
        let named = fields.string("tool_call_id");
        let makes = |step: &Step| step.calls.iter().any(|call| Some(&call.id) == named.as_ref());
        let own = self.steps.iter().enumerate().rev().take(64).find(|(_, step)| makes(step)).map(|(n, _)| n);
        // Without an id it answers the first call of the last reply that nothing has answered.
        let open = self.steps.last().filter(|step| named.is_none() && step.source == Speaker::Agent);
        let open = open.and_then(|step| {
            let done = step.observation.as_ref().map_or(0, |seen| seen.results.len());
            step.calls.get(done).map(|call| call.id.clone())
        });
        let source = fields.view().text_at("source");
        let class_of = |extra: &mut Object| {
            extra.extend(class.map(|class| ("class_".to_owned(), class.into())));
        };
        if named.is_none() && open.is_none() {
            let speaker = if source.as_deref() == Some("system") { Speaker::System } else { Speaker::User };
            let implied = if speaker == Speaker::System { "system" } else { "user" };
            fields.drop_if("source", |word| word.text().as_deref() == Some(implied));
            // Null is what the producer writes where there is no name.
            fields.drop_if("name", |_| false);
            let mut extra = fields.rest();
            class_of(&mut extra);
            let step = self.push(speaker);
            (step.message, step.place, step.extra) = (message, place, extra);
            return;
        }
        fields.drop_if("source", |word| word.text().as_deref() == Some("environment"));
        let name = fields.string("name");
        let mut extra = fields.rest();
        class_of(&mut extra);
        let near = self.steps.iter().rposition(|step| step.source == Speaker::Agent);
        let last = open.is_some().then(|| self.steps.len() - 1);
        let index = last.or(own).or(near).unwrap_or_else(|| {
            self.push(Speaker::User);
            self.steps.len() - 1
        });
        let call_id = open.or(named);
        let result = ObservationResult {
            call_id,
            name,
            content: Some(message),
            place,
            extra,
            ..ObservationResult::default()
        };
        self.steps[index].observation.get_or_insert_with(Observation::default).results.push(result);
    }
}

fn said(value: Option<View<'_>>) -> (Message, Option<Place>) {
    let content = fields::content(value);
    (content.message, content.place)
}
