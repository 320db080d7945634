//! Where messages and their parts stand in an attribute: as nested values, or as JSON in a string.

use super::attributes::kind;
use crate::model::Place;
use crate::util::json::{self, View, advance_from};

/// Where an item of a list stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Spot {
    /// The item as a whole.
    pub(super) whole: Option<Place>,
    /// The text of a part.
    pub(super) text: Option<Place>,
    /// The parts of a message.
    pub(super) parts: Vec<Spot>,
}

/// Keys under which a part has its text.
const TEXTS: [&str; 3] = ["content", "response", "result"];

/// The items of an attribute's list; those of messages with their parts.
pub(super) fn of(value: View<'_>) -> Vec<Spot> {
    match kind(value) {
        Some(("stringValue", inner)) => {
            let Some(text) = inner.text() else { return Vec::new() };
            let first = text.len() - text.trim_start().len();
            let Ok(node) = json::parse_at(text.as_bytes(), first, &mut Vec::new()) else { return Vec::new() };
            let raw = inner.raw().get(1..).unwrap_or_default();
            let mut tree = InText { start: inner.place().offset, raw, walked: (0, 0) };
            spots(&mut tree, View::new(text.as_bytes(), &node), true)
        }
        Some(("arrayValue", _)) => spots(&mut Values, value, true),
        _ => Vec::new(),
    }
}

/// How a tree is written.
trait Tree {
    fn items<'v>(&self, list: View<'v>) -> Vec<View<'v>>;
    fn member<'v>(&self, object: View<'v>, key: &str) -> Option<View<'v>>;
    fn whole(&mut self, value: View<'_>) -> Place;
    /// `None` for what is no string.
    fn text(&mut self, value: View<'_>) -> Option<Place>;
}

fn spots(tree: &mut impl Tree, list: View<'_>, messages: bool) -> Vec<Spot> {
    let mut out = Vec::new();
    for item in tree.items(list) {
        let whole = Some(tree.whole(item));
        let text = TEXTS.iter().find_map(|key| tree.member(item, key)).and_then(|text| tree.text(text));
        let parts = tree.member(item, "parts").filter(|_| messages);
        let parts = parts.map(|parts| spots(tree, parts, false)).unwrap_or_default();
        out.push(Spot { whole, text, parts });
    }
    out
}

/// Values as the encoding nests them.
struct Values;

impl Tree for Values {
    fn items<'v>(&self, list: View<'v>) -> Vec<View<'v>> {
        let values = list.get("arrayValue").and_then(|list| list.get("values"));
        values.into_iter().flat_map(View::items).collect()
    }

    fn member<'v>(&self, object: View<'v>, key: &str) -> Option<View<'v>> {
        let pairs = object.get("kvlistValue")?.get("values")?;
        let pair = pairs.items().find(|pair| pair.text_at("key").as_deref() == Some(key))?;
        pair.get("value")
    }

    fn whole(&mut self, value: View<'_>) -> Place {
        value.value_place()
    }

    fn text(&mut self, value: View<'_>) -> Option<Place> {
        let text = value.get("stringValue")?;
        text.text().map(|_| text.place())
    }
}

/// JSON in a string.
struct InText<'a> {
    /// Where the inside of the string starts in the file.
    start: u64,
    raw: &'a [u8],
    /// Raw and decoded bytes of it that lie behind.
    walked: (usize, usize),
}

impl InText<'_> {
    fn byte(&mut self, decoded: usize) -> u64 {
        let from = if self.walked.1 <= decoded { self.walked } else { (0, 0) };
        self.walked = advance_from(self.raw, from, decoded);
        self.start + self.walked.0 as u64
    }
}

impl Tree for InText<'_> {
    fn items<'v>(&self, list: View<'v>) -> Vec<View<'v>> {
        list.items().collect()
    }

    fn member<'v>(&self, object: View<'v>, key: &str) -> Option<View<'v>> {
        object.get(key)
    }

    /// Its start alone: what stands there is no JSON before the string around it is decoded.
    fn whole(&mut self, value: View<'_>) -> Place {
        Place { offset: self.byte(value.offset()), json: true, ..Place::default() }
    }

    fn text(&mut self, value: View<'_>) -> Option<Place> {
        value.text()?;
        let offset = self.byte(value.offset() + 1);
        Some(Place { offset, json: true, nested: true, ..Place::default() })
    }
}
