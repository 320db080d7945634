//! Versions of the tools that tasks declare, as they answer inside a sandbox.

use super::Plan;
use crate::model::Object;
use crate::sandbox::{Command, Config, Launcher, Sandbox};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// How long one tool may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes of an answer that are looked at.
const MAX_ANSWER: u64 = 4096;

/// The first line that each declared tool answers to `--version`; tools that do not answer are left out.
pub async fn tool_versions(plan: &Plan, launcher: &Launcher) -> Object {
    let needs: BTreeSet<&str> = plan
        .suites
        .iter()
        .flat_map(|suite| suite.suite.tasks.iter().zip(&suite.skips))
        .filter(|(_, skip)| skip.is_none())
        // What such a task finds is the image's, which its digest names.
        .filter(|(task, _)| task.sandbox.root == "host")
        .flat_map(|(task, _)| task.needs.iter().map(String::as_str))
        .filter(|need| need.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b)))
        .collect();
    let mut versions = Object::new();
    if needs.is_empty() {
        return versions;
    }
    // Not knowing a version is no reason to stop a run; the record then lacks it.
    let Ok(sandbox) = launcher.start(Config { label: "versions".to_owned(), ..Config::default() }).await
    else {
        return versions;
    };
    for need in needs {
        let asked = tokio::time::timeout(PATIENCE, ask(sandbox.as_ref(), need)).await;
        if let Ok(Some(line)) = asked {
            versions.insert(need.to_owned(), line.into());
        }
    }
    sandbox.close().await;
    versions
}

async fn ask(sandbox: &dyn Sandbox, tool: &str) -> Option<String> {
    let argv = vec![tool.to_owned(), "--version".to_owned()];
    let mut process = sandbox.spawn(Command { argv, ..Command::default() }).await.ok()?;
    drop(process.stdin.take());
    let mut answer = Vec::new();
    process.stdout.take()?.take(MAX_ANSWER).read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}
