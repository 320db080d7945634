//! Which programs run containers here, for `doctor`: nothing is started and nothing pulled.

use super::engine::{Engine, Refused};
use crate::sandbox::Choice;

/// A program that runs containers, and how it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The program.
    pub program: String,
    /// Its version, runtime and user; or why it can't be used.
    pub state: Result<String, String>,
    /// What would enable it, if that is known.
    pub enable: Option<&'static str>,
}

/// What the one and the other call the version, the runtime and what says that root inside is nobody outside.
const FORMATS: [&str; 2] = [
    "{{.ServerVersion}}\t{{.DefaultRuntime}}\t{{.SecurityOptions}}",
    "{{.Version.Version}}\t{{.Host.OCIRuntime.Name}}\trootless={{.Host.Security.Rootless}}",
];

/// Asks docker and podman, or the program that the user names, all at once.
pub async fn engines(choice: &Choice) -> Vec<Answer> {
    let asked = Engine::candidates(choice).into_iter().map(|engine| async move {
        let (state, enable) = match answer(&engine).await {
            Ok(told) => (Ok(told), None),
            Err(Refused::Absent) => {
                (Err("not in PATH".to_owned()), Some("install podman, which needs no daemon, or docker"))
            }
            Err(Refused::Said(said)) => {
                (Err(said), Some("start its daemon, or use podman, which needs none"))
            }
        };
        Answer { program: engine.program().to_owned(), state, enable }
    });
    let mut all = tokio::task::JoinSet::new();
    for (at, one) in asked.enumerate() {
        all.spawn(async move { (at, one.await) });
    }
    let mut told = all.join_all().await;
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(_, answer)| answer).collect()
}

async fn answer(engine: &Engine) -> Result<String, Refused> {
    let mut refused = Refused::Absent;
    for format in FORMATS {
        match engine.ask(&["info", "--format", format]).await {
            Ok(told) => match line(&told) {
                Some(line) => return Ok(line),
                None => refused = Refused::Said("its daemon does not answer".to_owned()),
            },
            Err(error @ Refused::Absent) => return Err(error),
            // The other's words for the same are unknown to it: what it says of its own is worth more.
            Err(Refused::Said(said)) => {
                if !said.contains("template") && !said.contains("evaluate field") {
                    refused = Refused::Said(said);
                }
            }
        }
    }
    Err(refused)
}

/// `4.3.1, runtime crun, rootless`; `None` where nobody tells a version.
fn line(told: &str) -> Option<String> {
    let mut parts = told.trim_end_matches('\n').split('\t');
    let version = parts.next().map(str::trim).filter(|version| !version.is_empty())?;
    let runtime = parts.next().map(str::trim).filter(|name| !name.is_empty());
    let rootless =
        parts.next().is_some_and(|text| text.contains("rootless") && !text.contains("rootless=false"));
    let runtime = runtime.map(|name| format!(", runtime {name}")).unwrap_or_default();
    Some(format!("{version}{runtime}, {}", if rootless { "rootless" } else { "as root" }))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn either_program_is_told_in_one_line() {
        let docker = "27.1\trunc\t[name=seccomp,profile=builtin name=rootless name=cgroupns]\n";
        assert_eq!(line(docker).as_deref(), Some("27.1, runtime runc, rootless"));
        assert_eq!(line("4.3.1\tcrun\trootless=false\n").as_deref(), Some("4.3.1, runtime crun, as root"));
        assert_eq!(line("\t\t[]\n"), None, "a client without its daemon");
    }
}
