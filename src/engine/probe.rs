//! Probes: what is kept of the agent's sandbox, and what is run again in fresh ones.

use super::place::{FOLDER, folder_of, open_network, put, sandbox_config, sandbox_error, serve};
use super::surroundings::Surroundings;
use crate::model::{ErrorClass, Object, RunError};
use crate::sandbox::{Apart, Command, FileError, FileKind, Process, Sandbox, Signal, SignalTarget};
use crate::score::{Compiled, Probe, ProbeResult};
use crate::service::{self, Authority, Running};
use crate::suite::{FileSpec, Task};
use crate::util::digest::sha256_hex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Most bytes of one output stream that are kept; the rest is read and counted.
const MAX_OUTPUT: usize = 1 << 20;
/// Most bytes of a file that is carried into a probe.
const MAX_CARRY: u64 = 16 << 20;
/// What hidden tests find in `ROLLTAPE_AS_AGENT` where nothing keeps the program that they judge from them.
const NOT_APART: &str = "env -u ROLLTAPE_NONCE";
/// The private descriptor of hidden tests that say their verdict; programs find its number in `ROLLTAPE_VERDICT_FD`.
const VERDICT_FD: i32 = 9;
/// Most bytes that are read of it.
const MAX_VERDICT: u64 = 64 << 10;
/// Where hidden files lie for a probe; programs find it in `ROLLTAPE_TESTS`.
const TESTS: &str = "/tests";

/// Files copied out of the agent's sandbox after everything in it was dead, by path as asked for.
#[derive(Debug, Default)]
pub(super) struct Kept {
    files: BTreeMap<String, Copied>,
}

/// What became of a file that was asked for.
#[derive(Debug)]
enum Copied {
    File(FileSpec),
    /// Nothing is there.
    Absent,
    /// Something is there that is not kept: a link, a pipe, too many bytes.
    Refused(String),
    /// The sandbox could not tell.
    Unknown(String),
}

impl Kept {
    /// What became of the files that are carried into commands: size and digest, or why there is none. A record that
    /// lacks them could not say what was judged. `None` if no scorer carries any.
    pub(super) fn carried(&self, scorers: &[Arc<Compiled>]) -> Option<Value> {
        let carry = scorers.iter().flat_map(|scorer| &scorer.probes).flat_map(|probe| match probe {
            Probe::Run { carry, .. } => carry.as_slice(),
            Probe::File { .. } => &[],
        });
        let mut told = Object::new();
        for path in carry {
            let became = match self.files.get(path) {
                Some(Copied::File(file)) => {
                    json!({ "bytes": file.bytes.len(), "sha256": sha256_hex(&file.bytes) })
                }
                Some(Copied::Refused(reason) | Copied::Unknown(reason)) => json!({ "not_kept": reason }),
                Some(Copied::Absent) | None => Value::Null,
            };
            told.insert(path.clone(), became);
        }
        told.sort_keys();
        (!told.is_empty()).then_some(Value::Object(told))
    }
}

/// Copies all files that any scorer of the task asks for.
pub(super) async fn keep(sandbox: &dyn Sandbox, scorers: &[Arc<Compiled>]) -> Kept {
    let mut kept = Kept::default();
    for probe in scorers.iter().flat_map(|scorer| &scorer.probes) {
        let (paths, max): (&[String], u64) = match probe {
            Probe::File { path, max_bytes } => (std::slice::from_ref(path), *max_bytes),
            Probe::Run { carry, .. } => (carry, MAX_CARRY),
        };
        for path in paths {
            if !kept.files.contains_key(path) {
                kept.files.insert(path.clone(), copy(sandbox, path, max).await);
            }
        }
    }
    kept
}

/// Copies one regular file. A link is not followed, not even inside: who declares a file means that file.
async fn copy(sandbox: &dyn Sandbox, path: &str, max: u64) -> Copied {
    let files = sandbox.files();
    let stat = match files.stat(path).await {
        Ok(stat) => stat,
        Err(error) => return Copied::from(error),
    };
    let what = match stat.kind {
        FileKind::File => {
            return match files.read(path, max).await {
                Ok(bytes) => Copied::File(FileSpec { bytes, executable: stat.mode & 0o111 != 0 }),
                Err(error) => Copied::from(error),
            };
        }
        FileKind::Folder => "a folder",
        FileKind::Symlink => "a symbolic link",
        FileKind::Other => "a device, a pipe or a socket",
    };
    Copied::Refused(format!("{path} is {what}, not a regular file"))
}

impl From<FileError> for Copied {
    fn from(error: FileError) -> Self {
        match error {
            FileError::NotFound(_) => Copied::Absent,
            FileError::Gone(reason) => Copied::Unknown(reason),
            refused => Copied::Refused(refused.to_string()),
        }
    }
}

