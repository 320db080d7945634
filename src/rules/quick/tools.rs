//! Tool lists boiled down to what can be checked on raw bytes. A schema that says more is a doubt.

use super::PROMPT_TOOLS;
use super::walk::{Keys, Kind, Walk};
use crate::formats;
use crate::model::ToolDef;
use crate::rules::no_finish::FINISHERS;
use crate::util::json::unescape;
use serde_json::Value;
use std::rc::Rc;

/// Tool lists that one worker remembers.
const REMEMBERED: usize = 4;

/// A tool list.
#[derive(Debug, Default)]
pub(super) struct Tools {
    tools: Vec<Tool>,
    /// Whether a tool of the list ends a run.
    pub(super) can_finish: bool,
}

/// A tool.
#[derive(Debug)]
pub(super) struct Tool {
    name: String,
    /// What may be said of the call; `None` where the schema asks for more than is looked at here.
    params: Option<Vec<Param>>,
}

#[derive(Debug)]
struct Param {
    name: String,
    required: bool,
    /// `None` where the schema asks for more than is looked at here.
    wanted: Option<Wanted>,
}

#[derive(Debug)]
enum Wanted {
    Anything,
    One(Kind),
    /// A list, and the kind of its elements if one is asked for.
    List(Option<Kind>),
    Words(Vec<String>),
}

/// A value of an argument, as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'a> {
    /// Raw text of a parameter in a text call, itself inside a JSON string.
    Text(&'a [u8]),
    /// A JSON value.
    Json(Kind, &'a [u8]),
}

impl Tools {
    pub(super) fn new(list: &[ToolDef]) -> Self {
        Self {
            tools: list.iter().map(Tool::new).collect(),
            can_finish: list.iter().any(|tool| FINISHERS.contains(&tool.name.as_str())),
        }
    }

    pub(super) fn tool(&self, name: &[u8]) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name.as_bytes() == name)
    }
}

impl Tool {
    fn new(tool: &ToolDef) -> Self {
        Self { name: tool.name.clone(), params: params(&tool.parameters) }
    }

    /// Whether these arguments are surely right; none may be given twice.
    pub(super) fn accepts<'a>(
        &self,
        given: impl Iterator<Item = Option<(&'a [u8], Given<'a>)>>,
    ) -> Option<()> {
        let params = self.params.as_ref()?;
        let mut seen = 0_u64;
        for argument in given {
            let (name, value) = argument?;
            let index = params.iter().position(|param| param.name.as_bytes() == name)?;
            let bit = 1 << index;
            let wanted = params[index].wanted.as_ref()?;
            if seen & bit != 0 || !wanted.fits(value) {
                return None;
            }
            seen |= bit;
        }
        let missing =
            params.iter().enumerate().any(|(index, param)| param.required && seen & (1 << index) == 0);
        (!missing).then_some(())
    }
}

/// The parameters of a schema that says nothing else.
fn params(schema: &Value) -> Option<Vec<Param>> {
    if schema.is_null() {
        return Some(Vec::new());
    }
    let schema = schema.as_object()?;
    let known = ["type", "properties", "required", "additionalProperties", "description", "title"];
    if !schema.keys().all(|key| known.contains(&key.as_str()))
        || schema.get("type").and_then(Value::as_str) != Some("object")
        || schema.get("additionalProperties").is_some_and(|open| !open.is_boolean())
    {
        return None;
    }
    let required = match schema.get("required") {
        None => &[][..],
        Some(list) => list.as_array()?,
    };
    let Some(properties) = schema.get("properties") else {
        return required.is_empty().then(Vec::new);
    };
    let properties = properties.as_object().filter(|properties| properties.len() <= 64)?;
    if !required.iter().all(|name| name.as_str().is_some_and(|name| properties.contains_key(name))) {
        return None;
    }
    let param = |(name, schema): (&String, &Value)| Param {
        name: name.clone(),
        required: required.iter().any(|wanted| wanted.as_str() == Some(name)),
        wanted: wanted(schema),
    };
    Some(properties.iter().map(param).collect())
}

fn wanted(schema: &Value) -> Option<Wanted> {
    let schema = schema.as_object()?;
    let known = ["type", "description", "title", "enum", "items", "default", "examples"];
    if !schema.keys().all(|key| known.contains(&key.as_str())) {
        return None;
    }
    let kind = match schema.get("type") {
        None => None,
        Some(kind) => Some(kind_of(kind.as_str()?)?),
    };
    if let Some(list) = schema.get("enum") {
        let words = list.as_array()?.iter().map(|word| word.as_str().map(str::to_owned));
        return words
            .collect::<Option<_>>()
            .filter(|_| matches!(kind, None | Some(Kind::Text)))
            .map(Wanted::Words);
    }
    let items = match schema.get("items") {
        None => None,
        Some(items) => match wanted(items)? {
            Wanted::Anything => None,
            Wanted::One(kind) => Some(kind),
            _ => return None,
        },
    };
    match kind {
        Some(Kind::Array) => Some(Wanted::List(items)),
        _ if schema.contains_key("items") => None,
        None => Some(Wanted::Anything),
        Some(kind) => Some(Wanted::One(kind)),
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "string" => Kind::Text,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "boolean" => Kind::Bool,
        "array" => Kind::Array,
        "object" => Kind::Object,
        "null" => Kind::Null,
        _ => return None,
    })
}

