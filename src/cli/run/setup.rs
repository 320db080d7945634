//! From arguments to suites with opened subjects and compiled scorers: all that can be wrong is found here.

use super::Args;
use crate::agent::{self, Agent};
use crate::backend::{self, Backend, BackendName, OpenError, Opening, Settings};
use crate::cli::{CliError, Context, suite_files};
use crate::engine::{SubjectPlan, SuitePlan};
use crate::model::{Object, Subject};
use crate::sandbox::Launcher;
use crate::score::{self, Compiled, Probe};
use crate::service;
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
fn suite_errors(errors: &[SuiteError]) -> CliError {
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

fn open(suite: Suite, path: &Path, args: &Args, context: &Context) -> Result<SuitePlan, CliError> {
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
fn check_services(suite: &Suite, scorers: &[Vec<Compiled>]) -> Result<(), CliError> {
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

fn subjects(
    suite: &Suite,
    path: &Path,
    args: &Args,
    context: &Context,
) -> Result<Vec<SubjectPlan>, CliError> {
    let wanted = args.agent.clone().or_else(|| suite.default_agent.clone());
    let Some(wanted) = wanted else {
        return Err(CliError::usage(format!("suite '{}' names no agent", suite.name))
            .hint("pass --agent, or set `agent` under [defaults] in its suite.toml"));
    };
    let (name, argument) = match wanted.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (wanted.as_str(), None),
    };
    let kind = agent::ALL
        .iter()
        .find(|kind| kind.name == name)
        .ok_or_else(|| CliError::unknown("agent", name, agent::ALL.iter().map(|kind| kind.name)))?;
    let open_agent = || (kind.open)(argument).map_err(|error| open_error("agent", &wanted, error));
    if !kind.uses_model {
        let subject = Subject {
            id: clean(&wanted),
            agent: wanted.clone(),
            backend: String::new(),
            model: None,
            params: Object::new(),
        };
        let agent: Arc<dyn Agent> = Arc::from(open_agent()?);
        return Ok(vec![SubjectPlan { subject, agent, backend: None }]);
    }
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
    let mut plans: Vec<SubjectPlan> = Vec::new();
    for name in names {
        let (backend, label) = open_backend(&name, &base, context)?;
        for warning in backend.warnings() {
            context.say(&format!("warning: {warning}"));
        }
        let mut id = clean(&format!("{wanted}@{label}"));
        let same = plans.iter().filter(|plan| plan.subject.id == id).count();
        if same > 0 {
            id = format!("{id}-{}", same + 1);
        }
        let subject = Subject {
            id,
            agent: wanted.clone(),
            backend: name,
            model: backend.model(),
            params: backend.params(),
        };
        plans.push(SubjectPlan { subject, agent: Arc::from(open_agent()?), backend: Some(backend) });
    }
    Ok(plans)
}

fn open_backend(name: &str, base: &Path, context: &Context) -> Result<(Arc<dyn Backend>, String), CliError> {
    let parsed = BackendName::parse(name);
    let kind = backend::ALL.iter().find(|kind| kind.name == parsed.name).ok_or_else(|| {
        CliError::unknown("back end", &parsed.name, backend::ALL.iter().map(|kind| kind.name))
    })?;
    let var = |name: &str| context.var(name).map(str::to_owned);
    let settings = Settings::default();
    let opening = Opening { arg: parsed.arg.as_deref(), base, settings: &settings, var: &var };
    let opened = (kind.open)(&opening).map_err(|error| open_error("back end", name, error))?;
    Ok((opened, parsed.label()))
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
            let unmet: Vec<String> = task.needs.iter().filter_map(|need| launcher.unmet(need)).collect();
            let off: Vec<&str> = task
                .sandbox
                .require
                .iter()
                .filter(|wanted| !launcher.layers().iter().any(|layer| layer.on && layer.name == **wanted))
                .map(String::as_str)
                .collect();
            *skip = if !unmet.is_empty() {
                Some(unmet.join("; "))
            } else if !off.is_empty() {
                Some(format!("needs the sandbox {} {}", plural(off.len(), "layer"), off.join(", ")))
            } else if !task.hidden.is_empty() {
                launcher.unmet("hidden-checks")
            } else {
                None
            };
        }
    }
}