/// Runs every probe of every scorer; results in the order of scorers and probes, `None` if the run was stopped.
pub(super) async fn all(
    around: &Surroundings,
    task: &Task,
    scorers: &[Arc<Compiled>],
    kept: &Kept,
    mounts: &[(String, String)],
) -> Result<Option<Vec<Vec<ProbeResult>>>, RunError> {
    let mut results = Vec::with_capacity(scorers.len());
    for scorer in scorers {
        let mut of_scorer = Vec::with_capacity(scorer.probes.len());
        for probe in &scorer.probes {
            of_scorer.push(match probe {
                Probe::File { path, .. } => kept_file(kept, path),
                Probe::Run { .. } => match again(around, task, probe, kept, mounts).await? {
                    Some(result) => result,
                    None => return Ok(None),
                },
            });
        }
        results.push(of_scorer);
    }
    Ok(Some(results))
}

fn kept_file(kept: &Kept, path: &str) -> ProbeResult {
    match kept.files.get(path) {
        Some(Copied::File(file)) => ProbeResult::File { bytes: Some(file.bytes.clone()), reason: None },
        Some(Copied::Absent) => ProbeResult::File { bytes: None, reason: None },
        Some(Copied::Refused(reason)) => ProbeResult::File { bytes: None, reason: Some(reason.clone()) },
        Some(Copied::Unknown(reason)) => ProbeResult::Unavailable { reason: reason.clone() },
        None => ProbeResult::Unavailable { reason: format!("{path} was not copied") },
    }
}

/// Runs a command in a fresh sandbox that holds only what was declared; `None` if the run was stopped.
async fn again(
    around: &Surroundings,
    task: &Task,
    probe: &Probe,
    kept: &Kept,
    mounts: &[(String, String)],
) -> Result<Option<ProbeResult>, RunError> {
    let authority = around.authority(task)?;
    let mut config = sandbox_config(format!("probe of {}", task.id), task, mounts, authority.as_deref());
    // What a probe prints is cut where it is read.
    config.output = None;
    let hidden = matches!(probe, Probe::Run { hidden: true, .. }) && !task.hidden.is_empty();
    let launcher = around.launcher.as_ref().filter(|_| hidden);
    let apart = launcher.and_then(|launcher| launcher.apart(&task.sandbox.root, mounts).ok());
    config.mounts.extend(apart.as_ref().and_then(Apart::mount));
    let sandbox = around.start(config).await.map_err(|error| sandbox_error(&error))?;
    let result = tokio::select! {
        result = run_in(sandbox.as_ref(), (task, mounts), probe, kept, (authority.as_deref(), apart.as_ref())) => {
            result.map(Some)
        }
        () = around.stop.cancelled() => Ok(None),
    };
    // Also when the run is stopped: a sandbox that nobody closes would live as long as the harness.
    sandbox.close().await;
    result
}

async fn run_in(
    sandbox: &dyn Sandbox,
    (task, mounts): (&Task, &[(String, String)]),
    probe: &Probe,
    kept: &Kept,
    (authority, apart): (Option<&Authority>, Option<&Apart>),
) -> Result<ProbeResult, RunError> {
    let Probe::Run {
        command,
        env,
        stdin,
        carry,
        hidden,
        spoken,
        service,
        service_options,
        wrong_key,
        timeout_ms,
    } = probe
    else {
        return Err(RunError::new(ErrorClass::Internal, "a file probe was run as a command"));
    };
    let carried: BTreeMap<String, FileSpec> = carry
        .iter()
        .filter_map(|path| match kept.files.get(path) {
            Some(Copied::File(file)) => Some((path.clone(), file.clone())),
            _ => None,
        })
        .collect();
    put(sandbox, &task.files, "").await?;
    put(sandbox, &carried, "").await?;
    let mut env = env.clone();
    // Who reads hidden tests must be somebody else than whoever runs the agent's program.
    let trusted = *hidden && !task.hidden.is_empty();
    if trusted {
        let prefix = apart.map_or_else(|| NOT_APART.to_owned(), |apart| apart.prefix(sandbox, mounts));
        env.insert("ROLLTAPE_AS_AGENT".to_owned(), prefix);
        if let Some(folder) = apart.and_then(|apart| apart.scratch(sandbox)) {
            env.entry("TMPDIR".to_owned()).or_insert(folder);
        }
    }
    // Never of the seed: an agent that knew it could foretell it.
    let nonce = if *spoken { Some(service::random_secrets()?.nonce) } else { None };
    if let Some(nonce) = &nonce {
        env.insert("ROLLTAPE_NONCE".to_owned(), nonce.clone());
        env.insert("ROLLTAPE_VERDICT_FD".to_owned(), VERDICT_FD.to_string());
    }
    if *hidden {
        put(sandbox, &task.hidden, TESTS).await?;
        env.insert("ROLLTAPE_TESTS".to_owned(), sandbox.resolve(TESTS));
    }
    let running = start_services(sandbox, task, service.as_deref(), service_options, authority).await?;
    let _network = open_network(task, sandbox).await?;
    let given_key = if *wrong_key { Some(give_wrong_key(sandbox, task, service.as_deref())?) } else { None };
    let process = sandbox
        .spawn(Command {
            argv: vec!["bash".to_owned(), "-c".to_owned(), command.clone()],
            env,
            unprivileged: !trusted,
            root: trusted,
            status_fd: nonce.is_some().then_some(VERDICT_FD),
            ..Command::default()
        })
        .await
        .map_err(|error| sandbox_error(&error))?;
    let (exit_code, stdout, stderr, said) =
        watch(process, stdin.as_bytes(), Duration::from_millis(*timeout_ms)).await?;
    // The probe's own folder has a name by chance, as that of the agent's sandbox.
    let masked = |text: String| match folder_of(sandbox) {
        Some(folder) => text.replace(&folder, FOLDER),
        None => text,
    };
    let (stdout, stderr) = (masked(stdout), masked(stderr));
    let probed = running.iter().find(|running| Some(running.name.as_str()) == service.as_deref());
    let requests = probed.map(Running::requests).unwrap_or_default();
    let given = probed.map(|running| (given_key.unwrap_or_else(|| running.secrets.key.clone()), running));
    let secrets = given.as_ref().map(|(key, running)| (key.as_str(), running.secrets.nonce.as_str()));
    let secrets = secrets.or_else(|| nonce.as_deref().map(|nonce| ("", nonce)));
    let result = ProbeResult::run(exit_code, &stdout, &stderr, requests, secrets);
    Ok(match &nonce {
        Some(nonce) => result.said(&said, nonce),
        None => result,
    })
}

