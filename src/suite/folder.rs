//! Tasks that are folders in Harbor's layout: `task.toml`, `instruction.md`, `environment/`,
//! `tests/`, `solution/solve.sh`, and our `cheats/*.sh`.
//!
//! Harbor's keys are accepted where they mean something here or do no harm; what would change the
//! task if it were dropped is refused. Ours stand in `[metadata.rolltape]`.

use super::parse::{Found, document, is_id, text_of};
use super::reader::{Reader, Table, did_you_mean};
use super::settings::{self, Settings};
use super::{FileSpec, Network, Script, ServiceSpec, SuiteError, Task, digest};
use crate::util::suggest::nearest;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const TASK_KEYS: &[&str] = &[
    "version",
    "schema_version",
    "task",
    "metadata",
    "agent",
    "verifier",
    "environment",
    "solution",
    "source",
];
const AGENT_KEYS: &[&str] = &["timeout_sec"];
const VERIFIER_KEYS: &[&str] = &["timeout_sec"];
const ENVIRONMENT_KEYS: &[&str] =
    &["docker_image", "build_timeout_sec", "cpus", "memory_mb", "storage_mb", "gpus", "allow_internet"];
const OWN_KEYS: &[&str] =
    &["policy", "limits", "sandbox", "reward", "services", "service", "needs", "mounts", "score", "example"];
/// Sub-folders that are read.
const FOLDERS: &[&str] = &["environment", "tests", "solution", "cheats"];

/// All task folders of a suite: directly under `tasks/`, or directly in the suite with a `task.toml`.
pub(super) fn read_all(
    shown: &dyn Fn(&str) -> String,
    files: &BTreeMap<String, FileSpec>,
    base: &Settings,
    services: &[ServiceSpec],
    errors: &mut Vec<SuiteError>,
) -> Vec<Found> {
    let mut folders = BTreeSet::new();
    for path in files.keys() {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["tasks", name, _, ..] => folders.insert(format!("tasks/{name}")),
            [name, "task.toml"] => folders.insert((*name).to_owned()),
            _ => false,
        };
    }
    let context = Context { shown, files, base, services };
    folders.iter().filter_map(|folder| context.read(folder, errors)).collect()
}

struct Context<'a> {
    shown: &'a dyn Fn(&str) -> String,
    files: &'a BTreeMap<String, FileSpec>,
    base: &'a Settings,
    services: &'a [ServiceSpec],
}