impl Wanted {
    fn fits(&self, given: Given<'_>) -> bool {
        let (kind, raw) = match (self, given) {
            // Text is text, whatever it looks like.
            (Wanted::Anything | Wanted::One(Kind::Text), Given::Text(_)) => return true,
            (Wanted::Words(words), Given::Text(raw)) => {
                return words.iter().any(|word| word.as_bytes() == raw) && !raw.contains(&b'\\');
            }
            (_, Given::Text(raw)) if raw.contains(&b'\\') => return false,
            (_, Given::Text(raw)) => {
                let mut walk = Walk::new(raw);
                match walk.value() {
                    Some(kind)
                        if walk.end().is_some()
                            && raw.first() != Some(&b' ')
                            && raw.last() != Some(&b' ') =>
                    {
                        (kind, raw)
                    }
                    _ => return false,
                }
            }
            (_, Given::Json(kind, raw)) => (kind, raw),
        };
        match self {
            Wanted::Anything => true,
            Wanted::One(wanted) => is(kind, *wanted),
            Wanted::List(items) => kind == Kind::Array && items.is_none_or(|wanted| all(raw, wanted)),
            Wanted::Words(words) => {
                let inside = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).unwrap_or(b"\\");
                kind == Kind::Text
                    && !inside.contains(&b'\\')
                    && words.iter().any(|word| word.as_bytes() == inside)
            }
        }
    }
}

fn is(kind: Kind, wanted: Kind) -> bool {
    kind == wanted || (kind == Kind::Integer && wanted == Kind::Number)
}

/// Whether all elements of a list are of a kind.
fn all(list: &[u8], wanted: Kind) -> bool {
    let mut walk = Walk::new(list);
    let each = |walk: &mut Walk<'_>| {
        walk.take(b'[')?;
        if walk.peek()? == b']' {
            return Some(());
        }
        loop {
            if !is(walk.value()?, wanted) {
                return None;
            }
            if !walk.more(b']')? {
                return Some(());
            }
        }
    };
    each(&mut walk).is_some()
}

/// Arguments of a native call as JSON text, member by member. The kinds of all values are known to be walked over
/// without a doubt once the iterator has ended without one.
pub(super) fn arguments<'a>(text: &'a [u8]) -> impl Iterator<Item = Option<(&'a [u8], Given<'a>)>> {
    let mut walk = Walk::new(text);
    let mut keys = Keys::default();
    let mut open = true;
    let mut first = true;
    std::iter::from_fn(move || {
        if !open {
            return None;
        }
        let mut next = || -> Option<Option<(&'a [u8], Given<'a>)>> {
            if first {
                first = false;
                walk.take(b'{')?;
                if walk.peek()? == b'}' {
                    walk.skip(1);
                    return walk.end().map(|()| None);
                }
            } else if !walk.more(b'}')? {
                return walk.end().map(|()| None);
            }
            walk.blanks();
            let key = walk.key()?;
            keys.add(key)?;
            let from = walk.at();
            let kind = walk.value()?;
            Some(Some((key, Given::Json(kind, &text[from..walk.at()]))))
        };
        match next() {
            Some(Some(member)) => Some(Some(member)),
            Some(None) => {
                open = false;
                None
            }
            None => {
                open = false;
                Some(None)
            }
        }
    })
}

/// What a worker remembers of the tool lists that it saw: the bytes, and what they say.
#[derive(Default)]
pub(super) struct Remembered {
    lists: Vec<(Vec<u8>, Option<Rc<Tools>>)>,
}

impl Remembered {
    /// The known list that `rest` begins with: its length, and the tools.
    pub(super) fn prefix(&mut self, rest: &[u8]) -> Option<(usize, Option<Rc<Tools>>)> {
        let at = self.lists.iter().position(|(bytes, _)| rest.starts_with(bytes))?;
        self.lists[..=at].rotate_right(1);
        let (bytes, tools) = &self.lists[0];
        Some((bytes.len(), tools.clone()))
    }

    fn keep(&mut self, bytes: &[u8], tools: Option<Rc<Tools>>) -> Option<Rc<Tools>> {
        self.lists.truncate(REMEMBERED - 1);
        self.lists.insert(0, (bytes.to_vec(), tools.clone()));
        tools
    }

    /// The tools of a JSON list.
    pub(super) fn list(&mut self, raw: &[u8]) -> Option<Rc<Tools>> {
        let list = formats::openai::tools(raw)?;
        self.keep(raw, Some(Rc::new(Tools::new(&list))))
    }

    /// The tools that a system prompt describes, if it describes any. `raw` is the inside of a JSON string.
    pub(super) fn prompt(&mut self, raw: &[u8]) -> Option<Rc<Tools>> {
        memchr::memmem::find(raw, PROMPT_TOOLS)?;
        if let Some((length, tools)) = self.prefix(raw)
            && length == raw.len()
        {
            return tools;
        }
        let text = unescape(std::str::from_utf8(raw).ok()?);
        let tools = crate::dialects::openhands_prompt::read_tools(&text);
        self.keep(raw, tools.map(|tools| Rc::new(Tools::new(&tools))))
    }
}
