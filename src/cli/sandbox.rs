//! `rolltape sandbox -- CMD`: a command in a fresh sandbox, for writing and debugging suites.
//!
//! Its standard streams, its signals and its exit code are those of the caller. What the sandbox itself has to say goes
//! to stderr, or with `--json` where that says.

mod copy;
mod from;
mod session;
mod terminal;
mod told;

use super::{CliError, Context, Exit, Verb, image_store};
use crate::model::LAYERS;
use crate::sandbox::{self, Choice, Config, Launcher, Level, SandboxError, Snapshot, State, StateHead};
use crate::suite::{Network, parse_duration, parse_size};
use clap::{Args as _, FromArgMatches as _};
use std::path::PathBuf;
use std::time::Duration;

pub(super) static ITEM: Verb = Verb {
    name: "sandbox",
    about: "Runs a command in a fresh sandbox, as an agent would",
    augment: |command| Args::augment_args(command).after_help(HELP),
    run: |matches, context| {
        let args = Args::from_arg_matches(matches).map_err(|error| CliError::usage(error.to_string()))?;
        run(&args, context)
    },
};

const HELP: &str = "\
The command gets standard input, writes to standard output and error, and its exit code is ours. Where standard input
and output are a terminal it gets one too. Signals are passed on to it. When it ends, all that it left running is
killed, and the sandbox goes away with its files.

With --from the sandbox begins with the files of an attempt's sandbox that `run --keep-sandbox` kept, at the same level
and on the same image. What was kept stays as it was, and may be opened many times at once. Services of the task do not
run, and its mounts are to be given again. Such files may hold keys that the attempt was given: throw-away ones of its
services. Keys of back ends never enter a sandbox.

Exit codes beside those of the command: 2 wrong usage, 3 the sandbox can't be made, 126 the command is not executable,
127 there is none of that name, 128+N it died of signal N, 137 a limit stopped it. What was hit is said on stderr, and
in `limits` of --json.

Examples:
  rolltape sandbox bash
  rolltape sandbox --level user --memory 64MiB -- python3 -c 'print(2)'
  rolltape sandbox --workspace . --json=report.json -- make test
  rolltape sandbox --from reports/20261123T161900-deepseek-api-3f2a/hello
  rolltape sandbox --network allow:example.com -- curl -sS https://example.com/";

/// Exit code of a command that a limit stopped: as if killed.
const STOPPED: u8 = 137;

/// Arguments of `sandbox`.
#[derive(Debug, Clone, PartialEq, clap::Args)]
struct Args {
    /// The command and its arguments; options after it are its own
    #[arg(
        value_name = "CMD",
        required_unless_present = "from",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<String>,
    /// Begin with the kept files of an attempt: a run's folder or id, then suite/task/subject/n, of which parts may be
    /// left out; without CMD a shell is opened
    #[arg(long, value_name = "RUN/ATTEMPT", conflicts_with = "sandbox")]
    from: Option<String>,
    /// Where it runs: namespaces, oci:IMAGE, container:IMAGE (docker or podman), or none (trusted code only)
    #[arg(long, value_name = "BACKEND", default_value = "namespaces")]
    sandbox: String,
    /// Isolation level of namespaces
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = ["auto", "overlay", "user", "process"])]
    level: String,
    /// Sandbox layer that must be on; may be repeated
    #[arg(long, value_name = "LAYER")]
    require: Vec<String>,
    /// Memory; files of the sandbox count against it in overlay and user
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    memory: u64,
    /// Processors
    #[arg(long, value_name = "N", default_value = "1", value_parser = cpus)]
    cpus: f64,
    /// Processes and threads
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    pids: u64,
    /// Bytes of files
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    disk: u64,
    /// Files, folders and links
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1000..))]
    inodes: u64,
    /// Open files of one process [default: as here]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(16..))]
    open_files: Option<u64>,
    /// Bytes of output [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    output: Option<u64>,
    /// Time by the clock [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wall: Option<Duration>,
    /// CPU time of all processes [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    cpu_time: Option<Duration>,
    /// What it reaches: none; allow:HOST,… by a proxy that tells of each request; full, the host's network with its
    /// loopback
    #[arg(long, value_name = "POLICY", default_value = "none", value_parser = |text: &str| text.parse::<Network>())]
    network: Network,
    /// Folder that is seen read-only, under its own path or INSIDE; may be repeated
    #[arg(long, value_name = "DIR[:INSIDE]")]
    mount: Vec<String>,
    /// Variable for the command, from here without a value; may be repeated
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Folder whose files are copied into the workspace first
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Tell layers, limits, requests and changed files as one JSON object at the end, on stderr or in FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    json: Option<PathBuf>,
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).ok_or_else(|| "write a number and a unit: 512MiB, 1GiB, 2GB".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a number and a unit: 500ms, 30s, 1h30m".to_owned())
}

