//! Tool lists boiled down to what can be checked on raw bytes. A schema that says more is a doubt.

use crate::formats::{
    self,
    raw_chat::{Kind, PROMPT_TOOLS, Walk},
};
use crate::model::ToolDef;
use crate::rules::no_finish::FINISHERS;
use crate::util::json::unescape;
use serde_json::Value;

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

    /// The tools of a JSON list.
    pub(super) fn of_list(raw: &[u8]) -> Option<Self> {
        formats::openai::tools(raw).map(|list| Self::new(&list))
    }

    /// The tools that a system prompt describes, if it describes any. `raw` is the inside of a JSON string.
    pub(super) fn of_prompt(raw: &[u8]) -> Option<Self> {
        memchr::memmem::find(raw, PROMPT_TOOLS)?;
        let text = unescape(std::str::from_utf8(raw).ok()?);
        crate::dialects::openhands_prompt::read_tools(&text).map(|tools| Self::new(&tools))
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
        Some(kind) => Some(Kind::named(kind.as_str()?)?),
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
