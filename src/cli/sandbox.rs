//! `rolltape sandbox -- CMD`: a command in a fresh sandbox, for writing and debugging suites.
//!
//! Its standard streams, its signals and its exit code are those of the caller. What the sandbox itself has to say goes
//! to stderr, or with `--json` where that says.

mod copy;
mod session;
mod terminal;
mod told;

use super::{CliError, Context, Exit, Verb, image_store};
use crate::model::LAYERS;
use crate::sandbox::{self, Choice, Config, Launcher, Level, SandboxError};
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

Exit codes beside those of the command: 2 wrong usage, 3 the sandbox can't be made, 126 the command is not executable,
127 there is none of that name, 128+N it died of signal N, 137 a limit stopped it. What was hit is said on stderr, and
in `limits` of --json.

Examples:
  rolltape sandbox bash
  rolltape sandbox --level user --memory 64MiB -- python3 -c 'print(2)'
  rolltape sandbox --workspace . --json=report.json -- make test
  rolltape sandbox --network allow:example.com -- curl -sS https://example.com/";

/// Exit code of a command that a limit stopped: as if killed.
const STOPPED: u8 = 137;

/// Arguments of `sandbox`.
#[derive(Debug, Clone, PartialEq, clap::Args)]
struct Args {
    /// The command and its arguments; options after it are its own
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
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
    let sink = args.json.as_deref().map(|to| told::Sink::open(to, context)).transpose()?;
    let files = args.workspace.as_deref().map(|folder| copy::find(folder, context)).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::harness(format!("the async runtime can't start: {error}")))?;
    let ended = runtime.block_on(async {
        let choice = Choice {
            backend: match args.sandbox.strip_prefix("oci:") {
                Some(image) => format!("oci:{}", crate::sandbox::image_from(&context.cwd, image)),
                None => args.sandbox.clone(),
            },
            images: image_store::folder(context),
            logins: image_store::logins(context),
            engine: image_store::engine(context),
            vars: image_store::engine_vars(context),
            level: [Level::Overlay, Level::User, Level::Process]
                .into_iter()
                .find(|level| level.as_str() == args.level),
            require: args.require.clone(),
            hide: Vec::new(),
            helper: None,
        };
        let launcher = Launcher::new(choice).await.map_err(shown)?;
        let work = session::Work { args, context, config, files: files.unwrap_or_default() };
        let ended = work.run(&launcher).await;
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
