//! Options of `export`, names resolved.

use super::super::{CliError, Context, report};
use super::sources::Reading;
use crate::export::{self, Ask, Calls, Caps, Guard, Only, Plan, Splits, Target, Think, Units};
use crate::formats;
use crate::model::{CallPolicy, Policy};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What was asked for.
pub(super) struct Args {
    pub(super) paths: Vec<PathBuf>,
    pub(super) out: Option<PathBuf>,
    pub(super) verify: bool,
    pub(super) only: Only,
    pub(super) min_reward: Option<f64>,
    pub(super) ask: Ask,
    pub(super) plan: Plan,
    pub(super) guard: Guard,
    pub(super) reading: Reading,
    pub(super) license: Option<String>,
    /// Whether it is worth saying that trajectories without a verdict are all taken.
    pub(super) says_all: bool,
    words: Value,
}

pub(super) fn augment(command: Command) -> Command {
    let word = |name: &'static str, value: &'static str, help: &str| {
        Arg::new(name).long(name).value_name(value).help(help.to_owned())
    };
    let flag = |name: &'static str, help: &str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help.to_owned())
    };
    let targets: Vec<&str> = export::ALL.iter().map(|target| target.name).collect();
    let number = || value_parser!(u64);
    command
        .arg(
            Arg::new("paths")
                .value_name("PATH")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("Run folders, files or folders of trajectories, - for stdin; .gz and .zst are read"),
        )
        .arg(word("target", "TARGET", &format!("What to make: {}", targets.join(", "))).short('t'))
        .arg(
            word("output", "DIR", "Folder to make; it must not exist, or be empty")
                .short('o')
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag(
            "verify",
            "Read the rows back and compare them with the sources; alone: prove the export folders PATH",
        ))
        .arg(word("only", "WHICH", "Attempts to take: passed (and the call format kept), failed, all; default: passed, and all that has no verdict"))
        .arg(word("min-reward", "R", "Take no attempt with a smaller reward").value_parser(value_parser!(f64)))
        .arg(word("calls", "FORM", "Calls as objects or in the text: auto (as in the source), native, text").default_value("auto"))
        .arg(word("think", "WHAT", "Reasoning: keep (in the content), strip, field (reasoning_content)").default_value("keep"))
        .arg(word("frame", "WHAT", "Tool lists in prompts and worked examples: keep, drop").default_value("keep"))
        .arg(flag("split-calls", "Make one turn of each call where a message has several"))
        .arg(flag("mask-errors", "Leave messages that break the call format out of training instead of their attempts"))
        .arg(word("max-per-task", "N", "Rows of one task, the first ones").value_parser(number()))
        .arg(word("max-pairs", "N", "Pairs of one task").value_parser(number()).default_value("4"))
        .arg(word("pair", "WHAT", "Answers of a pair: turn (the first that differs), rest (all from there)").default_value("turn"))
        .arg(flag("drop-equal", "Leave out groups whose outcomes are all equal"))
        .arg(word("split", "SHARES", "Shares of the splits, by task").default_value("train=1"))
        .arg(word("seed", "N", "Seed of the splits").value_parser(number()).default_value("0"))
        .arg(word("from", "FORMAT", "Format of the files instead of telling it by content"))
        .arg(word("policy", "POLICY", "Calls a message, for judging what comes from elsewhere").default_value("exactly-one"))
        .arg(flag("redact", "Replace secrets by placeholders instead of refusing"))
        .arg(
            word("allow", "FILE", "Values or placeholders that are no secrets, one a line")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(word("license", "ID", "Licence of the data, for the card; unknown without it"))
}

impl Args {
    pub(super) fn read(matches: &ArgMatches, context: &Context) -> Result<Self, CliError> {
        let verify = matches.get_flag("verify");
        let out = matches.get_one::<PathBuf>("output").cloned();
        let target = target(matches, verify, out.is_some())?;
        let ask = Ask {
            calls: pick(
                matches,
                "calls",
                &[("auto", Calls::Auto), ("native", Calls::Native), ("text", Calls::Text)],
            )?,
            think: pick(
                matches,
                "think",
                &[("keep", Think::Keep), ("strip", Think::Strip), ("field", Think::Field)],
            )?,
            drop_frame: pick(matches, "frame", &[("keep", false), ("drop", true)])?,
            split_calls: matches.get_flag("split-calls"),
            mask_errors: matches.get_flag("mask-errors"),
        };
        let only = match matches.get_one::<String>("only") {
            None => Only::Default,
            Some(_) => pick(
                matches,
                "only",
                &[("passed", Only::Passed), ("failed", Only::Failed), ("all", Only::All)],
            )?,
        };
        fits(matches, target, ask)?;
        let caps = Caps {
            per_task: matches.get_one("max-per-task").copied(),
            pairs: matches.get_one("max-pairs").copied().unwrap_or(4),
            rest: pick(matches, "pair", &[("turn", false), ("rest", true)])?,
            drop_equal: matches.get_flag("drop-equal"),
        };
        let splits = Splits::parse(text(matches, "split"))
            .map_err(|what| CliError::usage(what).hint("for example --split train=0.9,validation=0.1"))?;
        let seed = matches.get_one("seed").copied().unwrap_or_default();
        let redact = matches.get_flag("redact");
        let given = matches.get_many::<PathBuf>("paths").into_iter().flatten();
        let paths: Vec<PathBuf> = given.map(|path| report::find(path, context)).collect();
        let words = words(matches, target, &paths);
        Ok(Self {
            out,
            verify,
            only,
            min_reward: matches.get_one("min-reward").copied(),
            ask,
            plan: Plan { target, seed, splits, caps, redact },
            guard: Guard::new(allowed(matches)?),
            reading: reading(text(matches, "policy"), matches.get_one::<String>("from").map(String::as_str))?,
            license: matches.get_one("license").cloned(),
            says_all: only == Only::Default && target.units == Units::Rows,
            paths,
            words,
        })
    }

