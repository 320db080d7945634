//! Runs a script of the task in the sandbox, for agents that ask no model.

use super::{AgentEnd, Session};
use crate::backend::Stop;
use crate::model::{
    Arguments, ErrorClass, Message, Object, Observation, ObservationResult, RunError, Source, Step, ToolCall,
};
use crate::sandbox::{Command, Reader, Sandbox, SandboxError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Bytes of a script; the kernel takes no argument longer than 128 KiB.
const MAX_SCRIPT: usize = 120 << 10;
/// Bytes of output that the trajectory keeps.
const MAX_OUTPUT: usize = 1 << 20;
/// How long output is awaited once the script has ended: something in the background may hold the pipe.
const GRACE: Duration = Duration::from_millis(300);

/// Runs `text` with bash in the workspace as one step. A script that fails is no error: the scorers judge.
pub(super) async fn run(session: Session<'_>, what: &str, text: &str) -> AgentEnd {
    session.log.push(Step::new(0, Source::User, session.task.prompt.clone()), "user");
    let failed = |message: String| AgentEnd::Stopped(Stop::Error(RunError::new(ErrorClass::Tool, message)));
    if text.len() > MAX_SCRIPT {
        let task = &session.task.id;
        return failed(format!(
            "the {what} of task '{task}' has {} bytes, more than {MAX_SCRIPT}",
            text.len()
        ));
    }
    let mut arguments = Object::new();
    arguments.insert("command".to_owned(), text.into());
    let id = "call_1".to_owned();
    let call = ToolCall {
        id: id.clone(),
        name: "execute_bash".to_owned(),
        arguments: Arguments::object(arguments),
        extra: Object::new(),
        place: None,
    };
    let step = Step {
        calls: vec![call],
        llm_calls: Some(0),
        // No model wrote this message: the rules have nothing to judge.
        frame: true,
        ..Step::new(0, Source::Agent, "")
    };
    session.log.push(step, what);
    let (output, code) = match bash(&*session.tools.sandbox, text).await {
        Ok(done) => done,
        Err(error) => {
            let message = format!("the {what} of task '{}' can't run: {error}", session.task.id);
            return AgentEnd::Stopped(Stop::Error(RunError::new(ErrorClass::Sandbox, message)));
        }
    };
    let mut result = ObservationResult {
        call_id: Some(id),
        name: Some("execute_bash".to_owned()),
        content: Some(Message::Text(output)),
        ..ObservationResult::default()
    };
    result.extra.insert("exit_code".to_owned(), code.into());
    if let Some(step) = session.log.last_mut() {
        step.observation = Some(Observation { results: vec![result] });
    }
    AgentEnd::Finished(Some(format!("the {what} ended with exit code {code}")))
}

/// Output (both streams, in order) and exit code.
async fn bash(sandbox: &dyn Sandbox, text: &str) -> Result<(String, i32), SandboxError> {
    // On the script's first line, so that bash's own messages keep their line numbers.
    let argv = ["bash", "-c", &format!("exec 2>&1; {text}")].map(str::to_owned).to_vec();
    let mut process = sandbox.spawn(Command { argv, ..Command::default() }).await?;
    drop(process.stdin.take());
    let mut kept = Vec::new();
    let mut dropped = 0;
    let exit = match process.stdout.take() {
        None => process.control.wait().await?,
        Some(mut stdout) => {
            let exit = tokio::select! {
                exit = process.control.wait() => Some(exit?),
                () = drain(&mut stdout, &mut kept, &mut dropped) => None,
            };
            match exit {
                // The streams are closed: only the end is missing.
                None => process.control.wait().await?,
                Some(exit) => {
                    let _ = tokio::time::timeout(GRACE, drain(&mut stdout, &mut kept, &mut dropped)).await;
                    exit
                }
            }
        }
    };
    let mut output = String::from_utf8_lossy(&kept).into_owned();
    if dropped > 0 {
        output.push_str(&format!("\n[{dropped} more bytes are not kept]"));
    }
    Ok((output, exit.shell_code()))
}

/// Reads to the end, keeping what fits. Cancel-safe: a read that did not happen took nothing.
async fn drain(from: &mut Reader, kept: &mut Vec<u8>, dropped: &mut u64) {
    let mut piece = [0; 8192];
    while let Ok(count) = from.read(&mut piece).await {
        if count == 0 {
            return;
        }
        let room = MAX_OUTPUT.saturating_sub(kept.len()).min(count);
        kept.extend_from_slice(&piece[..room]);
        *dropped += (count - room) as u64;
    }
}
