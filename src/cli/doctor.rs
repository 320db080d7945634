//! `rolltape doctor`: which sandbox this machine can make, layer by layer, and what would enable more.

use super::{CliError, Context, Exit, Verb};
use crate::sandbox::{Choice, Launcher, Level};
use clap::{ArgMatches, Command};
use std::time::Duration;

pub(super) static ITEM: Verb =
    Verb { name: "doctor", about: "Shows which sandbox this machine can make", augment, run };

fn augment(command: Command) -> Command {
    command
}

fn run(_: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::harness(format!("the runtime can't start: {error}")))?;
    let (text, works) = runtime.block_on(report());
    context.data(&text);
    Ok(if works { Exit::Fine } else { Exit::Harness })
}

/// The whole page, and whether any level works.
async fn report() -> (String, bool) {
    let mut text = "levels\n".to_owned();
    let mut best: Option<Launcher> = None;
    for level in [Level::Overlay, Level::User, Level::Process] {
        let name = level.as_str();
        match Launcher::new(Choice { level: Some(level), ..Choice::default() }).await {
            Ok(launcher) if best.is_none() => {
                text.push_str(&format!("  {name:<14} on   used by --level auto\n"));
                best = Some(launcher);
            }
            Ok(launcher) => {
                text.push_str(&format!("  {name:<14} on\n"));
                launcher.finish(Duration::from_secs(2)).await;
            }
            Err(error) => {
                let lead = format!("the sandbox level '{name}' does not work here: ");
                let reason = error.message.strip_prefix(&lead).unwrap_or(&error.message);
                text.push_str(&format!("  {name:<14} off  {reason}\n"));
                if let Some(way) = enable(level) {
                    text.push_str(&format!("  {:<14}      enable: {way}\n", ""));
                }
            }
        }
    }
    let Some(launcher) = best else { return (text, false) };
    text.push_str(&format!("layers of {}\n", launcher.level().as_str()));
    for layer in launcher.layers() {
        let reason = layer.reason.as_deref().unwrap_or("");
        let line = format!("  {:<14} {}  {reason}", layer.name, if layer.on { "on " } else { "off" });
        text.push_str(line.trim_end());
        text.push('\n');
        if !layer.on && layer.name == "cgroup-memory" {
            text.push_str(&format!(
                "  {:<14}      enable: systemd-run --user --scope -p Delegate=yes rolltape …\n",
                ""
            ));
        }
    }
    text.push_str("powers\n");
    for power in ["install", "root-inside", "private-net", "cgroup"] {
        let state = launcher.unmet(power).map_or_else(|| "on".to_owned(), |reason| format!("off  {reason}"));
        text.push_str(&format!("  {power:<14} {state}\n"));
    }
    launcher.finish(Duration::from_secs(2)).await;
    (text, true)
}

/// The command that makes a level possible.
fn enable(level: Level) -> Option<&'static str> {
    match level {
        Level::Overlay => Some("sudo rolltape …"),
        Level::User => Some(
            "sudo sysctl -w user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        _ => None,
    }
}
