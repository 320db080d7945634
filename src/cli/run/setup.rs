//! From arguments to suites with opened subjects and compiled scorers: all that can be wrong is found here.

use super::{Args, labels};
use crate::agent::{self, Agent};
use crate::backend::{self, Backend, BackendName, OpenError, Opening};
use crate::cli::config::{self, Configuration};
use crate::cli::{CliError, Context, Verbosity, suite_files};
use crate::engine::{SubjectPlan, SuitePlan};
use crate::model::Subject;
use crate::sandbox::{Launcher, image_from};
use crate::score::{self, Compiled, Probe};
use crate::service;
use crate::store::io_text;
use crate::suite::{ServiceSpec, Suite, SuiteError, Task};
use crate::util::plural::plural;
use crate::util::suggest::nearest;
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Suites that are ready but for the machine's powers.
pub(in crate::cli) struct Prepared {
    /// In the order of the command line.
    pub(in crate::cli) suites: Vec<SuitePlan>,
}

/// Loads, selects, opens and compiles.
pub(in crate::cli) fn prepare(args: &Args, context: &Context) -> Result<Prepared, CliError> {
    let mut suites = Vec::new();
    for path in &args.suites {
        let suite = suite_files::load(path).map_err(|errors| suite_errors(&errors))?;
        if suites.iter().any(|other: &Suite| other.name == suite.name) {
            return Err(CliError::usage(format!("two suites are named '{}'", suite.name))
                .hint("run them one after the other, or rename one"));
        }
        suites.push(suite);
    }
    select(&mut suites, &args.task)?;
    let mut plans = Vec::new();
    for (suite, path) in suites.into_iter().zip(&args.suites) {
        plans.push(open(suite, path, args, context)?);
    }
    Ok(Prepared { suites: plans })
}

/// All errors of suite files as one; the first gets its `error:` when it is shown.
pub(in crate::cli) fn suite_errors(errors: &[SuiteError]) -> CliError {
    let text = suite_files::render(errors);
    CliError::usage(text.trim_start_matches("error: ").trim_end())
}

/// Keeps the tasks that match; it is an error if none does.
fn select(suites: &mut [Suite], globs: &[String]) -> Result<(), CliError> {
    if globs.is_empty() {
        return Ok(());
    }
    let set = glob_set(globs)?;
    let all: Vec<String> =
        suites.iter().flat_map(|suite| suite.tasks.iter().map(|task| task.id.clone())).collect();
    for suite in suites.iter_mut() {
        suite
            .tasks
            .retain(|task| set.is_match(&task.id) || set.is_match(format!("{}/{}", suite.name, task.id)));
    }
    if suites.iter().all(|suite| suite.tasks.is_empty()) {
        let error = CliError::usage(format!("no task matches '{}'", globs.join("', '")));
        return Err(match nearest(&globs[0], all.iter().map(String::as_str)) {
            Some(name) => error.hint(format!("did you mean '{name}'?")),
            None => error.hint(format!("the tasks are {}", all.join(", "))),
        });
    }
    Ok(())
}

fn glob_set(globs: &[String]) -> Result<GlobSet, CliError> {
    let mut builder = GlobSetBuilder::new();
    for glob in globs {
        builder.add(Glob::new(glob).map_err(|error| {
            CliError::usage(format!("the task pattern '{glob}' can't be read: {}", error.kind()))
        })?);
    }
    builder.build().map_err(|error| CliError::usage(format!("the task patterns can't be used: {error}")))
}

fn open(mut suite: Suite, path: &Path, args: &Args, context: &Context) -> Result<SuitePlan, CliError> {
    for task in &mut suite.tasks {
        // From here on a name means the same whatever the current folder.
        if let Some(image) = task.sandbox.root.strip_prefix("oci:") {
            task.sandbox.root = format!("oci:{}", image_from(path, image));
        }
    }
    let subjects = subjects(&suite, path, args, context)?;
    let scorers = score::compile_all(&suite).map_err(|errors| suite_errors(&errors))?;
    check_services(&suite, &scorers)?;
    let mut mounts = Vec::new();
    let mut skips = Vec::new();
    for task in &suite.tasks {
        let (found, missing) = task_mounts(task, context);
        mounts.push(found);
        skips.push(missing);
    }
    Ok(SuitePlan { suite, subjects, scorers, skips, mounts })
}