fn cpus(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(cpus) if cpus.is_finite() && cpus > 0.0 => Ok(cpus),
        _ => Err("a number of processors is above 0".to_owned()),
    }
}

fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    // `fake` runs no programs.
    let backends = || sandbox::BACKENDS.iter().map(|(name, _)| *name).filter(|name| *name != "fake");
    let image = ["oci:", "container:"]
        .iter()
        .any(|kind| args.sandbox.strip_prefix(kind).is_some_and(|image| !image.is_empty()));
    let known = || backends().any(|name| args.sandbox.strip_suffix(':').unwrap_or(&args.sandbox) == name);
    if !image && !known() {
        return Err(CliError::unknown("sandbox back end", &args.sandbox, backends()));
    }
    if let Some(name) = args.require.iter().find(|name| !LAYERS.contains(&name.as_str())) {
        return Err(CliError::unknown("sandbox layer", name, LAYERS.iter().copied()));
    }
    let config = config(args, context)?;
    let state = args.from.as_deref().map(|text| from::open(text, context)).transpose()?;
    let choice = choice(args, state.as_ref().map(|state| &state.head), context)?;
    let sink = args.json.as_deref().map(|to| told::Sink::open(to, context)).transpose()?;
    let files = args.workspace.as_deref().map(|folder| copy::find(folder, context)).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::harness(format!("the async runtime can't start: {error}")))?;
    let ended = runtime.block_on(async {
        let launcher = Launcher::new(choice).await.map_err(shown)?;
        let mut work = session::Work { args, context, config, files: files.unwrap_or_default() };
        let opened = match state {
            Some(state) => restore(&launcher, state).await.map(Some),
            None => Ok(None),
        };
        let ended = match opened {
            Ok(opened) => {
                work.config.from = opened;
                work.run(&launcher).await
            }
            Err(error) => Err(error),
        };
        launcher.finish(Duration::from_secs(5)).await;
        ended
    });
    // A reader of our standard input may wait for a line that never comes.
    runtime.shutdown_background();
    let (report, exit) = ended?;
    if let Some(sink) = sink {
        sink.write(&report, context)?;
    }
    exit
}

/// What the sandbox shall be: that of a kept state, where one is opened.
fn choice(args: &Args, kept: Option<&StateHead>, context: &Context) -> Result<Choice, CliError> {
    let asked =
        [Level::Overlay, Level::User, Level::Process].into_iter().find(|level| level.as_str() == args.level);
    let (backend, level) = match kept {
        None => {
            let image = args.sandbox.strip_prefix("oci:");
            let image = image.map(|image| format!("oci:{}", sandbox::image_from(&context.cwd, image)));
            (image.unwrap_or_else(|| args.sandbox.clone()), asked)
        }
        Some(head) if asked.is_some_and(|level| level != head.level) => {
            let (level, wanted) = (head.level.as_str(), &args.level);
            return Err(CliError::usage(format!(
                "the sandbox of '{}' had the level '{level}', and can't be opened in '{wanted}'",
                head.attempt
            ))
            .hint("leave --level out"));
        }
        Some(head) if head.level == Level::None => ("none".to_owned(), None),
        Some(head) if head.image.is_empty() => ("namespaces".to_owned(), Some(head.level)),
        Some(head) => (format!("oci:{}", head.image), Some(head.level)),
    };
    Ok(Choice {
        backend,
        images: image_store::folder(context),
        logins: image_store::logins(context),
        engine: image_store::engine(context),
        vars: image_store::engine_vars(context),
        level,
        require: args.require.clone(),
        hide: Vec::new(),
        helper: None,
    })
}