impl Context<'_> {
    fn read(&self, folder: &str, errors: &mut Vec<SuiteError>) -> Option<Found> {
        let id = folder.rsplit('/').next().unwrap_or(folder);
        let whole = |message: String, hint: &str| SuiteError {
            file: (self.shown)(folder),
            line: 0,
            column: 0,
            message,
            hint: Some(hint.to_owned()),
        };
        if !is_id(id) {
            let message =
                format!("the task folder '{id}' must be named with letters, digits, '-', '_' and '.'");
            errors.push(whole(message, "ids are parts of suite/task/subject/n"));
        }
        let Some(toml) = self.files.get(&format!("{folder}/task.toml")) else {
            let message = format!("the task folder '{id}' has no task.toml");
            errors
                .push(whole(message, "every folder under tasks/ is a task; an empty task.toml will not do"));
            return None;
        };
        let prompt = match self.files.get(&format!("{folder}/instruction.md")) {
            None => {
                let message = format!("task '{id}' has no instruction.md");
                errors.push(whole(message, "write there what the agent is asked"));
                String::new()
            }
            Some(file) => text_of(&(self.shown)(&format!("{folder}/instruction.md")), &file.bytes, errors),
        };
        if self.files.contains_key(&format!("{folder}/instruction.md")) && prompt.trim().is_empty() {
            errors.push(whole(
                format!("the instruction.md of task '{id}' is empty"),
                "write what the agent is asked",
            ));
        }
        let name = (self.shown)(&format!("{folder}/task.toml"));
        let before = errors.len();
        let text = text_of(&name, &toml.bytes, errors);
        let mut reader = Reader::new(name.clone(), &text);
        let document = document(&mut reader, &text);
        errors.append(&mut reader.errors);
        if errors.len() > before {
            return None;
        }
        let table = Table::new(&document, 0..0, format!("task '{id}'"));
        let mut task = self.read_toml(&mut reader, &table, id, folder);
        errors.append(&mut reader.errors);
        task.prompt = prompt;
        task.files = self.below(folder, "environment");
        task.files.retain(|path, _| !is_image_file(path));
        task.hidden = self.below(folder, "tests");
        self.read_scripts(folder, &mut task, errors);
        self.misnamed(folder, id, errors);
        task.digest = digest::of_task(&task);
        Some(Found { task, file: name, line: 0, column: 0 })
    }

    fn read_toml(&self, reader: &mut Reader<'_>, table: &Table<'_, '_>, id: &str, folder: &str) -> Task {
        reader.known(table, TASK_KEYS);
        let mut settings = self.base.clone();
        let mut needs = Vec::new();
        if let Some(agent) = reader.table(table, "agent", "'agent'") {
            reader.known(&agent, AGENT_KEYS);
            if let Some(seconds) = reader.positive(&agent, "timeout_sec") {
                settings.limits.wall = Duration::try_from_secs_f64(seconds).ok().or(settings.limits.wall);
            }
        }
        if let Some(verifier) = reader.table(table, "verifier", "'verifier'") {
            reader.known(&verifier, VERIFIER_KEYS);
        }
        let mut wants_image = self.below(folder, "environment").keys().any(|path| is_image_file(path));
        if let Some(environment) = reader.table(table, "environment", "'environment'") {
            reader.known(&environment, ENVIRONMENT_KEYS);
            wants_image |= environment.has("docker_image");
            let mib = |number: f64| (number * 1_048_576.0) as u64;
            let sandbox = &mut settings.sandbox;
            sandbox.cpus = reader.positive(&environment, "cpus").or(sandbox.cpus);
            sandbox.memory = reader.positive(&environment, "memory_mb").map(mib).or(sandbox.memory);
            sandbox.disk = reader.positive(&environment, "storage_mb").map(mib).or(sandbox.disk);
            if reader.whole(&environment, "gpus", 0).is_some_and(|gpus| gpus > 0) {
                needs.push("gpu".to_owned());
            }
            if reader.flag(&environment, "allow_internet") == Some(true) {
                needs.push("internet".to_owned());
            }
        }
        let empty = toml::de::DeTable::new();
        let at = table.place_of("metadata");
        let metadata = reader.table(table, "metadata", format!("'metadata' of task '{id}'"));
        let what = format!("task '{id}'");
        if let Some(metadata) = metadata.as_ref().filter(|metadata| !metadata.has("rolltape")) {
            // The rest of `[metadata]` is free, so only a near miss of our own name is a slip.
            for (key, at, _) in metadata.entries() {
                if nearest(key, ["rolltape"]).is_some() {
                    let message = format!("{} has an unknown key '{key}'", metadata.what);
                    reader.error_hint(at, message, "did you mean 'rolltape'?");
                }
            }
        }
        let own = metadata
            .and_then(|metadata| reader.table(&metadata, "rolltape", what.clone()))
            .unwrap_or_else(|| Table::new(&empty, at, what));
        reader.known(&own, OWN_KEYS);
        let settings = settings.overlaid(reader, &own);
        needs.extend(reader.strings(&own, "needs").unwrap_or_default());
        if settings.sandbox.network != Network::None {
            // It says itself what of the internet it means.
            needs.retain(|need| need != "internet");
        }
        if wants_image && !own.has("sandbox") {
            // Honest skip: on the host's own programs it would be another task.
            needs.push("image".to_owned());
        }
        Task {
            id: id.to_owned(),
            digest: String::new(),
            prompt: String::new(),
            examples: settings.examples,
            policy: settings.policy,
            limits: settings.limits,
            sandbox: settings.sandbox,
            reward: settings.reward,
            services: settings::task_services(reader, &own, self.services),
            needs,
            mounts: settings::read_mounts(reader, &own),
            files: BTreeMap::new(),
            hidden: BTreeMap::new(),
            solution: None,
            cheats: BTreeMap::new(),
            score: settings::read_scorers(reader, &own),
        }
    }

    fn read_scripts(&self, folder: &str, task: &mut Task, errors: &mut Vec<SuiteError>) {
        for (kind, script) in [("solution", "solve.sh"), ("cheats", "NAME.sh")] {
            for (path, file) in self.below(folder, kind) {
                let shown = (self.shown)(&format!("{folder}/{kind}/{path}"));
                let stem = path.strip_suffix(".sh").filter(|stem| is_id(stem));
                let text = || -> (Script, Vec<SuiteError>) {
                    let mut found = Vec::new();
                    let text = text_of(&shown, &file.bytes, &mut found);
                    (Script { text }, found)
                };
                match (kind, stem) {
                    ("solution", Some("solve")) => {
                        let (script, mut found) = text();
                        task.solution = Some(script);
                        errors.append(&mut found);
                    }
                    ("cheats", Some(stem)) => {
                        let (script, mut found) = text();
                        task.cheats.insert(stem.to_owned(), script);
                        errors.append(&mut found);
                    }
                    _ => errors.push(SuiteError {
                        file: shown,
                        line: 0,
                        column: 0,
                        message: format!("nothing reads this file: {kind}/ holds {script} only"),
                        hint: Some("write what the script needs inside the script".to_owned()),
                    }),
                }
            }
        }
    }

    /// A sub-folder whose name is nearly one that is read is a slip, not a spare folder.
    fn misnamed(&self, folder: &str, id: &str, errors: &mut Vec<SuiteError>) {
        let prefix = format!("{folder}/");
        let names: BTreeSet<&str> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix)?.split_once('/').map(|(name, _)| name))
            .filter(|name| !FOLDERS.contains(name))
            .collect();
        for name in names {
            let hint = did_you_mean(name, FOLDERS);
            if hint.starts_with("did") {
                errors.push(SuiteError {
                    file: (self.shown)(&format!("{folder}/{name}")),
                    line: 0,
                    column: 0,
                    message: format!("task '{id}' has a folder '{name}' that nothing reads"),
                    hint: Some(hint),
                });
            }
        }
    }

    /// Files below a sub-folder, by path relative to it.
    fn below(&self, folder: &str, name: &str) -> BTreeMap<String, FileSpec> {
        let prefix = format!("{folder}/{name}/");
        self.files
            .range(prefix.clone()..)
            .take_while(|(path, _)| path.starts_with(&prefix))
            .map(|(path, file)| (path[prefix.len()..].to_owned(), file.clone()))
            .collect()
    }
}

/// Files of `environment/` that tell how an image is built; they are not for the workspace.
fn is_image_file(path: &str) -> bool {
    matches!(path, "Dockerfile" | ".dockerignore" | "docker-compose.yaml" | "docker-compose.yml")
}
