//! `execute_bash`: commands in one persistent shell.
//!
//! The texts in brackets are what models trained on today's runtimes know: their beginnings are kept.

use super::shell::{Answer, Ended, Key, Shell};
use super::{Tool, ToolFuture, ToolOutput, Toolbox, args, split};
use crate::model::{Object, ToolDef};
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

pub(super) static ITEM: Tool =
    Tool { name: "execute_bash", about: "runs a command in one persistent bash", define, run };

const DESCRIPTION: &str = "Runs one bash command in a shell that stays: its folder, variables, functions and \
background jobs are still there in the next call.
* One command a call. Several are joined with `&&` or `;`; loops and here-documents over many lines are fine.
* The shell starts in the folder that the file tool calls /workspace. Use relative paths: its real path may differ.
* A command that prints nothing for 10 seconds is left running and exit code -1 comes back. Then wait with an empty \
command, type a line for it with `is_input`, or send `C-c` (interrupt), `C-d` (end of input), `C-z` (stop).
* What never ends by itself belongs into the background with its output in a file: `server > log 2>&1 &`.
* Of long output only the beginning and the end come back.";

fn define() -> ToolDef {
    ToolDef {
        name: ITEM.name.to_owned(),
        description: DESCRIPTION.to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "command": {
                    "type": "string",
                    "description": "The command. Empty: more output of the one that runs. `C-c`, `C-d`, `C-z`: a key \
                                    for it.",
                },
                "is_input": {
                    "type": "string",
                    "enum": ["true", "false"],
                    "description": "Whether `command` is a line of input for the program that runs. Default: false.",
                },
                "timeout": {
                    "type": "number",
                    "description": "Seconds to wait for the end of the command, however silent it is.",
                },
            },
            "required": ["command"],
        }),
    }
}

fn run<'a>(toolbox: &'a mut Toolbox, arguments: &'a Object) -> ToolFuture<'a> {
    Box::pin(async move {
        let call = match Call::read(arguments, toolbox.options.max_timeout) {
            Ok(call) => call,
            Err(text) => return Ok(ToolOutput::error(text)),
        };
        let sandbox = Arc::clone(&toolbox.sandbox);
        let options = toolbox.options.clone();
        let shell = toolbox.shell.get_or_insert_with(|| Shell::new(sandbox, options));
        let mut prefix = "";
        let result = if shell.is_running() {
            prefix = "[Below is the output of the previous command.]\n";
            match (key(call.command), call.command.trim().is_empty(), call.is_input) {
                (Some(key), ..) => Ok(shell.key(key).await?),
                (None, true, false) => Ok(shell.poll(call.timeout).await?),
                (None, _, true) => shell.input(call.command, call.timeout).await?,
                (None, false, false) => Err(not_executed(call.command, &shell.peek())),
            }
        } else {
            match refuse(&call) {
                Some(text) => Err(text),
                None => shell.run(call.command, call.timeout).await?,
            }
        };
        let interrupts = shell.interrupts();
        Ok(match result {
            Ok(answer) => tell(toolbox, &answer, &call, prefix, interrupts),
            Err(text) => {
                let exit_code = text.starts_with('[').then_some(-1);
                ToolOutput { exit_code, ..ToolOutput::error(text) }
            }
        })
    })
}

struct Call<'a> {
    command: &'a str,
    is_input: bool,
    timeout: Option<Duration>,
}

impl<'a> Call<'a> {
    fn read(arguments: &'a Object, max: Duration) -> Result<Self, String> {
        let command = args::text(arguments, "command")?.unwrap_or_default();
        if command.contains('\0') {
            return Err("ERROR: A command can't hold a NUL byte.".to_owned());
        }
        let seconds = args::seconds(arguments, "timeout")?;
        let timeout = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(max).min(max));
        Ok(Self { command, is_input: args::flag(arguments, "is_input")?, timeout })
    }
}

/// `C-c` and its like: exactly three characters.
fn key(command: &str) -> Option<Key> {
    let letter = command.trim().strip_prefix("C-")?;
    match letter.as_bytes() {
        [b'c' | b'C'] => Some(Key::Interrupt),
        [byte] if byte.is_ascii_alphabetic() => Some(Key::Plain(byte.to_ascii_lowercase() & 0x1f)),
        _ => None,
    }
}

/// Why a command is not run while nothing else runs.
fn refuse(call: &Call<'_>) -> Option<String> {
    if call.is_input || key(call.command).is_some() {
        return Some("ERROR: No previous running command to interact with.".to_owned());
    }
    let statements = split::statements(call.command);
    match statements.len() {
        0 => Some("ERROR: No previous running command to retrieve logs from.".to_owned()),
        1 => None,
        _ => {
            let mut text =
                "ERROR: Cannot execute multiple commands at once.\nPlease run each command separately OR \
                            chain them into a single command via && or ;\nProvided commands:"
                    .to_owned();
            for (index, statement) in statements.iter().enumerate() {
                let _ = write!(text, "\n({}) {statement}", index + 1);
            }
            Some(text)
        }
    }
}

