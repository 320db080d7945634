//! `rolltape show PATH`: one trajectory in the terminal.

mod head;
mod lay;
mod page;
mod pager;
mod pick;
mod read;
mod step;
mod table;

use super::report::columns;
use super::{CliError, Context, Exit, Verb, Verbosity, check};
use crate::formats;
use crate::model::{CallPolicy, Finding, Place, Policy, Step, Trajectory};
use crate::rules;
use crate::util::plural::plural;
use crate::util::text::{one_line, unmarked, visible};
use clap::{Args as _, FromArgMatches as _};
use head::Judged;
use page::{BOLD, Look, Page};
use pick::Picked;
use std::io::{self, IsTerminal as _};
use std::ops::RangeInclusive;
use std::path::PathBuf;

pub(super) static ITEM: Verb = Verb {
    name: "show",
    about: "Shows one trajectory in the terminal",
    augment: Args::augment_args,
    run: |matches, context| {
        let args = Args::from_arg_matches(matches).map_err(|error| CliError::usage(error.to_string()))?;
        run(&args, context)
    },
};

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
struct Args {
    /// A file, a folder, a run, or - for stdin; PATH#N or PATH#ID names one of several trajectories
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Which trajectory, where there are several: its number from 1, its id, or the id of an attempt
    #[arg(short, long, value_name = "N|ID")]
    trajectory: Option<String>,
    /// Only this step or these: N, N..M, N.. or ..M
    #[arg(short, long, value_name = "STEPS")]
    step: Option<String>,
    /// Only the text of the steps as the model wrote it, calls included; on a terminal escapes are made visible
    #[arg(long)]
    raw: bool,
    /// Show long texts whole
    #[arg(long)]
    full: bool,
    /// Leave the findings out
    #[arg(long)]
    no_findings: bool,
    /// Write to the terminal without a pager [default: $PAGER, or less -R, where the output is longer than the screen]
    #[arg(long)]
    no_pager: bool,
    /// Format of the file instead of telling it by content
    #[arg(long, value_name = "FORMAT")]
    from: Option<String>,
}

fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let from = args.from.as_deref().map(format).transpose()?;
    let (path, which) = pick::split(&args.path, context);
    let which = match (&args.trajectory, which) {
        (Some(_), Some(_)) => {
            return Err(CliError::usage("the trajectory is named twice: behind '#' and with --trajectory")
                .hint("leave one of them out"));
        }
        (told, behind) => told.clone().or(behind),
    };
    let (picked, read) = pick::pick(&path, which.as_deref(), from, context)?;
    if context.verbosity > Verbosity::Quiet {
        for warning in &read.warnings {
            context.say(&format!("warning: {}", unmarked(&one_line(warning))));
        }
        more(read.warnings_in_all - read.warnings.len(), "warning", context);
        if read.foreign > 0 {
            context.say(&format!("passed by: {} of no known format", plural(read.foreign, "file")));
        }
    }
    for error in &read.errors {
        context.say(&check::error_text(error));
    }
    more(read.errors_in_all - read.errors.len(), "error", context);
    let steps = steps(args.step.as_deref(), &picked.trajectory)?;
    let terminal = io::stdout().is_terminal();
    let text = if args.raw {
        raw(&picked.trajectory, &steps, terminal)
    } else {
        let look =
            Look { width: columns(context), color: context.color_out, full: args.full, log: !terminal };
        whole(&picked, args, &steps, look)
    };
    let exit = if read.errors.is_empty() { Exit::Fine } else { Exit::Usage };
    pager::show(&text, !args.no_pager, exit, context);
    Ok(exit)
}

/// Says how many are not told one by one.
fn more(count: usize, what: &str, context: &Context) {
    if count > 0 {
        context.say(&format!("and {count} more {what}{}", if count == 1 { "" } else { "s" }));
    }
}

fn format(name: &str) -> Result<&'static str, CliError> {
    formats::find(name)
        .map(|format| format.name)
        .ok_or_else(|| CliError::unknown("format", name, formats::ALL.iter().map(|format| format.name)))
}

/// The steps that were asked for, by their ids.
fn steps(wanted: Option<&str>, trajectory: &Trajectory) -> Result<RangeInclusive<u64>, CliError> {
    let Some(wanted) = wanted else { return Ok(1..=u64::MAX) };
    let bad = || {
        CliError::usage(format!("'{}' names no steps", unmarked(&one_line(wanted))))
            .hint("write one number or a range: 4, 4..7, 4.. or ..7")
    };
    let number = |text: &str, default: u64| {
        if text.is_empty() { Ok(default) } else { text.parse::<u64>().map_err(|_| bad()) }
    };
    let (first, last) = match wanted.split_once("..") {
        Some(("", "")) => return Err(bad()),
        Some((first, last)) => (number(first, 1)?, number(last, u64::MAX)?),
        None => (wanted.parse().map_err(|_| bad())?, wanted.parse().map_err(|_| bad())?),
    };
    let ids: Vec<u64> = trajectory.steps.iter().map(|step| step.id).collect();
    if first > last {
        return Err(CliError::usage(format!("'{}' ends before it begins", unmarked(&one_line(wanted))))
            .hint("write the smaller number first"));
    }
    if !ids.iter().any(|id| (first..=last).contains(id)) {
        let has = match (ids.first(), ids.last()) {
            (Some(first), Some(last)) if first == last => format!("the trajectory has step {first} alone"),
            (Some(first), Some(last)) => format!("the trajectory has steps {first} to {last}"),
            _ => "the trajectory has no steps".to_owned(),
        };
        return Err(CliError::usage(format!("there is no step {}", unmarked(&one_line(wanted)))).hint(has));
    }
    Ok(first..=last)
}

