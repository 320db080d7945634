//! `oracle`: runs the task's own solution. Every shipped task must score 1 with it.

use super::{Agent, AgentEnd, AgentKind, Session, script};
use crate::backend::{OpenError, Stop};
use crate::model::{AgentInfo, ErrorClass, RunError};
use async_trait::async_trait;

pub(super) static ITEM: AgentKind =
    AgentKind { name: "oracle", about: "runs the task's solution", uses_model: false, open };

struct Oracle;

fn open(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError> {
    super::takes_nothing(ITEM.name, arg)?;
    Ok(Box::new(Oracle))
}

#[async_trait]
impl Agent for Oracle {
    fn info(&self) -> AgentInfo {
        super::info(ITEM.name)
    }

    async fn run(&self, session: Session<'_>) -> AgentEnd {
        let task = session.task;
        match &task.solution {
            Some(solution) => script::run(session, "solution", &solution.text).await,
            None => {
                let message =
                    format!("the task '{}' has no solution that the agent 'oracle' could run", task.id);
                AgentEnd::Stopped(Stop::Error(RunError::new(ErrorClass::Tool, message)))
            }
        }
    }
}
