//! `tool_calling`: the same tools as `codeact`, called natively: calls are objects beside the text.

use super::talk::{self, Accepted, Speech};
use super::{Agent, AgentEnd, AgentKind, Session};
use crate::backend::{ChatMessage, ModelReply, OpenError, Role};
use crate::model::{AgentInfo, Arguments, Object, ToolCall, ToolDef};
use crate::tools::Toolbox;
use async_trait::async_trait;

pub(super) static ITEM: AgentKind = AgentKind {
    name: "tool_calling",
    about: "native calls, as many a message as the policy allows; three violations in a row end it",
    uses_model: true,
    open,
};

struct ToolCalling {
    tools: Vec<ToolDef>,
}

fn open(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError> {
    super::takes_nothing(ITEM.name, arg)?;
    Ok(Box::new(ToolCalling { tools: Toolbox::definitions() }))
}

#[async_trait]
impl Agent for ToolCalling {
    fn info(&self) -> AgentInfo {
        AgentInfo { tools: Some(self.tools.clone()), ..super::info(ITEM.name) }
    }

    async fn run(&self, session: Session<'_>) -> AgentEnd {
        talk::run(self, &self.tools, session).await
    }
}

impl Speech for ToolCalling {
    fn agent(&self) -> &'static str {
        ITEM.name
    }

    fn dialect(&self) -> &'static str {
        "native"
    }

    fn native(&self) -> bool {
        true
    }

    fn grammar(&self, _: &[ToolDef]) -> String {
        // The request itself carries the tools, and the back end knows how its model writes calls.
        "Call functions through the tool interface, and give their arguments as one JSON object. Every message \
         makes exactly one call; its result comes in the next message.\n"
            .to_owned()
    }

    fn accept(&self, reply: &ModelReply, _: &[ToolDef], _: u64) -> Accepted {
        let calls = reply.calls.iter().map(|call| {
            let parsed = call.arguments.parsed.clone().or_else(|| inner(call.arguments.raw.as_deref()?));
            let arguments = Arguments { raw: call.arguments.raw.clone(), parsed };
            ToolCall { arguments, ..call.clone() }
        });
        Accepted { shown: reply.text.clone(), calls: calls.collect() }
    }

    fn results(&self, told: Vec<(ToolCall, String)>) -> Vec<ChatMessage> {
        told.into_iter()
            .map(|(call, text)| ChatMessage { call_id: Some(call.id), ..ChatMessage::new(Role::Tool, text) })
            .collect()
    }
}

/// The object inside a JSON string: some models write arguments so, and the rules only warn.
fn inner(raw: &str) -> Option<Object> {
    serde_json::from_str(&serde_json::from_str::<String>(raw).ok()?).ok()
}