/// The texts alone. One step alone is exact; several get a line before each.
fn raw(trajectory: &Trajectory, steps: &RangeInclusive<u64>, terminal: bool) -> String {
    let wanted: Vec<&Step> = trajectory.steps.iter().filter(|step| steps.contains(&step.id)).collect();
    let mut out = String::new();
    for step in &wanted {
        let text = lay::masked(&step.judged_text());
        let text = if terminal { visible(&text).into_owned() } else { text };
        if wanted.len() > 1 {
            out.push_str(&format!("── {} {}\n", step.id, step.source.as_str()));
        }
        out.push_str(&text);
        // Between steps, and before the prompt of a shell.
        if (wanted.len() > 1 || terminal) && !text.ends_with('\n') && !text.is_empty() {
            out.push('\n');
        }
    }
    out
}

/// The trajectory with those that are embedded in it.
fn whole(picked: &Picked, args: &Args, steps: &RangeInclusive<u64>, look: Look) -> String {
    let mut page = Page::new(look);
    let (mut findings, mut places) = (Vec::new(), Vec::new());
    let mut words = (CallPolicy::ExactlyOne.as_str().to_owned(), "strict".to_owned());
    match (&picked.record, &picked.run) {
        (Some(record), Some(run)) => {
            findings.clone_from(&record.findings);
            places = vec![None; findings.len()];
            words = run.clone();
        }
        _ => {
            let judgement = rules::judge(&picked.trajectory, &Policy::default());
            findings.extend(judgement.findings);
            places.extend(judgement.places);
        }
    }
    let judged = Judged { findings: &findings, policy: words.0, reading: words.1 };
    let judged = (!args.no_findings).then_some(&judged);
    head::show(&mut page, &picked.trajectory, picked.record.as_ref(), judged);
    let found: Vec<step::Found<'_>> =
        if args.no_findings { Vec::new() } else { findings.iter().zip(places).collect() };
    body(&mut page, &picked.trajectory, steps, &found);
    if args.step.is_none() {
        embedded(&mut page, &picked.trajectory, args);
    }
    page.out
}

fn body(page: &mut Page, trajectory: &Trajectory, steps: &RangeInclusive<u64>, found: &[step::Found<'_>]) {
    for one in trajectory.steps.iter().filter(|one| steps.contains(&one.id)) {
        let own: Vec<(&Finding, Option<Place>)> =
            found.iter().filter(|(finding, _)| finding.step == Some(one.id)).copied().collect();
        step::show(page, one, &own);
    }
    let whole: Vec<&Finding> =
        found.iter().map(|(finding, _)| *finding).filter(|finding| finding.step.is_none()).collect();
    if !whole.is_empty() {
        page.heading(BOLD, "of the whole trajectory", "");
    }
    for finding in whole {
        step::bare(page, finding);
    }
}

/// Embedded trajectories, each further right than the one that it is embedded in.
fn embedded(page: &mut Page, trajectory: &Trajectory, args: &Args) {
    // A worklist: they may be nested deeper than a stack.
    let mut rest: Vec<(usize, &Trajectory)> = trajectory.subagents.iter().rev().map(|one| (1, one)).collect();
    while let Some((depth, one)) = rest.pop() {
        page.indent = (4 * depth).min(page.look.width / 3);
        let id =
            one.id.as_deref().or(one.session_id.as_deref()).map_or("without a name".to_owned(), one_line);
        page.heading(BOLD, &format!("subagent {}", lay::masked(&id)), "");
        let judgement = rules::judge(one, &Policy::default());
        let judged = Judged {
            findings: &judgement.findings,
            policy: CallPolicy::ExactlyOne.as_str().to_owned(),
            reading: "strict".to_owned(),
        };
        head::show(page, one, None, (!args.no_findings).then_some(&judged));
        let found: Vec<step::Found<'_>> = if args.no_findings {
            Vec::new()
        } else {
            judgement.findings.iter().zip(judgement.places.iter().copied()).collect()
        };
        body(page, one, &(1..=u64::MAX), &found);
        rest.extend(one.subagents.iter().rev().map(|inner| (depth + 1, inner)));
    }
    page.indent = 0;
}
