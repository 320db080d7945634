//! The types of columns as `datasets` would find them, over all rows.
//!
//! Its JSON loader makes up its mind on the first 10 MB of a file and fails, or changes values, where
//! later rows have another shape. So the rows that bring something new are written first, and the card
//! declares the types: objects with differing keys, or values of differing types, are `json`.

use serde_json::{Map, Value, json};

const BOOL: u8 = 1;
const INT: u8 = 2;
const FLOAT: u8 = 4;
const TEXT: u8 = 8;
const LIST: u8 = 16;
const OBJECT: u8 = 32;
const NULL: u8 = 64;

/// What was seen at one place of the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Shape {
    kinds: u8,
    /// Differing keys or types: kept as JSON, and not looked into any more.
    mixed: bool,
    /// Fields of an object in their order.
    fields: Vec<(String, Shape)>,
    item: Option<Box<Shape>>,
}

impl Shape {
    /// Takes a value in; whether it brought anything new.
    pub(super) fn add(&mut self, value: &Value) -> bool {
        if self.mixed {
            return false;
        }
        let kind = match value {
            Value::Null => NULL,
            Value::Bool(_) => BOOL,
            Value::Number(number) if number.is_f64() => FLOAT,
            Value::Number(_) => INT,
            Value::String(_) => TEXT,
            Value::Array(_) => LIST,
            Value::Object(_) => OBJECT,
        };
        let first = self.kinds & OBJECT == 0;
        let mut new = self.kinds & kind == 0;
        self.kinds |= kind;
        let real = self.kinds & !NULL;
        if real.count_ones() > 1 && real != INT | FLOAT {
            return self.mix();
        }
        match value {
            Value::Array(items) => {
                let shape = self.item.get_or_insert_default();
                for item in items {
                    new |= shape.add(item);
                }
            }
            Value::Object(object) => {
                if first {
                    self.fields = object.keys().map(|key| (key.clone(), Shape::default())).collect();
                }
                let same = object.len() == self.fields.len()
                    && self.fields.iter().all(|(key, _)| object.contains_key(key));
                if !same || object.is_empty() {
                    return self.mix();
                }
                for (key, shape) in &mut self.fields {
                    new |= object.get(key).is_some_and(|item| shape.add(item));
                }
            }
            _ => {}
        }
        new
    }

    /// Takes in a row: columns that a row lacks are null, they don't make the whole row JSON.
    pub(super) fn add_row(&mut self, row: &Map<String, Value>) -> bool {
        let mut new = self.kinds == 0;
        self.kinds |= OBJECT;
        for (key, value) in row {
            let index = self.fields.iter().position(|(known, _)| known == key);
            let index = index.unwrap_or_else(|| {
                self.fields.push((key.clone(), Shape::default()));
                self.fields.len() - 1
            });
            new |= self.fields[index].1.add(value);
        }
        new
    }

    fn mix(&mut self) -> bool {
        self.mixed = true;
        self.fields.clear();
        self.item = None;
        true
    }

    /// Whether another shape holds what this one lacks.
    pub(super) fn widened_by(&self, other: &Shape) -> bool {
        if self.mixed {
            return false;
        }
        let known = |key: &String| self.fields.iter().position(|(name, _)| name == key);
        if other.mixed || (self.kinds | other.kinds) != self.kinds {
            return true;
        }
        let fields: Vec<(Option<usize>, &Shape)> =
            other.fields.iter().map(|(key, shape)| (known(key), shape)).collect();
        let item = match (&self.item, &other.item) {
            (Some(own), Some(other)) => own.widened_by(other),
            (None, Some(_)) => true,
            _ => false,
        };
        item || fields.into_iter().any(|(at, shape)| match at {
            Some(at) => self.fields[at].1.widened_by(shape),
            None => true,
        })
    }

    /// The types as YAML of the card: the list under `features:`.
    pub(super) fn yaml(&self, floats: &[&str]) -> String {
        self.fields.iter().map(|(name, shape)| shape.yaml_item(name, floats, 1)).collect()
    }

    fn yaml_item(&self, name: &str, floats: &[&str], depth: usize) -> String {
        let pad = "  ".repeat(depth);
        // A name is quoted as JSON, which YAML reads.
        let name_text = Value::from(name).to_string();
        let float = floats.contains(&name);
        format!("{pad}- name: {name_text}\n{}", self.yaml_type(float, floats, depth + 1, "dtype"))
    }

