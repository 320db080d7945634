//! The command line of docker and podman, which is one as far as it is used here.

use crate::sandbox::{Choice, SandboxError};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Longest wait for an answer that starts nothing.
const PATIENCE: Duration = Duration::from_secs(20);
/// Label whose value is the folder of the run.
pub(super) const LABEL: &str = "rolltape.run";
/// Between the parts of what the janitor is told.
const UNIT: char = '\u{1f}';

/// One of the programs, as it is to be called.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    program: String,
    /// Variables that it needs where the environment is empty.
    vars: Vec<(String, String)>,
}

/// What it says of an image.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) digest: String,
    pub(super) env: Vec<String>,
    pub(super) user: String,
    pub(super) workdir: String,
}

impl Engine {
    /// The first program that has the image. Nothing is pulled: who wants that says so to the program itself.
    pub(super) async fn having(image: &str, choice: &Choice) -> Result<(Self, Image), SandboxError> {
        if image.starts_with('-') {
            return Err(SandboxError::new(format!("'{image}' names no image")));
        }
        let (mut lacking, mut broken, mut absent) = (Vec::new(), Vec::new(), Vec::new());
        for engine in Self::candidates(choice) {
            let program = engine.program.clone();
            match engine.ask(&["image", "inspect", "--", image]).await {
                Ok(told) => return Ok((engine, read(image, &told)?)),
                Err(Refused::Absent) => absent.push(program),
                Err(Refused::Said(said)) if is_missing(&said) => lacking.push(program),
                Err(Refused::Said(said)) => broken.push((program, said)),
            }
        }
        let mut error = if let Some(program) = lacking.first() {
            let mut error = SandboxError::new(format!("{program} has no image '{image}'"));
            let pull = format!("nothing is pulled unasked: `{program} pull {image}` does it");
            error.hint = Some(match broken.first() {
                Some((other, said)) => format!("{pull}; {other} can't be asked: {said}"),
                None => pull,
            });
            return Err(error);
        } else if let Some((program, said)) = broken.first() {
            SandboxError::new(format!("{program} can't be asked for the image '{image}': {said}"))
        } else {
            SandboxError::new(format!("no {} is in PATH to run the image '{image}'", absent.join(" or ")))
        };
        error.hint = Some(if broken.is_empty() {
            "install podman or docker; ROLLTAPE_CONTAINERS names another program with their command line"
                .to_owned()
        } else {
            "start its daemon, or let ROLLTAPE_CONTAINERS name the program to use: podman needs no daemon"
                .to_owned()
        });
        Err(error)
    }

    /// The programs that may be there, best first: the one that the user names, else both.
    pub(super) fn candidates(choice: &Choice) -> Vec<Self> {
        let names = match &choice.engine {
            Some(name) => vec![name.clone()],
            None => vec!["docker".to_owned(), "podman".to_owned()],
        };
        names.into_iter().map(|program| Self { program, vars: choice.vars.clone() }).collect()
    }

    pub(super) fn program(&self) -> &str {
        &self.program
    }

