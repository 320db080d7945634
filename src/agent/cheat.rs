//! `cheat:NAME`: runs one of the task's cheats. Every shipped task must score 0 with each of them.

use super::{Agent, AgentEnd, AgentKind, Session, script};
use crate::backend::{OpenError, Stop};
use crate::model::{AgentInfo, ErrorClass, RunError};
use crate::util::suggest::nearest;
use async_trait::async_trait;

pub(super) static ITEM: AgentKind =
    AgentKind { name: "cheat", about: "runs a cheat of the task: cheat:NAME", uses_model: false, open };

struct Cheat {
    name: String,
}

fn open(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError> {
    match arg.filter(|arg| !arg.is_empty()) {
        Some(name) => Ok(Box::new(Cheat { name: name.to_owned() })),
        None => Err((
            "the agent 'cheat' needs the name of a cheat after a colon".to_owned(),
            Some("write --agent cheat:NAME, with a name from the task's cheats".to_owned()),
        )),
    }
}

#[async_trait]
impl Agent for Cheat {
    fn info(&self) -> AgentInfo {
        super::info(ITEM.name)
    }

    async fn run(&self, session: Session<'_>) -> AgentEnd {
        let task = session.task;
        let name = &self.name;
        if let Some(cheat) = task.cheats.get(name) {
            return script::run(session, &format!("cheat '{name}'"), &cheat.text).await;
        }
        let names = || task.cheats.keys().map(String::as_str);
        let more = match nearest(name, names()) {
            Some(near) => format!("; did you mean '{near}'?"),
            None if task.cheats.is_empty() => "; it has none".to_owned(),
            None => format!("; it has {}", names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("the task '{}' has no cheat '{name}'{more}", task.id);
        AgentEnd::Stopped(Stop::Error(RunError::new(ErrorClass::Tool, message)))
    }
}
