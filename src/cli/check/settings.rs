//! What was asked of `check`: flags first, then the nearest configuration that has the key, then the defaults.

use super::baseline::Baseline;
use super::{Plan, no_rule, runtimes, tools, unknown};
use crate::cli::config::{self, Configuration};
use crate::cli::{CliError, Context, Verbosity};
use crate::model::{CallPolicy, Policy, Reading, Severity};
use crate::util::redact::Redactor;
use crate::{dialects, formats, rules};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A word, and where it stands if that is a configuration.
struct Word {
    value: String,
    /// `FILE:LINE:COLUMN`.
    place: Option<String>,
    /// Folder that a path is relative to.
    folder: PathBuf,
}

impl Word {
    /// Tells an error about the word with its place.
    fn wrong(&self, error: CliError) -> CliError {
        match &self.place {
            Some(place) => CliError { message: format!("{place}: {}", error.message), ..error },
            None => error,
        }
    }

    fn path(&self) -> PathBuf {
        // A flag has its path in the place of the folder, and joining nothing to it would add a slash.
        if self.value.is_empty() { self.folder.clone() } else { self.folder.join(&self.value) }
    }
}

/// Flags and configurations together.
struct Settings<'a> {
    matches: &'a ArgMatches,
    configuration: Configuration,
}

impl Settings<'_> {
    /// The word of a flag, else of the key in the nearest configuration, else the flag's default.
    fn word(&self, flag: &str, key: &str) -> Option<Word> {
        let of_flag = || self.matches.get_one::<String>(flag).cloned();
        let given = self.matches.value_source(flag) == Some(ValueSource::CommandLine);
        let plain = |value| Word { value, place: None, folder: PathBuf::new() };
        if given {
            return of_flag().map(plain);
        }
        self.told(key).into_iter().next().or_else(|| of_flag().map(plain))
    }

    /// The path of a flag, else of the key in the nearest configuration.
    fn path(&self, flag: &str, key: &str) -> Option<Word> {
        let of_flag = self.matches.get_one::<PathBuf>(flag).map(|path| Word {
            value: String::new(),
            place: None,
            folder: path.clone(),
        });
        of_flag.or_else(|| self.told(key).into_iter().next())
    }

    /// All words of the key in the nearest configuration that has it.
    fn told(&self, key: &str) -> Vec<Word> {
        for (config, folder) in &self.configuration.checks {
            let words: Vec<Word> = config
                .words
                .iter()
                .filter(|told| told.key == key)
                .map(|told| Word {
                    value: told.value.clone(),
                    place: Some(format!("{}:{}:{}", config.file, told.line, told.column)),
                    folder: folder.clone(),
                })
                .collect();
            if !words.is_empty() || config.lists.iter().any(|list| list == key) {
                return words;
            }
        }
        Vec::new()
    }

    /// Ids of rules behind a list.
    fn rules(&self, flag: &str) -> Result<Vec<&'static str>, CliError> {
        let words = match self.matches.get_many::<String>(flag) {
            Some(values) => values
                .map(|value| Word { value: value.clone(), place: None, folder: PathBuf::new() })
                .collect(),
            None => self.told(flag),
        };
        let found: Result<Vec<_>, _> =
            words.iter().map(|word| ids(word.value.trim()).map_err(|error| word.wrong(error))).collect();
        Ok(found?.concat())
    }

    /// Severities of rules; the nearest configuration that names a rule counts.
    fn severities(&self) -> Result<Vec<(&'static str, Severity)>, CliError> {
        let mut out: Vec<(&'static str, Severity)> = Vec::new();
        for (config, folder) in &self.configuration.checks {
            let mut here = Vec::new();
            for told in &config.severities {
                let word = Word {
                    value: told.value.clone(),
                    place: Some(format!("{}:{}:{}", config.file, told.line, told.column)),
                    folder: folder.clone(),
                };
                let severity = severity(&told.value).map_err(|error| word.wrong(error))?;
                for id in ids(&told.key).map_err(|error| word.wrong(error))? {
                    // A rule that is named itself counts before its family.
                    let named = rules::find(&told.key).is_some();
                    here.push((named, id, severity));
                }
            }
            here.sort_by_key(|(named, ..)| !named);
            for (_, id, severity) in here {
                if !out.iter().any(|(known, _)| *known == id) {
                    out.push((id, severity));
                }
            }
        }
        Ok(out)
    }
}

