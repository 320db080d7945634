//! Writes the JSON that the page's script reads: nested arrays whose long texts may be shared.
//!
//! Invariant: what comes out is JSON whatever goes in, and no text steers a terminal: every one goes through
//! [`text`]. Objects are not needed: the script knows the order of the fields.

use super::super::text;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Bytes from which on a text is stored once and named by its number.
const SHARED: usize = 96;
/// Bytes that a name may have.
const NAME: usize = 1_000;
/// Bytes that a sentence may have.
const SENTENCE: usize = 10_000;
/// Stands where the number of a shared text goes.
const HOLE: char = '@';

/// JSON with holes for the numbers of shared texts.
#[derive(Debug, Default)]
pub(super) struct Parts {
    json: String,
    shared: Vec<Shared>,
}

/// A long text and where its number goes.
#[derive(Debug)]
pub(super) struct Shared {
    at: usize,
    /// The text as a JSON string.
    pub(super) json: String,
    /// Its digest: texts with the same are stored once.
    pub(super) digest: [u8; 32],
}

impl Parts {
    /// Bytes that it holds, shared texts included.
    pub(super) fn len(&self) -> usize {
        self.json.len() + self.shared.iter().map(|shared| shared.json.len()).sum::<usize>()
    }

    fn item(&mut self) {
        if !self.json.is_empty() && !self.json.ends_with(['[', ',']) {
            self.json.push(',');
        }
    }

    /// An array with what `fill` writes.
    pub(super) fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.item();
        self.json.push('[');
        fill(self);
        self.json.push(']');
    }

    /// A number or another value whose display is JSON; `None` is `null`.
    pub(super) fn value(&mut self, value: Option<impl std::fmt::Display>) {
        use std::fmt::Write as _;
        self.item();
        match value {
            Some(value) => drop(write!(self.json, "{value}")),
            None => self.json.push_str("null"),
        }
    }

    /// A number that may be no number.
    pub(super) fn float(&mut self, value: Option<f64>) {
        self.value(value.filter(|value| value.is_finite()));
    }

    /// A name: one line, not long, always in place.
    pub(super) fn name(&mut self, name: &str) {
        self.item();
        push_string(&mut self.json, &self::name(name));
    }

    /// Bytes that the script takes as they are.
    pub(super) fn plain(&mut self, ascii: &str) {
        self.item();
        push_string(&mut self.json, ascii);
    }

    /// A name that may be missing.
    pub(super) fn maybe_name(&mut self, name: Option<&str>) {
        match name {
            Some(name) => self.name(name),
            None => self.value(None::<u8>),
        }
    }

    /// A text of a model or a program, with what would steer a terminal made visible.
    pub(super) fn text(&mut self, content: &str) {
        self.item();
        let start = self.json.len();
        push_string(&mut self.json, &text::visible(content));
        if self.json.len() - start < SHARED {
            return;
        }
        let json = self.json.split_off(start);
        let digest = Sha256::digest(json.as_bytes()).into();
        self.shared.push(Shared { at: self.json.len(), json, digest });
        self.json.push(HOLE);
    }

    /// A sentence or more: a long one says at its end how much is missing.
    pub(super) fn sentence(&mut self, content: &str) {
        match text::capped(content, SENTENCE) {
            (_, 0) => self.text(content),
            (shown, cut) => self.text(&format!("{shown}\n[{cut} bytes more are not shown]")),
        }
    }

    /// A text cut after `bytes`, and how many bytes were cut.
    pub(super) fn capped(&mut self, content: &str, bytes: usize) {
        let (shown, cut) = text::capped(content, bytes);
        self.text(shown);
        self.value(Some(cut));
    }

    /// Puts what another writer made at this place.
    pub(super) fn append(&mut self, other: Parts) {
        self.item();
        let moved = self.json.len();
        self.json.push_str(&other.json);
        self.shared.extend(other.shared.into_iter().map(|shared| Shared { at: shared.at + moved, ..shared }));
    }

    /// The JSON, each shared text replaced by the number that `number` gives it.
    pub(super) fn resolve(self, mut number: impl FnMut(&Shared) -> usize) -> String {
        let mut out = String::with_capacity(self.json.len() + self.shared.len() * 4);
        let mut from = 0;
        for shared in &self.shared {
            out.push_str(&self.json[from..shared.at]);
            out.push_str(&number(shared).to_string());
            from = shared.at + HOLE.len_utf8();
        }
        out.push_str(&self.json[from..]);
        out
    }
}

/// A name as the page shows it.
pub(super) fn name(name: &str) -> Cow<'_, str> {
    match text::capped(name, NAME) {
        (shown, 0) => text::one_line_of(shown),
        (shown, _) => text::one_line_of(shown) + "…",
    }
}

/// A JSON string at the end of `out`.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    // Without an early end, so that many bytes are looked at at a time.
    let special = |byte| u8::from(byte < b' ' || byte == b'"' || byte == b'\\');
    if text.bytes().map(special).max().unwrap_or(0) == 0 {
        out.push_str(text);
    } else {
        let json = serde_json::Value::from(text).to_string();
        out.push_str(&json[1..json.len() - 1]);
    }
    out.push('"');
}

/// JSON as it may stand in a `script` element: nothing in it ends the element or opens a comment.
pub(super) fn in_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        out.push_str(&rest[..at]);
        let mut behind = rest[at..].chars();
        out.extend(behind.next().map(|c| format!("\\u{:04x}", c as u32)));
        rest = behind.as_str();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::{Parts, in_script};

    #[test]
    fn names_and_sentences_do_not_grow_without_bound() {
        let mut parts = Parts::default();
        parts.array(|list| {
            list.name(&"中".repeat(1_000_000));
            list.sentence(&"x".repeat(1_000_000));
        });
        assert!(parts.len() < 13_000, "{}", parts.len());
        let mut told = String::new();
        parts.resolve(|shared| {
            told.clone_from(&shared.json);
            0
        });
        assert!(told.ends_with("[990000 bytes more are not shown]\""));
    }

    #[test]
    fn what_comes_out_is_json_whatever_goes_in() {
        let mut parts = Parts::default();
        parts.array(|list| {
            list.name("a@b \"c\"\n\u{2028}</script>");
            list.text(&"@[,".repeat(100));
            list.array(|_| {});
            list.value(None::<u8>);
            list.array(|inner| inner.text(&"x\0".repeat(100)));
            list.float(Some(f64::NAN));
            list.capped("中文", 4);
        });
        let json = in_script(&parts.resolve(|shared| shared.json.len()));
        assert!(!json.contains('<'), "{json}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            value,
            serde_json::json!(["a@b \"c\" ⟨U+2028⟩</script>", 302, [], null, [402], null, "中", 3])
        );
    }
}
