//! Secrets that reach over several texts which are read as one: the text parts of one message.
//!
//! A reader joins such parts, so that a key cut in two is a key again. Texts of two messages are not joined: nobody reads
//! them as one.

use super::{Redactor, Replacement};
use crate::model::Span;
use crate::util::json::View;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Kinds of parts that are text; some formats write none.
const TEXTS: [&str; 4] = ["text", "input_text", "output_text", ""];

/// Whether a part of that kind is text.
fn is_text(kind: Option<&str>) -> bool {
    TEXTS.contains(&kind.unwrap_or_default())
}

/// The texts of content parts among the elements of a list.
pub(super) fn texts_of(items: &mut [Value]) -> Vec<&mut String> {
    let texts = items.iter_mut().filter_map(|item| {
        let object = item.as_object_mut()?;
        if !is_text(object.get("type").and_then(Value::as_str)) {
            return None;
        }
        match object.get_mut("text")? {
            Value::String(text) => Some(text),
            _ => None,
        }
    });
    texts.collect()
}

/// The same in a file: the string literals.
pub(super) fn literals_of(list: View<'_>) -> Vec<View<'_>> {
    let texts = list.items().filter(|item| is_text(item.text_at("type").as_deref()));
    texts.filter_map(|item| item.get("text").filter(|text| text.text().is_some())).collect()
}

/// The secrets that reach over an end of one of the texts, cut at the ends: for each text, what takes which place in it.
/// The placeholder goes to the first text that a secret stands in, and nothing of it stays in the others.
pub(super) fn across(
    texts: &[&str],
    redactor: &Redactor,
    allowed: &BTreeSet<String>,
) -> Vec<Vec<Replacement>> {
    let mut out = vec![Vec::new(); texts.len()];
    let joined = texts.concat();
    let (mut which, mut start) = (0, 0);
    for hit in redactor.replacements(&joined, allowed) {
        while start + texts[which].len() <= hit.span.start {
            start += texts[which].len();
            which += 1;
        }
        let (mut part, mut from) = (which, start);
        if hit.span.end <= from + texts[part].len() {
            continue;
        }
        let mut placeholder = hit.placeholder;
        while from < hit.span.end {
            let end = from + texts[part].len();
            let span = Span::new(hit.span.start.max(from) - from, hit.span.end.min(end) - from);
            if !span.is_empty() {
                out[part].push(Replacement {
                    kind: hit.kind.clone(),
                    span,
                    placeholder: std::mem::take(&mut placeholder),
                });
            }
            (part, from) = (part + 1, end);
        }
    }
    out
}

impl Redactor {
    /// Takes secrets out of texts that are read as one, also those that reach over several of them.
    pub fn redact_joined(&self, texts: &mut [&mut String]) {
        let none = BTreeSet::new();
        for _ in 0..super::ROUNDS {
            for text in texts.iter_mut() {
                if let Cow::Owned(clean) = self.redact(text) {
                    **text = clean;
                }
            }
            if texts.len() < 2 {
                return;
            }
            let found = across(&texts.iter().map(|text| text.as_str()).collect::<Vec<_>>(), self, &none);
            if found.iter().all(Vec::is_empty) {
                return;
            }
            for (text, hits) in texts.iter_mut().zip(found) {
                for hit in hits.iter().rev() {
                    text.replace_range(hit.span.start..hit.span.end, &hit.placeholder);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> String {
        format!("sk-{}", "a1b2c3d4".repeat(4))
    }

    /// The parts of a text that is cut at these places.
    fn cut(text: &str, cuts: &[usize]) -> Vec<String> {
        let ends = cuts.iter().copied().chain([text.len()]);
        let mut at = 0;
        ends.map(|end| text[std::mem::replace(&mut at, end)..end].to_owned()).collect()
    }

    #[test]
    fn a_key_in_pieces_leaves_one_placeholder_wherever_it_is_cut() {
        let text = format!("é {} and {} end", key(), key());
        let whole = Redactor::default().redact(&text).into_owned();
        let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for (n, one) in borders.iter().enumerate() {
            for two in
                [*one, borders[(n + 1).min(borders.len() - 1)], borders[(n + 20).min(borders.len() - 1)]]
            {
                let mut parts = cut(&text, &[*one, two]);
                Redactor::default().redact_joined(&mut parts.iter_mut().collect::<Vec<_>>());
                let joined = parts.concat();
                assert_eq!(Redactor::default().scan(&joined), [], "{joined}");
                assert_eq!(joined.matches("<SECRET:").count(), 2, "{joined}");
                assert!(joined.starts_with("é ") && joined.ends_with(" end") && joined.contains(" and "));
                assert_eq!(joined.len(), whole.len(), "{joined}");
            }
        }
    }

    #[test]
    fn parts_of_one_message_are_joined_and_other_lists_are_not() {
        let whole = key();
        let (one, two) = whole.split_at(12);
        let part = |kind: &str, text: &str| json!({"type": kind, "text": text});
        let content = json!([part("text", one), {"type": "image_url"}, part("text", two)]);
        let clean = Redactor::default().redact_value(json!({ "content": content }));
        assert_eq!(clean["content"][2]["text"], "");
        assert!(clean["content"][0]["text"].as_str().is_some_and(|text| text.starts_with("<SECRET:")));
        for apart in [
            json!([part("text", one), part("thinking", two)]),
            json!([one, two]),
            json!([{"content": one}, {"content": two}]),
        ] {
            assert_eq!(Redactor::default().redact_value(apart.clone()), apart);
        }
    }
}
