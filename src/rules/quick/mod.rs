//! The FC family on raw lines: messages that surely keep the format are counted without a trajectory being built.
//!
//! For lines of format `openai-chat` alone. Invariant: a line that gets [`Counts`] is one for which the exact way
//! (read, judge) finds nothing, has nothing to remark and counts the same; every doubt is a `None`. A differential
//! test compares the two ways. Must not know: files.

mod tools;

use super::Options;
use super::no_finish::FINISHERS;
use crate::formats::raw_chat::{
    self, Call, Kind, Memo, Message, PROMPT_TOOLS, Role, arguments, no_markup, one_call,
};
use crate::model::{Policy, Reading};
use std::collections::HashSet;
use std::rc::Rc;
use tools::{Given, Tools};

pub use crate::formats::raw_chat::FORMAT;

/// Rules that are decided here; with another one on, lines are judged the exact way.
const DECIDED: [&str; 23] = [
    "FC001", "FC002", "FC003", "FC004", "FC005", "FC006", "FC007", "FC008", "FC009", "FC010", "FC011",
    "FC012", "FC013", "FC014", "FC015", "FC016", "FC017", "FC018", "FC019", "FC020", "FC021", "FC022",
    "FC023",
];

/// What is said of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Judged assistant messages, all of them compliant.
    pub messages: u64,
    /// Their calls.
    pub calls: u64,
}

/// Looks at lines one after the other. One worker has one: it remembers tool lists.
pub struct Quick {
    watched: &'static [u32],
    given: Option<Rc<Tools>>,
    lists: Memo<Tools>,
    prompts: Memo<Tools>,
    scratch: Vec<u8>,
}

impl Quick {
    /// `None` where rules, policy or options ask for more than is decided here.
    pub fn new(policy: &Policy, options: &Options<'_>) -> Option<Self> {
        let on = super::ALL.iter().filter(|rule| !options.off.contains(&rule.id));
        if policy.reading != Reading::Strict
            || policy.dialect.is_some()
            || !on.into_iter().all(|rule| DECIDED.contains(&rule.id))
        {
            return None;
        }
        Some(Self {
            watched: raw_chat::watched()?,
            given: options.tools.map(|tools| Rc::new(Tools::new(tools))),
            lists: Memo::default(),
            prompts: Memo::default(),
            scratch: Vec::new(),
        })
    }

    /// Counts the messages of one line (without its end), if nothing can be found in it.
    pub fn line(&mut self, line: &[u8]) -> Option<Counts> {
        let line = raw_chat::plain(line, self.watched)?;
        let lists = &mut self.lists;
        let record = raw_chat::read(line, |walk| lists.list(walk, Tools::of_list))?;
        let mut tools = record.tools;
        if let Some(given) = &self.given {
            tools = Some(Rc::clone(given));
        } else if tools.is_none() {
            let prompts = record.messages.iter().filter(|message| message.role.is_system());
            for content in prompts.map(|message| message.content) {
                let tells = memchr::memmem::find(content.raw, PROMPT_TOOLS).is_some();
                if content.parts && tells {
                    return None;
                }
                if tells && tools.is_none() {
                    tools = self.prompts.get(content.raw, || Tools::of_prompt(content.raw));
                }
            }
        }
        judge(&record.messages, tools.as_deref(), &mut self.scratch)
    }
}

/// Judges messages that alternate as they should: each assistant message has one call, text in the one kind of log,
/// native and answered at once in the other.
fn judge(messages: &[Message<'_>], tools: Option<&Tools>, scratch: &mut Vec<u8>) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut native = None;
    let mut ids: HashSet<&[u8]> = HashSet::new();
    // The call that waits for its result.
    let mut waits: Option<&Call<'_>> = None;
    let mut after_assistant = false;
    let mut last: &[u8] = b"";
    for message in messages {
        if let Some(call) = waits.take() {
            let answers = message.role == Role::Tool
                && message.call_id == Some(call.id)
                && message.name.is_none_or(|name| name == call.name);
            if !answers {
                return None;
            }
            after_assistant = false;
            continue;
        }
        match message.role {
            Role::Tool => return None,
            Role::System | Role::Developer | Role::User => after_assistant = false,
            Role::Assistant => {
                let quiet = message.reasoning.iter().flatten().all(|text| text.is_empty() || no_markup(text));
                if after_assistant
                    || !quiet
                    || *native.get_or_insert(message.call.is_some()) != message.call.is_some()
                {
                    return None;
                }
                counts.messages += 1;
                counts.calls += 1;
                let text = (!message.content.parts).then_some(message.content.raw)?;
                if let Some(call) = &message.call {
                    if !no_markup(text) || !ids.insert(call.id) {
                        return None;
                    }
                    check_native(call, tools, scratch)?;
                    waits = Some(call);
                    last = call.name;
                } else {
                    last = text_call(text, tools)?;
                }
                after_assistant = true;
            }
        }
    }
    let finishes = FINISHERS.iter().any(|name| name.as_bytes() == last);
    // A call that ends the run may stay without a result.
    if waits.is_some() && !finishes {
        return None;
    }
    let can_finish = tools.map_or(native == Some(false), |tools| tools.can_finish);
    (counts.messages == 0 || finishes || !can_finish).then_some(counts)
}

/// The name of the one call of a text, whose arguments are right by the tool's schema.
fn text_call<'a>(text: &'a [u8], tools: Option<&Tools>) -> Option<&'a [u8]> {
    let call = one_call(text)?;
    if let Some(tools) = tools {
        let given = call.params().iter().map(|(name, value)| Some((*name, Given::Text(value))));
        tools.tool(call.name)?.accepts(given)?;
    }
    Some(call.name)
}

/// Arguments that are one JSON object, and right by the tool's schema.
fn check_native(call: &Call<'_>, tools: Option<&Tools>, scratch: &mut Vec<u8>) -> Option<()> {
    let mut given = arguments(call.arguments, scratch)?;
    match tools {
        Some(tools) => tools.tool(call.name)?.accepts(given.map(as_given)),
        None => given.try_for_each(|argument| argument.map(|_| ())),
    }
}

fn as_given<'a>(member: Option<(&'a [u8], Kind, &'a [u8])>) -> Option<(&'a [u8], Given<'a>)> {
    member.map(|(name, kind, raw)| (name, Given::Json(kind, raw)))
}
