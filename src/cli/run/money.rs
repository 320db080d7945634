//! Money and tokens of a whole run: the purse, what must be known for it, and the bound of a plan.

use super::Args;
use crate::backend::{Amount, Caps, Purse};
use crate::cli::CliError;
use crate::engine::{Plan, SubjectPlan, SuitePlan};
use crate::model::LimitKind;
use crate::store::Used;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The purse of a run with a limit, less what was used before.
///
/// # Errors
/// A price is not known, or all is spent already.
pub(super) fn purse(plan: &Plan, args: &Args, used: &[Used]) -> Result<Option<Arc<Purse>>, CliError> {
    let caps = Caps { usd: args.max_usd, tokens: args.max_tokens };
    if caps == Caps::default() {
        return Ok(None);
    }
    if caps.usd.is_some() {
        prices_are_known(&plan.suites)?;
    }
    let live: BTreeSet<&str> = subjects(&plan.suites)
        .filter(|subject| is_live(subject))
        .map(|subject| subject.subject.id.as_str())
        .collect();
    let mut spent = Amount::default();
    let mut unknown = 0;
    for used in used.iter().filter(|used| live.contains(used.subject.as_str())) {
        spent.usd += used.usd.unwrap_or(0.0);
        spent.tokens = spent.tokens.saturating_add(used.tokens.unwrap_or(0));
        unknown += u64::from(used.usd.is_none() && caps.usd.is_some());
        unknown += u64::from(used.tokens.is_none() && caps.tokens.is_some());
    }
    let over = |what: String, option: &str| {
        let known = if unknown > 0 { ", and more that is not known" } else { "" };
        let hint = format!("go on with a higher {option}");
        Err(CliError::usage(format!("the run has used {what}{known}, and nothing is left")).hint(hint))
    };
    if let Some(max) = caps.usd.filter(|max| spent.usd >= *max) {
        return over(format!("{} of its {max} USD", shown(spent.usd)), "--max-usd");
    }
    if let Some(max) = caps.tokens.filter(|max| spent.tokens >= *max) {
        return over(format!("{} of its {max} tokens", spent.tokens), "--max-tokens");
    }
    Ok(Some(Arc::new(Purse::new(caps, spent))))
}

/// What the user should know of the purse once the run is over, if anything ended for it.
pub(super) fn told(purse: &Purse, args: &Args) -> Option<String> {
    let spent = purse.spent();
    let (what, option) = match purse.refused()? {
        LimitKind::Tokens => {
            (format!("{} of {} tokens are used", spent.tokens, args.max_tokens?), "--max-tokens")
        }
        _ => (format!("{} of {} USD are spent", shown(spent.usd), args.max_usd?), "--max-usd"),
    };
    Some(format!(
        "{what}, and the next call could cost more than is left: nothing more was started ({option})"
    ))
}

/// All back ends that cost money must have a price.
fn prices_are_known(suites: &[SuitePlan]) -> Result<(), CliError> {
    let mut nameless: Vec<&str> = subjects(suites)
        .filter(|subject| is_live(subject) && price(subject).is_none())
        .map(|subject| subject.subject.backend.as_str())
        .collect();
    nameless.sort_unstable();
    nameless.dedup();
    let Some(first) = nameless.first() else { return Ok(()) };
    let name = first.split(':').next().unwrap_or(first);
    let message =
        format!("--max-usd needs the price of the back end '{}', which is unknown", nameless.join("', '"));
    Err(CliError::usage(message).hint(format!(
        "set price = {{ input = …, output = … }} under [backend.{name}] in rolltape.toml, in USD a million tokens"
    )))
}

fn subjects(suites: &[SuitePlan]) -> impl Iterator<Item = &SubjectPlan> {
    suites.iter().flat_map(|suite| &suite.subjects)
}

/// Whether it costs money.
fn is_live(subject: &SubjectPlan) -> bool {
    subject.backend.as_ref().is_some_and(|backend| !backend.on_tape())
}

fn price(subject: &SubjectPlan) -> Option<crate::model::Price> {
    subject.backend.as_ref()?.price()
}

/// Limits of money that can't be kept, as sentences.
pub(super) fn warnings(plan: &Plan) -> Vec<String> {
    let mut told = Vec::new();
    for suite in &plan.suites {
        let Some(task) = suite.suite.tasks.iter().find(|task| task.limits.usd.is_some()) else { continue };
        for subject in suite.subjects.iter().filter(|subject| is_live(subject) && price(subject).is_none()) {
            told.push(format!(
                "the price of the back end '{}' is unknown, so that the limit of money of task '{}' holds only for \
                 calls whose cost the back end tells",
                subject.subject.backend, task.id
            ));
        }
    }
    told.dedup();
    told
}

/// The most that a plan can cost, as a clause.
pub(super) fn bound(plan: &Plan, args: &Args) -> String {
    let mut sum = 0.0;
    let mut unknown = BTreeSet::new();
    let mut live = 0_u64;
    for planned in &plan.attempts {
        let (suite, task, subject) = plan.parts(planned);
        if !is_live(subject) || suite.skips[planned.task].is_some() {
            continue;
        }
        live += 1;
        let Some(price) = price(subject) else {
            unknown.insert(format!("the back end '{}' has no price", subject.subject.backend));
            continue;
        };
        let tokens = task.limits.tokens.map(|tokens| price.most(tokens));
        match (task.limits.usd, tokens) {
            (Some(usd), Some(tokens)) => sum += f64::min(usd, tokens),
            (Some(usd), None) | (None, Some(usd)) => sum += usd,
            (None, None) => {
                unknown.insert(format!("task '{}' has no limit of usd or tokens", task.id));
            }
        }
    }
    if live == 0 {
        return "at most 0 USD, all replies are on tape".to_owned();
    }
    let cap = args.max_usd.filter(|max| !unknown.is_empty() || *max < sum);
    match (cap, unknown.into_iter().next()) {
        (Some(max), _) => format!("at most {max} USD, by --max-usd"),
        (None, Some(why)) => format!("at most an unknown sum: {why}"),
        (None, None) => format!("at most {} USD, and the last call of each attempt", shown(sum)),
    }
}

/// A sum to a hundredth of a cent, without zeros at the end.
fn shown(usd: f64) -> String {
    let text = format!("{usd:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
