//! `execute_ipython_cell`: cells of Python in one persistent interpreter.
//!
//! The text of an answer names no interpreter and no version, and is the same with and without IPython: a tape must
//! not drift with what the machine happens to have.

use super::python::{Answer, Ended, Python};
use super::{Tool, ToolFuture, ToolOutput, Toolbox, args};
use crate::model::{Object, ToolDef};
use crate::sandbox::Exit;
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

pub(super) static ITEM: Tool = Tool {
    name: "execute_ipython_cell",
    about: "runs a cell of Python in one persistent interpreter",
    define,
    run,
};

const DESCRIPTION: &str = "Runs one cell of Python in an interpreter that stays: variables, imports and functions are \
still there in the next call.
* The value of the last line is shown, as are printed text and the traceback of an exception.
* `!command` runs a shell command and `%pip install NAME` installs a package; both may stand among lines of Python.
* The interpreter starts in the folder that the file tool calls /workspace. Use relative paths: its real path may \
differ.
* A cell that prints nothing for 10 seconds is left running. Then wait with an empty `code`, or send `C-c` to interrupt \
it.
* `input()` reads nothing: nobody types. Of long output only the beginning and the end come back.";

/// Said where a cell printed nothing, as models know it from today's runtimes.
const NO_OUTPUT: &str = "[Code executed successfully with no output]";
/// Exit code of a shell that found no such program.
const NOT_FOUND: i32 = 127;

fn define() -> ToolDef {
    ToolDef {
        name: ITEM.name.to_owned(),
        description: DESCRIPTION.to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "code": {
                    "type": "string",
                    "description": "The cell. Empty: more output of the one that runs. `C-c`: interrupts it.",
                },
                "timeout": {
                    "type": "number",
                    "description": "Seconds to wait for the end of the cell, however silent it is.",
                },
            },
            "required": ["code"],
        }),
    }
}

fn run<'a>(toolbox: &'a mut Toolbox, arguments: &'a Object) -> ToolFuture<'a> {
    Box::pin(async move {
        let max = toolbox.options.max_timeout;
        let read =
            args::text(arguments, "code").and_then(|code| Ok((code, args::seconds(arguments, "timeout")?)));
        let (code, seconds) = match read {
            Ok((code, seconds)) => (code.unwrap_or_default(), seconds),
            Err(text) => return Ok(ToolOutput::error(text)),
        };
        let timeout = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(max).min(max));
        let sandbox = Arc::clone(&toolbox.sandbox);
        let options = toolbox.options.clone();
        let python = toolbox.python.get_or_insert_with(|| Python::new(sandbox, options));
        let stop = code.trim().eq_ignore_ascii_case("C-c");
        let answer = match (python.is_running(), code.trim().is_empty(), stop) {
            (true, true, _) => python.poll(timeout).await?,
            (true, _, true) => python.interrupt().await?,
            (true, ..) => return Ok(not_executed(&python.peek())),
            (false, true, _) => {
                return Ok(ToolOutput::error("ERROR: The cell is empty, and none is running."));
            }
            (false, _, true) => {
                return Ok(ToolOutput::error("ERROR: No cell is running that could be interrupted."));
            }
            (false, ..) => python.run(code, timeout).await?,
        };
        let interrupts = python.interrupts();
        Ok(tell(toolbox, &answer, timeout, interrupts))
    })
}

fn not_executed(output: &str) -> ToolOutput {
    let mut text = "[Your cell is NOT executed. The previous cell is still running. Wait for it with an empty `code`, or \
                    interrupt it with \"C-c\".]"
        .to_owned();
    if !output.is_empty() {
        let _ = write!(text, "\n[Below is the output of the previous cell.]\n{output}");
    }
    ToolOutput { exit_code: Some(-1), ..ToolOutput::error(text) }
}

/// The answer as the model reads it.
fn tell(toolbox: &Toolbox, answer: &Answer, timeout: Option<Duration>, interrupts: u32) -> ToolOutput {
    let options = &toolbox.options;
    if let Ended::Unborn(exit) = answer.ended
        && answer.fresh
    {
        let said = answer.late.as_deref().unwrap_or_default().trim();
        return ToolOutput::error(match exit {
            Exit::Code(NOT_FOUND) => "ERROR: There is no python3 here. Use `execute_bash`.".to_owned(),
            _ => format!("ERROR: python3 did not start: {} {said}", how(exit)),
        });
    }
    let mut text = String::new();
    if let Some(late) = &answer.late {
        let newline = if late.ends_with('\n') { "" } else { "\n" };
        let _ = write!(
            text,
            "[Late output of threads and background programs:]\n{late}{newline}[End of the late output.]\n"
        );
    }
    text.push_str(&answer.output);
    let line = |text: &mut String| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    };
    if let Some((over, killed)) = answer.over {
        line(&mut text);
        let end = if killed { "killed" } else { "interrupted" };
        let _ = writeln!(text, "{}", over.told("The cell", end, options));
    }
    let still = match answer.ended {
        Ended::Done { raised } => {
            if answer.output.is_empty() && !raised && answer.over.is_none() {
                text.push_str(NO_OUTPUT);
            }
            let text = text.strip_suffix('\n').map_or_else(|| text.clone(), str::to_owned);
            return ToolOutput { exit_code: Some(i32::from(raised)), ..ToolOutput::text(text) };
        }
        Ended::Dead(exit) | Ended::Unborn(exit) => {
            line(&mut text);
            let not_run = if matches!(answer.ended, Ended::Unborn(_)) {
                " before this cell, which was not run"
            } else {
                ""
            };
            let _ = write!(text, "[The interpreter ended{not_run}: {}. {GONE}]", how(exit));
            return ToolOutput { exit_code: Some(exit.shell_code()), ..ToolOutput::text(text) };
        }
        Ended::Lost => {
            line(&mut text);
            let _ = write!(text, "[The interpreter could not be reached any more and was killed. {GONE}]");
            return ToolOutput { exit_code: Some(137), ..ToolOutput::text(text) };
        }
        Ended::Silent | Ended::Busy if interrupts == 1 => {
            "The interrupt was sent and the cell still runs; another \"C-c\" kills the interpreter, with all variables."
                .to_owned()
        }
        Ended::Silent | Ended::Busy if interrupts > 1 => "The interpreter was killed and has not ended yet.".to_owned(),
        Ended::Silent => {
            format!("The cell has no new output after {} seconds.", options.soft_timeout.as_secs_f64())
        }
        Ended::Busy => format!("The cell still prints after {} seconds.", options.busy_timeout.as_secs_f64()),
        Ended::Timeout => {
            format!("The cell timed out after {} seconds.", timeout.unwrap_or_default().as_secs_f64())
        }
    };
    line(&mut text);
    let _ = write!(text, "[{still} You may wait longer with an empty `code`, or interrupt it with \"C-c\".]");
    ToolOutput { exit_code: Some(-1), ..ToolOutput::text(text) }
}

fn how(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("killed by signal {signal}"),
    }
}

/// What the end of an interpreter means.
const GONE: &str = "Its variables, imports and threads are gone; the next cell starts a new one.";