/// Options of services are checked before anything starts; all errors at once.
fn check_services(suite: &Suite, scorers: &[Vec<Arc<Compiled>>]) -> Result<(), CliError> {
    let mut errors = Vec::new();
    for (task, compiled) in suite.tasks.iter().zip(scorers) {
        // A probe starts the service with options of its own over those of the task.
        let probed = compiled.iter().flat_map(|scorer| &scorer.probes).filter_map(|probe| match probe {
            Probe::Run { service: Some(name), service_options, .. } => {
                let mut spec = task.services.iter().find(|spec| spec.name == *name)?.clone();
                spec.options.extend(service_options.clone());
                Some(spec)
            }
            _ => None,
        });
        let probed: Vec<ServiceSpec> = probed.collect();
        for spec in task.services.iter().chain(&probed) {
            let Some(kind) = service::ALL.iter().find(|kind| kind.name == spec.kind) else {
                let names = service::ALL.iter().map(|kind| kind.name);
                return Err(CliError::unknown("kind of service", &spec.kind, names)
                    .hint(format!("service '{}' of task '{}' asks for it", spec.name, task.id)));
            };
            for message in (kind.check)(spec) {
                let told = format!("service '{}' of task '{}': {message}", spec.name, task.id);
                if !errors.contains(&told) {
                    errors.push(told);
                }
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(CliError::usage(errors.join("\nerror: "))) }
}

/// Mounts whose variable is set, or the reason why the task can't run.
fn task_mounts(task: &Task, context: &Context) -> (Vec<(String, String)>, Option<String>) {
    let mut found = Vec::new();
    for mount in &task.mounts {
        match context.var(&mount.env).filter(|value| !value.is_empty()) {
            Some(folder) if Path::new(folder).is_dir() => {
                found.push((folder.to_owned(), mount.at.clone()));
            }
            Some(folder) => {
                return (found, Some(format!("{} names '{folder}', which is no folder", mount.env)));
            }
            None => return (found, Some(format!("needs the variable {}", mount.env))),
        }
    }
    (found, None)
}

/// Agents times back ends, in the order of the command line. Agents that ask no model make one subject each.
fn subjects(
    suite: &Suite,
    path: &Path,
    args: &Args,
    context: &Context,
) -> Result<Vec<SubjectPlan>, CliError> {
    let wanted: Vec<&str> = if args.agent.is_empty() {
        suite.default_agent.as_deref().into_iter().collect()
    } else {
        args.agent.iter().map(String::as_str).collect()
    };
    if wanted.is_empty() {
        return Err(CliError::usage(format!("suite '{}' names no agent", suite.name))
            .hint("pass --agent, or set `agent` under [defaults] in its suite.toml"));
    }
    let mounts = agent_mounts(&args.mount, context)?;
    let mut backends = None;
    let mut plans: Vec<SubjectPlan> = Vec::new();
    for wanted in wanted {
        let (name, argument) = match wanted.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (wanted, None),
        };
        let kind = agent::ALL
            .iter()
            .find(|kind| kind.name == name)
            .ok_or_else(|| CliError::unknown("agent", name, agent::ALL.iter().map(|kind| kind.name)))?;
        let open_agent = || (kind.open)(argument).map_err(|error| open_error("agent", wanted, error));
        let mut add = |backend: Option<&Opened>| {
            let agent: Arc<dyn Agent> = Arc::from(open_agent()?);
            let id = match backend {
                Some(opened) => clean(&format!("{wanted}@{}", opened.label)),
                None => clean(wanted),
            };
            let subject = Subject {
                id: numbered(id, &plans),
                agent: wanted.to_owned(),
                backend: backend.map(|opened| opened.name.clone()).unwrap_or_default(),
                model: backend.and_then(|opened| opened.backend.model()),
                params: backend.map(|opened| opened.backend.params()).unwrap_or_default(),
            };
            let backend = backend.map(|opened| Arc::clone(&opened.backend));
            plans.push(SubjectPlan { subject, agent, backend, mounts: mounts.clone() });
            Ok::<_, CliError>(())
        };
        if !kind.uses_model {
            add(None)?;
            continue;
        }
        if backends.is_none() {
            backends = Some(open_backends(suite, path, args, context)?);
        }
        for opened in backends.iter().flatten() {
            add(Some(opened))?;
        }
    }
    Ok(plans)
}

/// The id, with a number where it is taken.
fn numbered(id: String, plans: &[SubjectPlan]) -> String {
    let taken = |id: &str| plans.iter().any(|plan| plan.subject.id == id);
    let (mut free, mut n) = (id.clone(), 1);
    while taken(&free) {
        n += 1;
        free = format!("{id}-{n}");
    }
    free
}

/// Folders that agents see under their own paths.
fn agent_mounts(folders: &[PathBuf], context: &Context) -> Result<Vec<(String, String)>, CliError> {
    let mut mounts = Vec::new();
    for folder in folders {
        let refused =
            |why: &str| CliError::usage(format!("the folder '{}' can't be mounted: {why}", folder.display()));
        let path = context.cwd.join(folder).canonicalize().map_err(|error| refused(&io_text(&error)))?;
        if !path.is_dir() {
            return Err(refused("it is no folder"));
        }
        if path.parent().is_none() {
            return Err(refused("it is the whole machine"));
        }
        let text = path.to_str().ok_or_else(|| refused("its path is not UTF-8"))?;
        mounts.push((text.to_owned(), text.to_owned()));
    }
    Ok(mounts)
}

/// A back end that is open, with its name and its part of subject ids.
struct Opened {
    name: String,
    label: String,
    backend: Arc<dyn Backend>,
}

fn open_backends(
    suite: &Suite,
    path: &Path,
    args: &Args,
    context: &Context,
) -> Result<Vec<Opened>, CliError> {
    // Paths on the command line are from the current folder, those of a suite from its own.
    let (names, base): (Vec<String>, PathBuf) = if args.backend.is_empty() {
        let Some(default) = &suite.default_backend else {
            return Err(CliError::usage(format!("suite '{}' names no back end", suite.name))
                .hint("pass --backend, or set `backend` under [defaults] in its suite.toml"));
        };
        (vec![default.clone()], path.to_path_buf())
    } else {
        (args.backend.clone(), context.cwd.clone())
    };
    let configuration = config::load(context)?;
    let mut opened = Vec::new();
    for (name, label) in labels::labelled(names) {
        let backend = open_backend(&name, &base, &configuration, context)?;
        for warning in backend.warnings() {
            context.say(&format!("warning: {warning}"));
        }
        opened.push(Opened { name, label, backend });
    }
    Ok(opened)
}

fn open_backend(
    name: &str,
    base: &Path,
    configuration: &Configuration,
    context: &Context,
) -> Result<Arc<dyn Backend>, CliError> {
    let parsed = BackendName::parse(name);
    let meant = configuration.meaning(&parsed.name)?;
    let kind = backend::ALL.iter().find(|kind| kind.name == meant.kind).ok_or_else(|| {
        CliError::unknown("kind of back end", &meant.kind, backend::ALL.iter().map(|kind| kind.name))
    })?;
    let var = |name: &str| context.var(name).map(str::to_owned);
    let settings = &meant.settings;
    let opening = Opening { arg: parsed.arg.as_deref(), base, settings, var: &var };
    let opened = (kind.open)(&opening).map_err(|error| open_error("back end", name, error))?;
    if let (Some(place), Some(url)) = (&meant.place, &settings.base_url)
        && context.verbosity > Verbosity::Quiet
    {
        // A configuration that was found and not named must not send a key somewhere in silence.
        let key = settings.key_env.as_ref().map(|key| format!(", with the key of {key}")).unwrap_or_default();
        context.say(&format!("back end '{}' asks {url}{key}, says {place}", parsed.name));
    }
    Ok(opened)
}

/// An attempt id is divided by slashes, so no part may hold one.
fn clean(id: &str) -> String {
    id.chars().map(|c| if c == '/' || c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}

fn open_error(what: &str, name: &str, (message, hint): OpenError) -> CliError {
    let error = CliError::usage(format!("{what} '{name}' can't be opened: {message}"));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Adds the reasons for which tasks can't run on this machine.
pub(in crate::cli) fn add_skips(suites: &mut [SuitePlan], launcher: &Launcher) {
    for plan in suites {
        for (task, skip) in plan.suite.tasks.iter().zip(&mut plan.skips) {
            if skip.is_some() {
                continue;
            }
            let unmet = |need: &str| launcher.unmet_in(&task.sandbox.root, need);
            let lacking: Vec<String> = task.needs.iter().filter_map(|need| unmet(need)).collect();
            let layers = launcher.layers_in(&task.sandbox.root);
            let lacks = |wanted: &str| {
                layers
                    .as_ref()
                    .is_some_and(|layers| !layers.iter().any(|layer| layer.on && layer.name == wanted))
            };
            let off: Vec<&str> =
                task.sandbox.require.iter().map(String::as_str).filter(|wanted| lacks(wanted)).collect();
            *skip = if !lacking.is_empty() {
                Some(lacking.join("; "))
            } else if !off.is_empty() {
                Some(format!("needs the sandbox {} {}", plural(off.len(), "layer"), off.join(", ")))
            } else {
                let powers = [("hidden-checks", task.hidden.is_empty()), ("mounts", task.mounts.is_empty())];
                powers.iter().filter(|(_, unused)| !unused).find_map(|(power, _)| unmet(power))
            };
        }
    }
}
