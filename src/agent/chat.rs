//! `chat`: the prompt goes to the model once, and its reply is the answer.
//!
//! It has no tools, so a task whose scorers look at the answer alone runs without any sandbox; and as there is
//! nothing to call, a message without a call keeps the format.

use super::{Agent, AgentEnd, AgentKind, Session};
use crate::backend::{ChatMessage, OpenError, Role, Stop};
use crate::model::{AgentInfo, CallPolicy, ErrorClass, Policy, RunError, Source, Step};
use async_trait::async_trait;
use std::borrow::Cow;

pub(super) static ITEM: AgentKind = AgentKind {
    name: "chat",
    about: "the prompt goes to the model once, its reply is the answer; no tools, and so no sandbox",
    uses_model: true,
    open,
};

struct Chat;

fn open(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError> {
    super::takes_nothing(ITEM.name, arg)?;
    Ok(Box::new(Chat))
}

#[async_trait]
impl Agent for Chat {
    fn info(&self) -> AgentInfo {
        AgentInfo { tools: Some(Vec::new()), ..super::info(ITEM.name) }
    }

    fn uses_sandbox(&self) -> bool {
        false
    }

    fn policy<'a>(&self, task: &'a Policy) -> Cow<'a, Policy> {
        Cow::Owned(Policy { calls: CallPolicy::Any, ..task.clone() })
    }

    async fn run(&self, session: Session<'_>) -> AgentEnd {
        let Some(model) = session.model else {
            let error =
                RunError::new(ErrorClass::Internal, "the agent 'chat' was started without a back end");
            return AgentEnd::Stopped(Stop::Error(error));
        };
        let prompt = &session.task.prompt;
        session.log.push(Step::new(0, Source::User, prompt.clone()), "user");
        let reply = match model.complete(&[ChatMessage::new(Role::User, prompt.clone())], None).await {
            Ok(reply) => reply,
            Err(stop) => return AgentEnd::Stopped(stop),
        };
        let step = reply.step(None, !reply.calls.is_empty());
        session.log.push(step, "says the last word");
        AgentEnd::Finished(Some(reply.text))
    }
}