    /// The options as the manifest holds them.
    pub(super) fn options(&self) -> Value {
        self.words.clone()
    }
}

/// The target; without one there is nothing to make, and only a proof can be wanted.
fn target(matches: &ArgMatches, verify: bool, out: bool) -> Result<&'static Target, CliError> {
    let names = export::ALL.iter().map(|target| target.name);
    match matches.get_one::<String>("target") {
        Some(name) if out => export::find(name).ok_or_else(|| CliError::unknown("target", name, names)),
        Some(_) => Err(CliError::usage("no output folder was named").hint("name a new folder with '-o DIR'")),
        None if verify && !out => Ok(export::ALL[0]),
        None => Err(CliError::usage("no target was named")
            .hint(format!("'--target' is one of {}", names.collect::<Vec<_>>().join(", ")))),
    }
}

/// Refuses options that the target can't follow.
fn fits(matches: &ArgMatches, target: &Target, ask: Ask) -> Result<(), CliError> {
    let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let bad = |option: &str, why: &str| {
        Err(CliError::usage(format!("'--{option}' does not go with '{}': {why}", target.name)))
    };
    for option in ["only", "min-reward", "max-per-task"] {
        if given(option) && target.units != Units::Rows {
            return bad(option, "it compares all scored attempts of a task");
        }
    }
    for option in ["max-pairs", "pair"] {
        if given(option) && target.units != Units::Pairs {
            return bad(option, "it makes no pairs");
        }
    }
    if given("drop-equal") && target.units != Units::Groups {
        return bad("drop-equal", "it makes no groups");
    }
    if ask.mask_errors && !target.masks {
        return bad("mask-errors", "it can't leave a message out of training");
    }
    if ask.think == Think::Field && !target.reasoning {
        return bad("think field", "it has no field for reasoning");
    }
    Ok(())
}

/// How sources are read and judged.
pub(super) fn reading(policy: &str, from: Option<&str>) -> Result<Reading, CliError> {
    let words = CallPolicy::ALL.iter().map(|policy| policy.as_str());
    let calls = CallPolicy::parse(policy).ok_or_else(|| CliError::unknown("policy", policy, words))?;
    let names = formats::ALL.iter().map(|format| format.name);
    let from = match from {
        None => None,
        Some(name) => Some(
            formats::find(name)
                .map(|format| format.name)
                .ok_or_else(|| CliError::unknown("format", name, names))?,
        ),
    };
    Ok(Reading { from, policy: Policy { calls, ..Policy::default() } })
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

fn pick<T: Copy>(matches: &ArgMatches, name: &str, known: &[(&str, T)]) -> Result<T, CliError> {
    let word = text(matches, name);
    let found = known.iter().find(|(known, _)| *known == word).map(|(_, value)| *value);
    found.ok_or_else(|| {
        CliError::unknown(&format!("value of --{name}"), word, known.iter().map(|(known, _)| *known))
    })
}

fn allowed(matches: &ArgMatches) -> Result<BTreeSet<String>, CliError> {
    let Some(path) = matches.get_one::<PathBuf>("allow") else { return Ok(BTreeSet::new()) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(format!("can't read '{}': {}", path.display(), crate::store::io_text(&error)))
    })?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn words(matches: &ArgMatches, target: &Target, paths: &[PathBuf]) -> Value {
    let word = |name: &str| matches.get_one::<String>(name);
    let number = |name: &str| matches.get_one::<u64>(name);
    json!({
        "paths": paths.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
        "target": target.name,
        "from": word("from"),
        "policy": word("policy"),
        "only": word("only"),
        "min_reward": matches.get_one::<f64>("min-reward"),
        "calls": word("calls"),
        "think": word("think"),
        "frame": word("frame"),
        "split_calls": matches.get_flag("split-calls"),
        "mask_errors": matches.get_flag("mask-errors"),
        "max_per_task": number("max-per-task"),
        "max_pairs": number("max-pairs"),
        "pair": word("pair"),
        "drop_equal": matches.get_flag("drop-equal"),
        "split": word("split"),
        "seed": number("seed"),
        "redact": matches.get_flag("redact"),
    })
}