fn not_executed(command: &str, output: &str) -> String {
    let mut text = format!(
        "[Your command \"{command}\" is NOT executed. The previous command is still running. Wait for it with an empty \
         command, type a line for it with is_input=true, or end it with \"C-c\".]"
    );
    if !output.is_empty() {
        let _ = write!(text, "\n[Below is the output of the previous command.]\n{output}");
    }
    text
}

/// The answer as the model reads it.
fn tell(toolbox: &Toolbox, answer: &Answer, call: &Call<'_>, prefix: &str, interrupts: u32) -> ToolOutput {
    let mut text = String::new();
    if let Some(late) = &answer.late {
        let newline = if late.ends_with('\n') { "" } else { "\n" };
        let _ = write!(text, "[Late output of background jobs:]\n{late}{newline}[End of the late output.]\n");
    }
    text.push_str(prefix);
    text.push_str(&answer.output);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if let Some(over) = answer.over {
        let _ = writeln!(text, "{}", over.told("The command", "killed", &toolbox.options));
    }
    let code = match &answer.ended {
        Ended::Done(status) => status.code,
        Ended::Dead(exit) => exit.shell_code(),
        Ended::Silent | Ended::Busy | Ended::Timeout | Ended::Lost => -1,
    };
    let options = &toolbox.options;
    let seconds = |time: Duration| time.as_secs_f64();
    let still = match &answer.ended {
        Ended::Silent | Ended::Busy if interrupts > 0 => escalation(interrupts).to_owned(),
        Ended::Silent | Ended::Busy if key(call.command).is_some() => {
            "The key was sent; the command still runs.".to_owned()
        }
        Ended::Silent => {
            format!("The command has no new output after {} seconds.", seconds(options.soft_timeout))
        }
        Ended::Busy => format!("The command still prints after {} seconds.", seconds(options.busy_timeout)),
        Ended::Timeout => {
            format!("The command timed out after {} seconds.", seconds(call.timeout.unwrap_or_default()))
        }
        Ended::Done(_) | Ended::Dead(_) | Ended::Lost => String::new(),
    };
    if !still.is_empty() {
        let _ = write!(
            text,
            "[{still} You may wait longer with an empty command, type a line for it with is_input=true, or send keys \
             (\"C-c\", \"C-z\", \"C-d\").]"
        );
        return ToolOutput { exit_code: Some(-1), ..ToolOutput::text(text) };
    }
    let cwd = shown(&answer.cwd, toolbox.sandbox.workspace());
    if let Some(replaced) = &answer.replaced {
        replacement(&mut text, &answer.ended, replaced, &cwd);
    }
    let _ = write!(text, "[Current working directory: {cwd}]");
    // No line about a Python interpreter: a tape must not drift with what the machine happens to have.
    if code != -1 {
        let _ = write!(text, "\n[Command finished with exit code {code}]");
    }
    ToolOutput { exit_code: Some(code), ..ToolOutput::text(text) }
}

fn escalation(interrupts: u32) -> &'static str {
    match interrupts {
        1 => {
            "SIGINT was sent and the command still runs; another \"C-c\" sends SIGQUIT, a third one kills it."
        }
        2 => "SIGQUIT was sent and the command still runs; another \"C-c\" kills it.",
        _ => "SIGKILL was sent and the command has not ended yet.",
    }
}

fn replacement(text: &mut String, ended: &Ended, replaced: &Result<(), String>, cwd: &str) {
    let why = match ended {
        Ended::Lost => "The shell took no command any more and was killed.",
        _ => "The shell itself ended: by exit or exec, by a failing command under `set -e`, or killed.",
    };
    let _ = match replaced {
        Ok(()) => writeln!(
            text,
            "[{why} A new one was started in {cwd} with the exported variables; functions, options and other variables \
             are gone.]"
        ),
        Err(error) => {
            writeln!(
                text,
                "[{why} A new one could not be started yet: {error}. The next command tries again.]"
            )
        }
    };
}

/// A path below the workspace as the file tool names it, the same in every level.
fn shown(path: &str, workspace: &str) -> String {
    match path.strip_prefix(workspace) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/workspace{rest}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_exactly_three_characters() {
        assert_eq!(key("C-c"), Some(Key::Interrupt));
        assert_eq!(key(" C-d\n"), Some(Key::Plain(4)));
        assert_eq!(key("C-z"), Some(Key::Plain(26)));
        assert_eq!(key("C-cc"), None);
        assert_eq!(key("C-1"), None);
        assert_eq!(key("echo C-c"), None);
    }

    #[test]
    fn the_workspace_has_one_name() {
        assert_eq!(shown("/tmp/x/work/a", "/tmp/x/work"), "/workspace/a");
        assert_eq!(shown("/tmp/x/work", "/tmp/x/work"), "/workspace");
        assert_eq!(shown("/tmp/x/working", "/tmp/x/work"), "/tmp/x/working");
        assert_eq!(shown("/workspace/b", "/workspace"), "/workspace/b");
    }
}
