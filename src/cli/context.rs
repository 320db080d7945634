//! What a verb may know of the process: verbosity, colour, environment, current folder.

use clap::{Arg, ArgAction, ArgMatches};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// The usual.
    Normal,
    /// More.
    Verbose,
}

/// Global flags and the surroundings, read once.
#[derive(Debug, Clone)]
pub struct Context {
    /// How much is said.
    pub verbosity: Verbosity,
    /// Colour on stdout.
    pub color_out: bool,
    /// Colour on stderr.
    pub color_err: bool,
    /// The environment; the only copy.
    pub env: BTreeMap<OsString, OsString>,
    /// The current folder, or `.` if it is gone.
    pub cwd: PathBuf,
}

/// `-q`, `-v`, `--color`.
pub(super) fn global_args() -> Vec<Arg> {
    vec![
        Arg::new("quiet")
            .short('q')
            .help_heading("Global options")
            .long("quiet")
            .global(true)
            .action(ArgAction::SetTrue)
            .conflicts_with("verbose")
            .help("Say only errors"),
        Arg::new("verbose")
            .help_heading("Global options")
            .short('v')
            .long("verbose")
            .global(true)
            .action(ArgAction::SetTrue)
            .help("Say more"),
        Arg::new("color")
            .help_heading("Global options")
            .long("color")
            .global(true)
            .value_parser(["auto", "always", "never"])
            .default_value("auto")
            .help("Colour of the output"),
    ]
}

impl Context {
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the environment")]
    pub(super) fn from_process(matches: &ArgMatches) -> Self {
        let env: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        let verbosity = if matches.get_flag("quiet") {
            Verbosity::Quiet
        } else if matches.get_flag("verbose") {
            Verbosity::Verbose
        } else {
            Verbosity::Normal
        };
        let no_color = env.get(&OsString::from("NO_COLOR")).is_some_and(|value| !value.is_empty());
        let color = |terminal: bool| match matches.get_one::<String>("color").map(String::as_str) {
            Some("always") => true,
            Some("never") => false,
            _ => terminal && !no_color,
        };
        Self {
            verbosity,
            color_out: color(io::stdout().is_terminal()),
            color_err: color(io::stderr().is_terminal()),
            env,
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// A variable as text, if it is set and is UTF-8.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(&OsString::from(name)).and_then(|value| value.to_str())
    }

    /// Says a line on stderr; a closed stderr is nobody's problem.
    pub fn say(&self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Writes data to stdout. A reader that went away (`| head`) is success.
    pub fn data(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
