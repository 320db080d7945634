//! A tool list, made ready once for all lines that hold it.

use super::super::calls_as::{TOLD, kinds};
use super::super::{Changes, chat, json_out, openai_chat};
use super::PROMPT_TOOLS;
use super::walk::{Kind, Walk};
use crate::dialects::{Dialect, openhands_prompt};
use crate::model::{AgentInfo, ToolDef, Trajectory};
use crate::util::json::unescape;
use serde_json::{Value, json};

/// What a conversion needs of a tool list.
pub(super) struct List {
    tools: Vec<Tool>,
    /// The list as it is written, with its brackets.
    pub(super) written: Vec<u8>,
    /// How a system prompt tells of the tools: the inside of a JSON string.
    pub(super) told: Vec<u8>,
    /// The member of a record that keeps the list beside such a prompt, without a comma.
    pub(super) kept: Vec<u8>,
}

struct Tool {
    name: String,
    /// Parameters whose values are no text, and the kinds that they may have.
    kinds: Vec<(String, Vec<Kind>)>,
}

/// What becomes of the value of a parameter.
pub(super) enum Typed {
    /// It is text.
    Text,
    /// It is a JSON value.
    Json,
}

impl List {
    /// Of a JSON list. `None` if the list is not kept whole, or if it is empty.
    pub(super) fn of_list(raw: &[u8], dialect: &Dialect) -> Option<Self> {
        let values: Vec<Value> = serde_json::from_slice(raw).ok()?;
        let (tools, raw_tools) = chat::tools_of(&values);
        Self::new(AgentInfo { tools, raw_tools, ..AgentInfo::default() }, dialect)
    }

    /// Of a system prompt that describes tools; `raw` is the inside of a JSON string.
    pub(super) fn of_prompt(raw: &[u8], dialect: &Dialect) -> Option<Self> {
        memchr::memmem::find(raw, PROMPT_TOOLS)?;
        let text = unescape(std::str::from_utf8(raw).ok()?);
        let tools = Some(openhands_prompt::read_tools(&text)?);
        Self::new(AgentInfo { tools, ..AgentInfo::default() }, dialect)
    }

    /// Of the member that keeps a list beside a system prompt.
    pub(super) fn of_kept(raw: &[u8], dialect: &Dialect) -> Option<Self> {
        let kept: Value = serde_json::from_slice(raw).ok()?;
        let own = kept.get("dialect").and_then(Value::as_str) == Some(dialect.name);
        let (tools, raw_tools) = chat::tools_of(kept.get("tools").filter(|_| own)?.as_array()?);
        Self::new(AgentInfo { tools, raw_tools, ..AgentInfo::default() }, dialect)
    }

    fn new(agent: AgentInfo, dialect: &Dialect) -> Option<Self> {
        let tools: Vec<ToolDef> = agent.tools.clone().filter(|tools| !tools.is_empty())?;
        let values = chat::tool_list(&agent)?;
        let written = openai_chat::definitions(&values);
        let told = (dialect.describe)(&tools);
        let mut kept = Vec::new();
        json_out::quote(&mut kept, TOLD);
        kept.push(b':');
        kept.extend(json!({"dialect": dialect.name, "tools": values}).to_string().into_bytes());
        let quoted = {
            let mut out = Vec::new();
            json_out::quote(&mut out, &told);
            out[1..out.len() - 1].to_vec()
        };
        let list = Self { tools: tools.iter().map(Tool::new).collect(), written, told: quoted, kept };
        list.is_whole(agent).then_some(list)
    }

    /// Whether what is written says what the source said.
    fn is_whole(&self, agent: AgentInfo) -> bool {
        let Ok(values) = serde_json::from_slice::<Vec<Value>>(&self.written) else { return false };
        let (tools, raw_tools) = chat::tools_of(&values);
        let read = AgentInfo { tools, raw_tools, ..AgentInfo::default() };
        let of = |agent| Trajectory { agent, ..Trajectory::default() };
        super::super::loss(&of(agent), &of(read), &Changes::default()).is_none()
    }

    /// What the value of a parameter is to be, if it is written as this bare text. `None` is a doubt.
    pub(super) fn typed(&self, tool: &[u8], param: &[u8], text: &[u8]) -> Option<Typed> {
        let Some(wanted) = self.kinds(tool, param) else { return Some(Typed::Text) };
        let mut walk = Walk::new(text);
        let kind = walk.value().filter(|_| !text.iter().any(|byte| matches!(byte, b' ' | b'\\')))?;
        walk.end()?;
        Some(if fits(kind, wanted) { Typed::Json } else { Typed::Text })
    }

    /// The kinds that a parameter may have, if it can't be text.
    pub(super) fn kinds(&self, tool: &[u8], param: &[u8]) -> Option<&[Kind]> {
        let tool = self.tools.iter().find(|known| known.name.as_bytes() == tool)?;
        let (_, kinds) = tool.kinds.iter().find(|(name, _)| name.as_bytes() == param)?;
        Some(kinds)
    }
}

/// Whether a value of that kind is one of the wanted ones.
pub(super) fn fits(kind: Kind, wanted: &[Kind]) -> bool {
    wanted.contains(&kind) || (kind == Kind::Integer && wanted.contains(&Kind::Number))
}

impl Tool {
    fn new(tool: &ToolDef) -> Self {
        let properties = tool.parameters.get("properties").and_then(Value::as_object);
        let typed = properties.into_iter().flatten().filter_map(|(name, property)| {
            let words = kinds(property);
            let text = words.is_empty() || words.contains(&"string");
            let kinds = words.iter().filter_map(|word| Kind::named(word)).collect();
            (!text).then(|| (name.clone(), kinds))
        });
        Self { name: tool.name.clone(), kinds: typed.collect() }
    }
}
