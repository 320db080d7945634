//! `rolltape.toml` from the disk: which files count, what a back end's name means, what `check` is told.
//!
//! Nearest first: the file that ROLLTAPE_CONFIG names, the project's (the first one upwards from the current folder),
//! the user's. A table `[backend.NAME]` is taken whole from the nearest file that has it.

use super::{CliError, Context, suite_files};
use crate::backend::{self, Preset, Settings};
use crate::suite::{self, BackendProfile, CheckConfig, SuiteError};
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the file, in a project and in the user's folder.
const FILE: &str = "rolltape.toml";
/// Bytes that a configuration may have.
const MAX_BYTES: u64 = 1 << 20;

/// All configuration that counts here.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    /// Nearest first; a name may stand several times.
    profiles: Vec<BackendProfile>,
    /// What each file says of `check`, with the folder that its paths are relative to; nearest first.
    pub(super) checks: Vec<(CheckConfig, PathBuf)>,
}

/// What a back end's name means.
#[derive(Debug, PartialEq)]
pub(super) struct Meant {
    /// Registered kind.
    pub(super) kind: String,
    /// How it is set up.
    pub(super) settings: Settings,
    /// `FILE:LINE` of its table, if there is one.
    pub(super) place: Option<String>,
}

/// Reads all files that there are; the errors of all of them come at once.
pub(super) fn load(context: &Context) -> Result<Configuration, CliError> {
    let kinds: Vec<&str> = backend::ALL.iter().filter(|kind| kind.asks).map(|kind| kind.name).collect();
    let presets: Vec<&str> = backend::PRESETS.iter().map(|preset| preset.name).collect();
    let mut found = Configuration::default();
    let mut errors = Vec::new();
    for path in files(context)? {
        let shown = path.strip_prefix(&context.cwd).unwrap_or(&path).display().to_string();
        let read =
            read(&path, &shown).and_then(|bytes| suite::parse_config(&shown, &bytes, &kinds, &presets));
        match read {
            Ok(config) => {
                found.profiles.extend(config.backends);
                let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
                found.checks.push((config.check, folder));
            }
            Err(more) => errors.extend(more),
        }
    }
    if errors.is_empty() {
        return Ok(found);
    }
    let text = suite_files::render(&errors);
    Err(CliError::usage(text.trim_start_matches("error: ").trim_end()))
}

/// The files that count, nearest first.
fn files(context: &Context) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    let set = |name: &str| context.var(name).filter(|value| !value.is_empty());
    if let Some(path) = set("ROLLTAPE_CONFIG") {
        let path = context.cwd.join(path);
        if !path.exists() {
            return Err(CliError::usage(format!(
                "ROLLTAPE_CONFIG names '{}', which is not there",
                path.display()
            ))
            .hint("name a rolltape.toml, or leave the variable out"));
        }
        files.push(path);
    }
    files.extend(context.cwd.ancestors().map(|folder| folder.join(FILE)).find(|path| path.exists()));
    // A relative folder is to be passed over, says the XDG specification.
    let folder = set("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = folder.or_else(|| set("HOME").map(|home| Path::new(home).join(".config")));
    files.extend(folder.map(|folder| folder.join("rolltape").join(FILE)).filter(|path| path.exists()));
    let mut distinct: Vec<PathBuf> = Vec::new();
    for path in files {
        if !distinct.contains(&path) {
            distinct.push(path);
        }
    }
    Ok(distinct)
}

fn read(path: &Path, shown: &str) -> Result<Vec<u8>, Vec<SuiteError>> {
    let failed = |message: String| {
        vec![SuiteError { file: shown.to_owned(), line: 0, column: 0, message, hint: None }]
    };
    let unreadable = |error: std::io::Error| {
        let text = error.to_string().to_lowercase();
        failed(format!(
            "the configuration can't be read: {}",
            text.split(" (os error").next().unwrap_or(&text)
        ))
    };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(failed("the configuration is not a regular file".to_owned()));
    }
    if meta.len() > MAX_BYTES {
        return Err(failed(format!("the configuration has {} bytes, more than {MAX_BYTES}", meta.len())));
    }
    fs::read(path).map_err(unreadable)
}

impl Configuration {
    /// Variables that hold keys of back ends: those of all tables and presets.
    pub(super) fn key_variables(&self) -> Vec<&str> {
        let own = self.profiles.iter().filter_map(|profile| profile.settings.key_env.as_deref());
        let mut names: Vec<&str> =
            own.chain(backend::PRESETS.iter().filter_map(|preset| preset.key_env)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A table of the configuration first, then a preset, then a kind.
    pub(super) fn meaning(&self, name: &str) -> Result<Meant, CliError> {
        let preset = Preset::find(name);
        if let Some(profile) = self.profiles.iter().find(|profile| profile.name == name) {
            let settings = profile.settings.clone();
            let same = preset.filter(|preset| profile.kind.as_deref().is_none_or(|kind| kind == preset.kind));
            return Ok(Meant {
                kind: profile
                    .kind
                    .clone()
                    .or(preset.map(|preset| preset.kind.to_owned()))
                    .unwrap_or_default(),
                settings: same.map_or_else(|| settings.clone(), |preset| preset.fill(settings.clone())),
                place: Some(format!("{}:{}", profile.file, profile.line)),
            });
        }
        if let Some(preset) = preset {
            let settings = preset.fill(Settings::default());
            return Ok(Meant { kind: preset.kind.to_owned(), settings, place: None });
        }
        if backend::ALL.iter().any(|kind| kind.name == name) {
            return Ok(Meant { kind: name.to_owned(), settings: Settings::default(), place: None });
        }
        let mut names: Vec<&str> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
        names.extend(backend::PRESETS.iter().map(|preset| preset.name));
        names.extend(backend::ALL.iter().map(|kind| kind.name));
        let mut distinct: Vec<&str> = Vec::new();
        for name in names {
            if !distinct.contains(&name) {
                distinct.push(name);
            }
        }
        Err(CliError::unknown("back end", name, distinct.into_iter()))
    }
}