    pub(super) fn command(&self, arguments: &[String]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C on the terminal is the harness's business.
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// Its standard output.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<String, Refused> {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let output = match tokio::time::timeout(PATIENCE, self.command(&arguments).output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Err(Refused::Absent),
            Ok(Err(error)) => return Err(Refused::Said(crate::sandbox::wire::words(&error))),
            Err(_) => return Err(Refused::Said(format!("no answer within {} seconds", PATIENCE.as_secs()))),
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Refused::Said(sentence(&output.stderr)))
    }

    /// Removes containers of runs that are dead: whose folder is gone, or its lock free.
    pub(super) async fn sweep(&self) {
        let filter = format!("label={LABEL}");
        let Ok(names) = self.ask(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]).await else {
            return;
        };
        let format = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
        for name in names.lines().filter(|name| name.starts_with("rolltape-")) {
            if let Ok(folder) = self.ask(&["container", "inspect", "--format", &format, "--", name]).await
                && is_dead(Path::new(folder.trim()))
            {
                let _ = self.ask(&["rm", "-f", "--", name]).await;
            }
        }
    }

    /// A line by which the janitor can remove a container.
    pub(super) fn line(&self, name: &str) -> String {
        let mut parts = vec![name.to_owned(), self.program.clone()];
        parts.extend(self.vars.iter().map(|(name, value)| format!("{name}={value}")));
        parts.retain(|part| !part.contains(['\n', UNIT]));
        parts.join(&UNIT.to_string())
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refused {
    /// There is no such program.
    Absent,
    /// What it says.
    Said(String),
}

/// In the janitor: removes the container of a line.
pub(in crate::sandbox) fn remove_told(line: &str) {
    let mut parts = line.split(UNIT);
    let (Some(name), Some(program)) = (parts.next(), parts.next()) else { return };
    let mut command = std::process::Command::new(program);
    command.args(["rm", "-f", "--", name]).envs(parts.filter_map(|part| part.split_once('=')));
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

fn is_dead(folder: &Path) -> bool {
    match File::open(folder.join("lock")) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn is_missing(said: &str) -> bool {
    let said = said.to_lowercase();
    ["no such image", "image not known", "no such object", "not found"]
        .iter()
        .any(|words| said.contains(words))
        && !said.contains("daemon running")
}

fn read(image: &str, told: &str) -> Result<Image, SandboxError> {
    let unread = || SandboxError::new(format!("image '{image}': what is told of it can't be read"));
    let all: Value = serde_json::from_str(told).map_err(|_| unread())?;
    let one = all.get(0).unwrap_or(&all);
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = text(one, "Id");
    let config = one.get("Config").ok_or_else(unread)?;
    let env = config.get("Env").and_then(Value::as_array).into_iter().flatten();
    Ok(Image {
        digest: if id.contains(':') { id } else { format!("sha256:{id}") },
        env: env.filter_map(|line| line.as_str().map(str::to_owned)).collect(),
        user: text(config, "User"),
        workdir: text(config, "WorkingDir"),
    })
}

/// What a program says of its failure, as the end of one of our sentences.
pub(super) fn sentence(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut lines = text.lines().map(str::trim).filter(|line| {
        !line.is_empty()
            && !line.starts_with("See '")
            && !line.contains("level=warning")
            && !line.starts_with("Run '")
    });
    let line = lines.next_back().unwrap_or("it says nothing");
    let line = line
        .trim_start_matches("Error: ")
        .trim_start_matches("docker: ")
        .trim_start_matches("Error response from daemon: ");
    let mut chars = line.trim_end_matches('.').chars().filter(|c| !c.is_control());
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).take(400).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_becomes_half_a_sentence() {
        let docker = b"docker: Error response from daemon: No such image: x:1.\n\nRun 'docker run --help' for more information\n";
        assert_eq!(sentence(docker), "no such image: x:1");
        assert_eq!(
            sentence(b"time=\"x\" level=warning msg=\"y\"\nError: x: image not known\n"),
            "x: image not known"
        );
        assert_eq!(sentence(b""), "it says nothing");
        let off = "cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?";
        assert!(is_missing("x: image not known") && !is_missing(off));
    }

    #[test]
    fn an_image_is_read_off_either_program() {
        let podman = r#"[{"Id":"ab","Config":{"Env":["A=1"],"User":"me","WorkingDir":"/w"}}]"#;
        let image = read("x", podman).unwrap();
        assert_eq!(
            (image.digest.as_str(), image.user.as_str(), image.workdir.as_str()),
            ("sha256:ab", "me", "/w")
        );
        let docker = r#"[{"Id":"sha256:ab","Config":{"Env":null}}]"#;
        assert_eq!(
            (read("x", docker).unwrap().digest, read("x", docker).unwrap().env),
            ("sha256:ab".into(), vec![])
        );
        assert!(read("x", "[]").is_err() && read("x", "no").is_err());
    }
}
