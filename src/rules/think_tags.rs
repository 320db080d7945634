//! RE002 think-tags: parsers of reasoning look for one pair, and take the rest for the answer or lose it.

use super::think::{Tag, tags};
use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "RE002",
    name: "think-tags",
    about: "think tags are not balanced, or one stands inside another",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("think_tags.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    let tags = tags(message);
    if let Some((tag, text)) = flaw(&tags, message.was_cut()) {
        found.add(At::message(message, Some(tag.span)), Weight::both(Severity::Warning), text);
    }
}

/// The first flaw. A closing tag that comes first is RE004's: reasoning without an opening tag.
fn flaw(tags: &[Tag], cut: bool) -> Option<(Tag, String)> {
    let mut open: Option<Tag> = None;
    for (index, tag) in tags.iter().enumerate() {
        match (open, tag.opens) {
            (None, true) => open = Some(*tag),
            (None, false) if index > 0 => return Some((*tag, format!("</{}> closes nothing", tag.name))),
            (None, false) => {}
            (Some(first), true) => {
                return Some((*tag, format!("<{}> opens inside <{}>", tag.name, first.name)));
            }
            (Some(first), false) if first.name != tag.name => {
                return Some((*tag, format!("</{}> closes <{}>", tag.name, first.name)));
            }
            (Some(_), false) => open = None,
        }
    }
    let first = open.filter(|_| !cut)?;
    Some((first, format!("<{}> is never closed", first.name)))
}