/// Makes a kept state ready. What of it can't be there is said.
async fn restore(launcher: &Launcher, state: State) -> Result<Snapshot, CliError> {
    let head = &state.head;
    if let Some((name, digest)) = launcher.images().iter().find(|(_, digest)| *digest != head.digest) {
        return Err(CliError::harness(format!(
            "the sandbox of '{}' showed the image '{name}' as {}, which is {digest} now",
            head.attempt, head.digest
        ))
        .hint("pull the image that it was, or run the attempt again"));
    }
    let attempt = state.head.attempt.clone();
    launcher.open(state, "").await.map_err(|error| opened(&attempt, error))
}

/// An error of a sandbox that was to begin with a kept state.
fn opened(whose: &str, error: SandboxError) -> CliError {
    if error.message.ends_with(sandbox::DAMAGED) {
        return CliError::usage(format!("the kept state of '{whose}' is damaged"))
            .hint("it was cut or changed after its run wrote it: run the attempt again");
    }
    shown(error)
}

/// An error of the sandbox as the user reads it.
fn shown(error: SandboxError) -> CliError {
    let shown = CliError::harness(error.message);
    match error.hint {
        Some(hint) => shown.hint(hint),
        None => shown,
    }
}

fn config(args: &Args, context: &Context) -> Result<Config, CliError> {
    let mut env = std::collections::BTreeMap::new();
    for text in &args.env {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => match context.var(text) {
                Some(value) => (text.as_str(), value.to_owned()),
                None => {
                    return Err(CliError::usage(format!("the variable '{text}' is not set here"))
                        .hint(format!("give it a value: --env {text}=…")));
                }
            },
        };
        if name.is_empty() || name.contains('\0') {
            return Err(CliError::usage(format!("'{text}' names no variable")).hint("write --env NAME=VALUE"));
        }
        env.insert(name.to_owned(), value);
    }
    let mounts = args.mount.iter().map(|text| mount(text, context)).collect::<Result<_, _>>()?;
    Ok(Config {
        label: "sandbox".to_owned(),
        env,
        mounts,
        memory: Some(args.memory),
        cpus: Some(args.cpus),
        pids: Some(args.pids),
        disk: Some(args.disk),
        inodes: Some(args.inodes),
        open_files: args.open_files,
        output: args.output,
        cpu_time: args.cpu_time,
        host_network: args.network == Network::Full,
        changes: args.json.is_some(),
        ..Config::default()
    })
}

/// A read-only mount: the host's folder, and where it is seen.
fn mount(text: &str, context: &Context) -> Result<(String, String), CliError> {
    let refused = |why: &str| {
        CliError::usage(format!("'{text}' can't be mounted: {why}"))
            .hint("write --mount DIR, or --mount DIR:/path/inside")
    };
    let (folder, inside) = match text.rsplit_once(':') {
        Some((folder, inside)) => (folder, Some(inside)),
        None => (text, None),
    };
    let real = context
        .cwd
        .join(folder)
        .canonicalize()
        .map_err(|error| refused(&format!("'{folder}': {}", crate::store::io_text(&error))))?;
    if !real.is_dir() {
        return Err(refused(&format!("'{folder}' is no folder")));
    }
    let real = real.to_str().ok_or_else(|| refused("its path is not UTF-8"))?.to_owned();
    let inside = inside.map_or_else(|| real.clone(), str::to_owned);
    if !inside.starts_with('/') || inside.split('/').any(|part| part == "..") || inside.len() < 2 {
        return Err(refused(&format!("'{inside}' is no absolute path below the root")));
    }
    Ok((real, inside))
}
