//! `nop`: does nothing at all. Every shipped task must score 0 with it.

use super::{Agent, AgentEnd, AgentKind, Session};
use crate::backend::OpenError;
use crate::model::{AgentInfo, Source, Step};
use async_trait::async_trait;

pub(super) static ITEM: AgentKind = AgentKind { name: "nop", about: "does nothing", uses_model: false, open };

struct Nop;

fn open(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError> {
    super::takes_nothing(ITEM.name, arg)?;
    Ok(Box::new(Nop))
}

#[async_trait]
impl Agent for Nop {
    fn info(&self) -> AgentInfo {
        super::info(ITEM.name)
    }

    async fn run(&self, session: Session<'_>) -> AgentEnd {
        session.log.push(Step::new(0, Source::User, session.task.prompt.clone()), "user");
        AgentEnd::Finished(None)
    }
}
