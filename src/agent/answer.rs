//! `answer:empty` and `answer:prompt`: one answer and no act. No task may be won with either.

use super::{Agent, AgentEnd, AgentKind, Session};
use crate::backend::OpenError;
use crate::model::{AgentInfo, Source, Step};
use async_trait::async_trait;

pub(super) static ITEM: AgentKind = AgentKind {
    name: "answer",
    about: "does nothing and answers with no text (answer:empty) or with the prompt (answer:prompt)",
    uses_model: false,
    open,
};

struct Answer {
    prompt: bool,
}

fn open(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError> {
    match arg {
        Some("empty") => Ok(Box::new(Answer { prompt: false })),
        Some("prompt") => Ok(Box::new(Answer { prompt: true })),
        _ => Err((
            "the agent 'answer' needs to be told what it answers".to_owned(),
            Some("write --agent answer:empty or --agent answer:prompt".to_owned()),
        )),
    }
}

#[async_trait]
impl Agent for Answer {
    fn info(&self) -> AgentInfo {
        super::info(ITEM.name)
    }

    fn uses_sandbox(&self) -> bool {
        false
    }

    async fn run(&self, session: Session<'_>) -> AgentEnd {
        let prompt = &session.task.prompt;
        let words = if self.prompt { prompt.clone() } else { String::new() };
        session.log.push(Step::new(0, Source::User, prompt.clone()), "user");
        // No model wrote this message: the rules have nothing to judge.
        let step = Step { llm_calls: Some(0), frame: true, ..Step::new(0, Source::Agent, words.clone()) };
        session.log.push(step, "answer");
        AgentEnd::Finished(Some(words))
    }
}
