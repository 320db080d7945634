//! One attempt: verdicts, scores with their evidence, findings, drift, and all its steps.

use super::super::stats::duration_ms;
use super::super::{Options, text};
use super::step;
use crate::model::{AttemptRecord, Finding};
use crate::store::RunView;
use crate::util::plural::plural;
use maud::{Markup, html};

/// Bytes of one piece of evidence that are shown.
const EVIDENCE: usize = 4_000;

/// The outcome as a coloured word.
pub(super) fn badge(record: &AttemptRecord) -> Markup {
    html! { span class={ "badge " (record.outcome.word()) } { (text::outcome(record)) } }
}

pub(super) fn markup(view: &RunView, record: &AttemptRecord, options: &Options) -> Markup {
    let reason = text::reason(record);
    html! {
        details class={ "attempt " (record.outcome.word()) } {
            summary {
                (badge(record))
                span.name {
                    (text::one_line(&record.id.suite)) "/" b { (text::one_line(&record.id.task)) }
                    span.subject { " " (text::one_line(&record.id.subject)) " #" (record.id.n) }
                }
                @if record.outcome.word() != "skipped" { (chips(record, options)) }
            }
            div.body id={ "a" (record.seq) } {
                @if !reason.is_empty() { p.reason { (step::plain(&reason)) } }
                (scores(record))
                (evidence(view, record))
                (findings(record))
                @for drift in &record.drift {
                    details.drift {
                        summary { "Turn " (drift.turn) ": the observation differs from the tape" }
                        pre { (step::plain(&drift.diff)) }
                    }
                }
                (steps(view, record, options))
            }
        }
    }
}

fn chips(record: &AttemptRecord, options: &Options) -> Markup {
    html! {
        span.chips {
            @match record.format_ok {
                Some(true) => span.chip { "format ok" },
                Some(false) => span.chip.bad { "format broken" },
                None => {}
            }
            @if let Some(reward) = record.reward { span.chip { "score " (text::reward(Some(reward))) } }
            @if record.turns > 0 { span.chip { (plural(record.turns as usize, "turn")) }
                span.chip { (plural(record.calls as usize, "call")) } }
            @if let Some(tokens) = record.usage.total_tokens() {
                span.chip { (text::count(Some(tokens))) " tokens" }
            }
            @if options.timing { span.chip data-timing { (text::duration(duration_ms(record))) } }
        }
    }
}

fn scores(record: &AttemptRecord) -> Markup {
    html! {
        @if !record.scores.is_empty() {
            table.scores {
                thead { tr { th { "scorer" } th.n { "score" } th.n { "weight" } th { "why" } } }
                tbody { @for score in &record.scores {
                    tr {
                        td { code { (text::one_line(&score.scorer)) } }
                        td class=(if score.passed() { "n good" } else { "n bad" }) {
                            @match score.value { Some(value) => (value), None => "could not judge" }
                        }
                        td.n { (score.weight) }
                        td { (step::plain(&score.reason)) }
                    }
                } }
            }
        }
    }
}

fn evidence(view: &RunView, record: &AttemptRecord) -> Markup {
    html! {
        @for item in &record.evidence {
            details.evidence {
                summary { "Evidence " code { (text::one_line(&item.name)) } }
                p.note { "SHA-256 " code { (text::one_line(&item.sha256)) } }
                @match view.artefact(&item.sha256) {
                    Ok(bytes) => @match std::str::from_utf8(&bytes) {
                        Ok(content) => (step::block(content, EVIDENCE)),
                        Err(_) => p.note { (bytes.len()) " bytes that are not text" },
                    },
                    Err(error) => p.note { (text::one_line(&error.message)) },
                }
            }
        }
    }
}

fn findings(record: &AttemptRecord) -> Markup {
    html! {
        @if !record.findings.is_empty() {
            ul.findings { @for finding in &record.findings { li {
                (finding_line(finding))
                @if let Some(number) = finding.step {
                    " " a href={ "#a" (record.seq) "s" (number) } { "step " (number) }
                }
            } } }
        }
    }
}

pub(super) fn finding_line(finding: &Finding) -> Markup {
    let severity = finding.severity.as_str();
    html! {
        span class={ "sev " (severity) } { (text::one_line(finding.rule)) }
        " " (step::plain(&finding.text))
        @if !finding.readings.contains(&crate::model::ReadingKind::Strict) {
            span.note { @for reading in &finding.readings { " [" (text::one_line(&reading.to_string())) "]" } }
        }
    }
}

fn steps(view: &RunView, record: &AttemptRecord, options: &Options) -> Markup {
    html! {
        @match view.trajectory(record) {
            Ok(trajectory) => {
                div.steps { @for item in &trajectory.steps {
                    (step::markup(record, item, options))
                } }
            }
            Err(error) => p.notice { (text::one_line(&error.message)) },
        }
    }
}