/// Resolves what was asked for.
pub(super) fn plan(matches: &ArgMatches, context: &Context) -> Result<Plan, CliError> {
    let settings = Settings { matches, configuration: config::load(context)? };
    let word = |flag, key| settings.word(flag, key);
    let policies: Vec<&str> = CallPolicy::ALL.iter().map(|policy| policy.as_str()).collect();
    let calls = named(word("policy", "policy"), |text| {
        CallPolicy::parse(text).ok_or_else(|| unknown("policy", text, &policies))
    })?;
    let ask = named(word("ask", "ask"), |text| match text {
        "allow" => Ok(true),
        "deny" => Ok(false),
        other => Err(unknown("value of --ask", other, &["allow", "deny"])),
    })?;
    let reading = named(word("reading", "reading"), reading)?;
    let dialect = named(word("dialect", "dialect"), |text| {
        let mut names: Vec<&str> = dialects::ALL.iter().map(|dialect| dialect.name).collect();
        names.push("native");
        if names.contains(&text) { Ok(text.to_owned()) } else { Err(unknown("dialect", text, &names)) }
    })?;
    let from = match matches.get_one::<String>("from") {
        None => None,
        Some(name) => Some(formats::find(name).map(|format| format.name).ok_or_else(|| {
            let names: Vec<&str> = formats::ALL.iter().map(|format| format.name).collect();
            unknown("format", name, &names)
        })?),
    };
    let fail_on = named(word("fail-on", "fail_on"), severity)?.unwrap_or(Severity::Error);
    let tools = settings
        .path("tools", "tools")
        .map(|word| tools::read(&word.path()).map_err(|error| word.wrong(error)));
    let baseline = settings
        .path("baseline", "baseline")
        .filter(|_| matches.get_one::<PathBuf>("write-baseline").is_none());
    let baseline = baseline.map(|word| Baseline::read(&word.path()).map_err(|error| word.wrong(error)));
    let (selected, ignored) = (settings.rules("select")?, settings.rules("ignore")?);
    let all = rules::ALL.iter().map(|rule| rule.id);
    let off =
        all.filter(|id| (!selected.is_empty() && !selected.contains(id)) || ignored.contains(id)).collect();
    Ok(Plan {
        policy: Policy {
            calls: calls.unwrap_or_default(),
            ask: ask.unwrap_or(false),
            reading: reading.unwrap_or_default(),
            dialect,
        },
        from,
        tools: tools.transpose()?,
        off,
        fail_on,
        severities: settings.severities()?,
        redactor: redactor(&settings.configuration, context)?,
        allowed: allowed(
            matches.get_one::<PathBuf>("allow-secrets").map(PathBuf::as_path),
            &settings.configuration,
        )?,
        statistics: matches.get_flag("statistics"),
        baseline: baseline.transpose()?,
        write_baseline: matches.get_one::<PathBuf>("write-baseline").cloned(),
        redact: matches.get_flag("redact"),
        tell: context.verbosity == Verbosity::Verbose,
        line_limit: crate::cli::input::size(matches, "line-limit")?,
        window: crate::cli::input::size(matches, "window")?,
        excerpts: super::text(matches, "format") == "text",
    })
}

/// What a word means, or an error that tells its place.
fn named<T>(
    word: Option<Word>,
    meaning: impl Fn(&str) -> Result<T, CliError>,
) -> Result<Option<T>, CliError> {
    word.map(|word| meaning(&word.value).map_err(|error| word.wrong(error))).transpose()
}

fn severity(text: &str) -> Result<Severity, CliError> {
    match text {
        "error" => Ok(Severity::Error),
        "warning" => Ok(Severity::Warning),
        "info" => Ok(Severity::Info),
        other => Err(unknown("severity", other, &["error", "warning", "info"])),
    }
}

fn reading(word: &str) -> Result<Reading, CliError> {
    match word.split_once(':') {
        None if word == "strict" => Ok(Reading::Strict),
        None if word == "runtime" => Ok(Reading::Runtime(None)),
        Some(("runtime", name)) if dialects::find_runtime(name).is_some() => {
            Ok(Reading::Runtime(Some(name.to_owned())))
        }
        Some(("runtime", name)) => Err(unknown("runtime", name, &runtimes().collect::<Vec<_>>())),
        _ => Err(unknown("reading", word, &["strict", "runtime"])),
    }
}

/// Ids behind an id, a name or a family.
fn ids(word: &str) -> Result<Vec<&'static str>, CliError> {
    if let Some(rule) = rules::find(word) {
        return Ok(vec![rule.id]);
    }
    let family: Vec<&'static str> = rules::ALL
        .iter()
        .filter(|rule| rule.family().eq_ignore_ascii_case(word))
        .map(|rule| rule.id)
        .collect();
    if family.is_empty() { Err(no_rule(word)) } else { Ok(family) }
}

/// Values under this many bytes are no keys.
const SHORTEST_KEY: usize = 8;

/// Finds shapes of keys, and the values of all variables that hold keys here.
fn redactor(configuration: &Configuration, context: &Context) -> Result<Redactor, CliError> {
    let mut names = configuration.key_variables();
    for (config, _) in &configuration.checks {
        for told in &config.env {
            if context.var(&told.value).is_none_or(str::is_empty) {
                let place = format!("{}:{}:{}", config.file, told.line, told.column);
                return Err(CliError::usage(format!("{place}: the variable '{}' is not set", told.value))
                    .hint("its value is looked for in what is checked; set it, or take it off the list"));
            }
            names.push(&told.value);
        }
    }
    let value = |name: &str| context.var(name).filter(|value| value.len() >= SHORTEST_KEY).map(str::to_owned);
    let known = names.iter().filter_map(|name| Some((format!("<SECRET:env.{name}>"), value(name)?)));
    Ok(Redactor::new(known.collect()))
}

/// What is known to be no secret: values or placeholders, one a line, and those of the configurations.
fn allowed(path: Option<&Path>, configuration: &Configuration) -> Result<BTreeSet<String>, CliError> {
    let mut out: BTreeSet<String> =
        configuration.checks.iter().flat_map(|(config, _)| config.allow.iter().cloned()).collect();
    if let Some(path) = path {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::usage(format!("can't read '{}': {}", path.display(), crate::store::io_text(&error)))
                .hint("it holds values or placeholders that are no secrets, one a line")
        })?;
        out.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    Ok(out)
}
