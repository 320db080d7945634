//! What `--json` tells of a command in a sandbox.

use super::Args;
use crate::cli::{CliError, Context};
use crate::model::{LayerState, LimitKind, Object};
use crate::sandbox::{Changes, Exit, Level, Sandbox};
use crate::store::io_text;
use crate::util::redact::Redactor;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Version of the object.
const VERSION: &str = "1.0";

/// How the command ended.
pub(super) enum Ended {
    /// It was never begun.
    Unknown,
    /// It could not be started, and why.
    NotStarted(String),
    /// By itself or by a signal.
    Exit(Exit),
    /// A limit stopped it.
    Stopped,
}

/// All that is told.
pub(super) struct Report {
    command: Vec<String>,
    /// The kept state that it began with.
    from: Option<String>,
    level: Level,
    layers: Vec<LayerState>,
    network_policy: String,
    pub(super) ended: Ended,
    pub(super) limits: Vec<LimitKind>,
    pub(super) leftovers: u64,
    pub(super) network: Vec<Object>,
    pub(super) changes: Changes,
    pub(super) duration: Duration,
}

impl Report {
    pub(super) fn new(args: &Args, sandbox: &dyn Sandbox) -> Self {
        Self {
            command: args.command.clone(),
            from: args.from.clone(),
            level: sandbox.level(),
            layers: sandbox.layers().to_vec(),
            network_policy: args.network.to_string(),
            ended: Ended::Unknown,
            limits: Vec::new(),
            leftovers: 0,
            network: Vec::new(),
            changes: Changes::default(),
            duration: Duration::ZERO,
        }
    }

    fn to_json(&self) -> Value {
        let (code, signal, error) = match &self.ended {
            Ended::Exit(Exit::Code(code)) => (Some(*code), None, None),
            Ended::Exit(Exit::Signal(signal)) => (None, Some(*signal), None),
            Ended::NotStarted(why) => (None, None, Some(why.clone())),
            Ended::Unknown | Ended::Stopped => (None, None, None),
        };
        let layers = self
            .layers
            .iter()
            .map(|layer| json!({"name": layer.name, "on": layer.on, "reason": layer.reason}));
        let changes = self.changes.list.iter().map(
            |changed| json!({"path": changed.path, "change": changed.change.as_str(), "size": changed.size}),
        );
        let limits = self.limits.iter().map(|kind| kind.as_str());
        json!({
            "schema_version": VERSION,
            "command": self.command,
            "from": self.from,
            "exit_code": code,
            "signal": signal,
            "error": error,
            "level": self.level.as_str(),
            "layers": layers.collect::<Vec<_>>(),
            "limits": limits.collect::<Vec<_>>(),
            "leftovers": self.leftovers,
            "network": {"policy": self.network_policy, "requests": self.network},
            "changes": changes.collect::<Vec<_>>(),
            "changes_left_out": self.changes.more,
            "folders_unread": self.changes.unread,
            "timing": {"duration_ms": self.duration.as_millis() as u64},
        })
    }
}

/// Where the object goes. A file is opened before anything runs: whether it can be written must not be found out
/// when the sandbox is gone.
pub(super) enum Sink {
    /// Standard error.
    Talk,
    /// A file, with its name.
    File(File, PathBuf),
}

impl Sink {
    pub(super) fn open(to: &Path, context: &Context) -> Result<Self, CliError> {
        if to == Path::new("-") {
            return Ok(Self::Talk);
        }
        let file = File::create(context.cwd.join(to)).map_err(|error| refused(to, &error))?;
        Ok(Self::File(file, to.to_owned()))
    }

    /// Writes the object, without what looks like a secret.
    pub(super) fn write(self, report: &Report, context: &Context) -> Result<(), CliError> {
        let text = Redactor::default().redact_value(report.to_json()).to_string();
        match self {
            Self::Talk => context.say(&text),
            Self::File(mut file, name) => {
                writeln!(file, "{text}").map_err(|error| refused(&name, &error))?;
            }
        }
        Ok(())
    }
}

fn refused(to: &Path, error: &std::io::Error) -> CliError {
    CliError::usage(format!("'{}' can't be written: {}", to.display(), io_text(error)))
        .hint("--json alone tells it on stderr")
}
