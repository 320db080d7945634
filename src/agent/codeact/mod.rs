//! `codeact`: text calls in the `openhands` dialect. What happens with them is up to the conversation.

mod arguments;

use super::talk::{self, Accepted, Speech};
use super::{Agent, AgentEnd, AgentKind, Session};
use crate::backend::{ChatMessage, ModelReply, OpenError, Role};
use crate::dialects::{self, Dialect};
use crate::model::{AgentInfo, Arguments, Object, Span, ToolCall, ToolDef};
use crate::tools::Toolbox;
use async_trait::async_trait;

pub(super) static ITEM: AgentKind = AgentKind {
    name: "codeact",
    about: "text calls, as many a message as the policy allows; three violations in a row end it",
    uses_model: true,
    open,
};

const DIALECT: &str = "openhands";

struct CodeAct {
    dialect: &'static Dialect,
    tools: Vec<ToolDef>,
}

fn open(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError> {
    super::takes_nothing(ITEM.name, arg)?;
    let dialect =
        dialects::find(DIALECT).ok_or_else(|| (format!("no dialect is named '{DIALECT}'"), None))?;
    Ok(Box::new(CodeAct { dialect, tools: Toolbox::definitions() }))
}

#[async_trait]
impl Agent for CodeAct {
    fn info(&self) -> AgentInfo {
        AgentInfo { tools: Some(self.tools.clone()), ..super::info(ITEM.name) }
    }

    async fn run(&self, session: Session<'_>) -> AgentEnd {
        talk::run(self, &self.tools, session).await
    }
}

impl Speech for CodeAct {
    fn agent(&self) -> &'static str {
        ITEM.name
    }

    fn dialect(&self) -> &'static str {
        self.dialect.name
    }

    fn native(&self) -> bool {
        false
    }

    fn grammar(&self, tools: &[ToolDef]) -> String {
        (self.dialect.describe)(tools)
    }

    fn accept(&self, reply: &ModelReply, tools: &[ToolDef], made: u64) -> Accepted {
        let markup = (self.dialect.parse)(&reply.text);
        let thought = |span: Span| markup.reasoning.iter().any(|block| block.contains(span));
        let found: Vec<_> = markup.calls.iter().filter(|call| !thought(call.span)).collect();
        let end = found.first().map_or(reply.text.len(), |call| call.span.start);
        let calls = (made + 1..).zip(found).map(|(number, call)| ToolCall {
            id: format!("call_{number}"),
            name: call.name.clone(),
            arguments: Arguments::object(arguments::of(call, &reply.text, tools)),
            extra: Object::new(),
            place: None,
        });
        Accepted { shown: Span::new(0, end).text(&reply.text).trim().to_owned(), calls: calls.collect() }
    }

    fn results(&self, told: Vec<(ToolCall, String)>) -> Vec<ChatMessage> {
        let told: Vec<String> =
            told.iter().map(|(call, text)| (self.dialect.observe)(&call.name, text)).collect();
        vec![ChatMessage::new(Role::User, told.join("\n\n"))]
    }
}
