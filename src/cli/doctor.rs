//! `rolltape doctor`: which sandbox this machine can make, layer by layer, and what would enable more.

use super::{CliError, Context, Exit, Verb, image_store};
use crate::sandbox::{self, Choice, Launcher, Level};
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
    let (text, works) = runtime.block_on(async {
        let ((mut text, works), images) = tokio::join!(report(), images(context));
        text.push_str(&images);
        (text, works)
    });
    context.data(&text);
    Ok(if works { Exit::Fine } else { Exit::Harness })
}

/// The whole page, and whether any level works.
async fn report() -> (String, bool) {
    let mut text = "levels\n".to_owned();
    let mut any = false;
    for level in [Level::Overlay, Level::User, Level::Process] {
        let name = level.as_str();
        match Launcher::new(Choice { level: Some(level), ..Choice::default() }).await {
            Ok(launcher) => {
                let used = if any { "" } else { "   used by --level auto" };
                any = true;
                text.push_str(&format!("  {name:<14} on{used}\n"));
                launcher.finish(Duration::from_secs(2)).await;
            }
            Err(error) => {
                let lead = format!("the sandbox level '{name}' does not work here: ");
                let reason = error.message.strip_prefix(&lead).unwrap_or(&error.message);
                text.push_str(&format!("  {name:<14} off  {reason}\n"));
                if let Some(way) = Launcher::enable(level) {
                    text.push_str(&format!("  {:<14}      enable: {way}\n", ""));
                }
            }
        }
    }
    // Chosen as a run would, so that the layers can say what is against the better levels.
    let Ok(launcher) = Launcher::new(Choice::default()).await else { return (text, false) };
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

/// What images of containers can be run with.
async fn images(context: &Context) -> String {
    let mut text = "images\n".to_owned();
    let mut tell = |name: &str, state: Result<String, String>, enable: Option<&str>| {
        let (word, words) = match state {
            Ok(words) => ("on ", words),
            Err(words) => ("off", words),
        };
        text.push_str(&format!("  {name:<14} {word}  {words}\n"));
        if let Some(way) = enable {
            text.push_str(&format!("  {:<14}      enable: {way}\n", ""));
        }
    };
    if cfg!(feature = "oci") {
        let place = image_store::folder(context);
        let place = place.map(|folder| format!("kept in {}", folder.display()));
        let none = "neither HOME nor ROLLTAPE_HOME says where to keep them".to_owned();
        tell("oci", place.ok_or(none), None);
    } else {
        tell("oci", Err("this build has no feature 'oci'".to_owned()), Some(sandbox::WITH_IMAGES));
    }
    let choice = Choice {
        engine: image_store::engine(context),
        vars: image_store::engine_vars(context),
        ..Choice::default()
    };
    for answer in sandbox::engines(&choice).await {
        tell(&answer.program, answer.state, answer.enable);
    }
    text
}