    fn yaml_type(&self, float: bool, floats: &[&str], depth: usize, scalar: &str) -> String {
        let pad = "  ".repeat(depth);
        if let Some(word) = self.scalar(float) {
            return format!("{pad}{scalar}: {word}\n");
        }
        if let Some(item) = &self.item {
            if let Some(word) = item.in_list(float) {
                return format!("{pad}list: {word}\n");
            }
            if item.item.is_some() {
                return format!("{pad}list:\n{}", item.yaml_type(float, floats, depth + 1, "dtype"));
            }
            let fields: String =
                item.fields.iter().map(|(key, shape)| shape.yaml_item(key, floats, depth)).collect();
            return format!("{pad}list:\n{fields}");
        }
        let fields: String =
            self.fields.iter().map(|(key, shape)| shape.yaml_item(key, floats, depth)).collect();
        format!("{pad}struct:\n{fields}")
    }

    /// The name of a type without parts.
    fn scalar(&self, float: bool) -> Option<&'static str> {
        if self.mixed {
            return Some("json");
        }
        let kinds = self.kinds & !NULL;
        Some(match kinds {
            // Never anything but null, or nothing at all.
            0 if float => "float64",
            0 | TEXT => "string",
            BOOL => "bool",
            INT => "int64",
            LIST | OBJECT => return None,
            _ => "float64",
        })
    }

    /// The name of a type inside a list: of lists that are always empty nothing is known.
    fn in_list(&self, float: bool) -> Option<&'static str> {
        let nothing = !float && !self.mixed && self.kinds & !NULL == 0;
        if nothing { Some("json") } else { self.scalar(float) }
    }

    /// The types as `datasets.Features.from_dict` takes them.
    pub(super) fn features(&self, floats: &[&str]) -> Value {
        let fields = self.fields.iter();
        fields
            .map(|(name, shape)| (name.clone(), shape.feature(floats.contains(&name.as_str()), floats)))
            .collect()
    }

    fn feature(&self, float: bool, floats: &[&str]) -> Value {
        match (self.scalar(float), &self.item) {
            (Some("json"), _) => json!({"_type": "Json"}),
            (Some(word), _) => json!({"dtype": word, "_type": "Value"}),
            (None, Some(item)) if item.in_list(float) == Some("json") => {
                json!({"feature": {"_type": "Json"}, "_type": "List"})
            }
            (None, Some(item)) => json!({"feature": item.feature(float, floats), "_type": "List"}),
            (None, None) => self.features(floats),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_counts() {
        let mut shape = Shape::default();
        let mut add = |value: Value| shape.add_row(value.as_object().unwrap());
        assert!(add(json!({"m": [{"role": "user", "content": "x"}], "r": null})));
        assert!(!add(json!({"m": [{"role": "user", "content": "yy"}], "r": null})));
        assert!(add(json!({"m": [{"role": "user", "content": "yy"}], "r": 1.0})));
        assert!(add(json!({"m": [{"role": "user", "content": "", "tool_calls": []}], "r": 1.0})));
        assert!(!add(json!({"m": [{"anything": 1}], "r": 2.5})));
        assert!(add(json!({"m": [], "r": 2.5, "late": [[1]]})));
        let features = shape.features(&[]);
        assert_eq!(features["m"], json!({"feature": {"_type": "Json"}, "_type": "List"}));
        assert_eq!(features["r"], json!({"dtype": "float64", "_type": "Value"}));
        let yaml = "  - name: \"m\"\n    list: json\n  - name: \"r\"\n    dtype: float64\n  - name: \"late\"\n    list:\n      list: int64\n";
        assert_eq!(shape.yaml(&[]), yaml);
    }

    #[test]
    fn plain_messages_are_a_struct_and_empty_objects_are_json() {
        let mut shape = Shape::default();
        shape.add_row(json!({"m": [{"role": "a", "x": {}}], "w": []}).as_object().unwrap());
        assert_eq!(
            shape.yaml(&["w"]),
            "  - name: \"m\"\n    list:\n    - name: \"role\"\n      dtype: string\n    - name: \"x\"\n      dtype: json\n  - name: \"w\"\n    list: float64\n"
        );
    }
}
