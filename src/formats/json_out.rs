//! JSON written piece by piece: texts go straight into the output instead of through a tree of values.

use crate::model::Object;
use serde_json::Value;

/// JSON under construction. Members and items come in the order of the calls; commas are set between them.
#[derive(Default)]
pub(super) struct Json {
    out: Vec<u8>,
    /// Whether a comma is due before the next member or item.
    due: bool,
}

impl Json {
    /// An output that will have about that many bytes.
    pub(super) fn sized(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), due: false }
    }

    /// What was written.
    pub(super) fn done(self) -> Vec<u8> {
        self.out
    }

    fn comma(&mut self) {
        if self.due {
            self.out.push(b',');
        }
        self.due = true;
    }

    fn key(&mut self, key: &str) {
        self.comma();
        quote(&mut self.out, key);
        self.out.push(b':');
    }

    fn group(&mut self, marks: [u8; 2], fill: impl FnOnce(&mut Self)) {
        self.out.push(marks[0]);
        self.due = false;
        fill(self);
        self.out.push(marks[1]);
        self.due = true;
    }

    /// An object as an item of a list, or as the whole.
    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.comma();
        self.group(*b"{}", fill);
    }

    /// A member that is an object.
    pub(super) fn object_at(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.group(*b"{}", fill);
    }

    /// A member that is a list.
    pub(super) fn list_at(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.group(*b"[]", fill);
    }

    /// A member that is a text.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        quote(&mut self.out, text);
    }

    /// A member that is a text, where there is one.
    pub(super) fn maybe(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// A member of any kind.
    pub(super) fn value(&mut self, key: &str, value: &Value) {
        self.key(key);
        put(&mut self.out, value);
    }

    /// A member that is an object which stands ready.
    pub(super) fn map(&mut self, key: &str, object: &Object) {
        self.key(key);
        put(&mut self.out, object);
    }

    /// A member that is a text which holds an object as JSON.
    pub(super) fn text_of(&mut self, key: &str, object: &Object) {
        let mut inner = Vec::new();
        put(&mut inner, object);
        self.text(key, &String::from_utf8_lossy(&inner));
    }

    /// An item of any kind.
    pub(super) fn item(&mut self, value: &Value) {
        self.comma();
        put(&mut self.out, value);
    }

    /// Members of an object that are none of `known`.
    pub(super) fn rest(&mut self, object: &Object, known: &[&str]) {
        for (key, value) in object.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            self.value(key, value);
        }
    }
}

fn put(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Writing values into memory can't fail.
    let _ = serde_json::to_writer(out, value);
}

/// Writes a text as JSON: what needs no escape is copied in one piece.
pub(super) fn quote(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let (mut from, mut at) = (0, 0);
    while let Some(found) = next_special(bytes, at) {
        out.extend_from_slice(&bytes[from..found]);
        at = found + 1;
        from = at;
        let short = match bytes[found] {
            byte @ (b'"' | b'\\') => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            byte => {
                out.extend_from_slice(b"\\u00");
                out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                continue;
            }
        };
        out.extend([b'\\', short]);
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// The next byte that must be escaped. Blocks without one are passed over at once, in a loop that the compiler turns
/// into wide instructions.
fn next_special(bytes: &[u8], from: usize) -> Option<usize> {
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let mut at = from;
    while let Some(block) = bytes.get(at..at + 32) {
        if block.iter().fold(false, |any, &byte| any | special(byte)) {
            break;
        }
        at += 32;
    }
    bytes[at..].iter().position(|&byte| special(byte)).map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn pieces_make_one_value() {
        let mut out = Json::default();
        out.object(|out| {
            out.text("a", "x\"y\n");
            out.list_at("b", |out| {
                out.item(&json!(1));
                out.object(|out| out.maybe("c", None));
                out.object(|out| out.maybe("c", Some("d")));
            });
            out.object_at("e", |_| {});
            out.rest(json!({"a": 1, "f": null}).as_object().expect("an object"), &["a"]);
        });
        let text = String::from_utf8(out.done()).expect("UTF-8");
        assert_eq!(text, r#"{"a":"x\"y\n","b":[1,{},{"c":"d"}],"e":{},"f":null}"#);
    }

    proptest! {
        #[test]
        fn texts_are_written_as_serde_json_writes_them(text in any::<String>(), low in r#"[\x00-\x1f"\\a-c]{0,20}"#) {
            for text in [text, low] {
                let mut out = Vec::new();
                quote(&mut out, &text);
                prop_assert_eq!(String::from_utf8(out).expect("UTF-8"), serde_json::to_string(&text).expect("JSON"));
            }
        }
    }
}