/// All services of the task run for a probe, too; the named one with the probe's own options.
async fn start_services(
    sandbox: &dyn Sandbox,
    task: &Task,
    probed: Option<&str>,
    options: &Object,
    authority: Option<&Authority>,
) -> Result<Vec<Running>, RunError> {
    let mut running = Vec::new();
    for (index, spec) in task.services.iter().enumerate() {
        let secrets = service::random_secrets()?;
        let none = Object::new();
        let options = if Some(spec.name.as_str()) == probed { options } else { &none };
        running.push(serve(task, index, options, secrets, sandbox, authority).await?);
    }
    Ok(running)
}

/// The program gets another key than the one that its service accepts.
fn give_wrong_key(sandbox: &dyn Sandbox, task: &Task, probed: Option<&str>) -> Result<String, RunError> {
    let key = service::random_secrets()?.key;
    let spec = task.services.iter().find(|spec| Some(spec.name.as_str()) == probed);
    if let Some(name) = spec.and_then(|spec| spec.key_env.as_deref()) {
        sandbox.set_env(name, &key);
    }
    Ok(key)
}

/// Feeds, reads and waits; at the time limit everything is killed.
async fn watch(
    mut process: Process,
    stdin: &[u8],
    limit: Duration,
) -> Result<(Option<i32>, String, String, String), RunError> {
    let mut input = process.stdin.take();
    let feed = async move {
        if let Some(input) = &mut input {
            // A program that does not read its input is free not to.
            let _ = input.write_all(stdin).await;
            let _ = input.shutdown().await;
        }
    };
    let (mut out, mut err) = (Capture::default(), Capture::default());
    let (status, mut said) = (process.status.take(), Vec::new());
    let ended = {
        let reading = async {
            let hear = async {
                if let Some(status) = status {
                    let _ = status.take(MAX_VERDICT).read_to_end(&mut said).await;
                }
            };
            tokio::join!(feed, out.read(process.stdout.take()), err.read(process.stderr.take()), hear);
        };
        let control = &mut process.control;
        let all = async {
            // A daemon may hold the pipes open for ever: the program's own end is what counts.
            tokio::pin!(reading);
            let exit = tokio::select! {
                exit = control.wait() => exit,
                // The streams are closed: a finished future must not be polled again below.
                () = &mut reading => return control.wait().await,
            };
            let _ = tokio::time::timeout(Duration::from_millis(200), reading.as_mut()).await;
            exit
        };
        tokio::time::timeout(limit, all).await
    };
    let exit_code = match ended {
        Ok(Ok(exit)) => Some(exit.shell_code()),
        Ok(Err(error)) => return Err(sandbox_error(&error)),
        Err(_) => {
            let _ = process.control.signal(Signal::Kill, SignalTarget::Group).await;
            None
        }
    };
    Ok((exit_code, out.text(), err.text(), String::from_utf8_lossy(&said).into_owned()))
}

/// The head of a stream, and how long it was.
#[derive(Default)]
struct Capture {
    head: Vec<u8>,
    total: usize,
}

impl Capture {
    async fn read(&mut self, stream: Option<crate::sandbox::Reader>) {
        let Some(mut stream) = stream else { return };
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count) = stream.read(&mut buffer).await {
            if count == 0 {
                break;
            }
            let room = MAX_OUTPUT.saturating_sub(self.head.len()).min(count);
            self.head.extend_from_slice(&buffer[..room]);
            self.total += count;
        }
    }

    fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.total > self.head.len() {
            text.push_str(&format!("\n[{} bytes more were not kept]\n", self.total - self.head.len()));
        }
        text
    }
}
