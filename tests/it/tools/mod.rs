//! The agent's tools, in real sandboxes.

mod bash;
mod cells;
mod editor;
mod levels;
mod traps;

use crate::sandbox::{choice, with_launcher};
use rolltape::sandbox::{Config, Level, Sandbox};
use rolltape::tools::{Options, ToolOutput, Toolbox};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Limits that let a test go on soon.
pub(super) fn quick() -> Options {
    Options { soft_timeout: Duration::from_millis(700), ..Options::default() }
}

/// The tools of one fresh sandbox.
pub(super) struct Desk {
    pub(super) tools: Toolbox,
    pub(super) sandbox: Arc<dyn Sandbox>,
}

impl Desk {
    pub(super) async fn call(&mut self, name: &str, arguments: Value) -> ToolOutput {
        let arguments = arguments.as_object().expect("an object");
        let called = tokio::time::timeout(Duration::from_secs(120), self.tools.call(name, arguments)).await;
        called.expect("an answer within two minutes").expect("a sandbox that works")
    }

    /// Runs a command.
    pub(super) async fn bash(&mut self, command: &str) -> ToolOutput {
        self.call("execute_bash", json!({ "command": command })).await
    }

    /// Types a line for what runs.
    pub(super) async fn input(&mut self, line: &str) -> ToolOutput {
        self.call("execute_bash", json!({ "command": line, "is_input": "true" })).await
    }

    /// Runs a command that must end: what it printed, without the trailer, and its code.
    pub(super) async fn said(&mut self, command: &str) -> (String, i32) {
        let output = self.bash(command).await;
        (printed(&output), output.exit_code.expect("a code"))
    }

    /// Calls the file tool.
    pub(super) async fn edit(&mut self, arguments: Value) -> ToolOutput {
        self.call("str_replace_editor", arguments).await
    }
}

/// The text before the trailer of a command that has ended.
pub(super) fn printed(output: &ToolOutput) -> String {
    let end = output.text.rfind("[Current working directory: ");
    output.text[..end.unwrap_or_else(|| panic!("no trailer: {}", output.text))].to_owned()
}

/// Runs a test with tools in a sandbox without isolation.
pub(super) fn with_desk<F>(options: Options, test: impl FnOnce(Desk) -> F)
where
    F: Future<Output = ()>,
{
    with_desk_at("none", None, options, test);
}

/// The same in a level.
pub(super) fn with_desk_at<F>(
    backend: &str,
    level: Option<Level>,
    options: Options,
    test: impl FnOnce(Desk) -> F,
) where
    F: Future<Output = ()>,
{
    with_launcher(choice(backend, level), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
        test(Desk {
            tools: Toolbox::with_options(Arc::clone(&sandbox), options),
            sandbox: Arc::clone(&sandbox),
        })
        .await;
        sandbox.close().await;
    });
}

/// Calls until it holds, for at most ten seconds.
pub(super) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(10), "it did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
