//! The top of the page: the verdicts, the subjects and the facts of the run; without scripts the tasks too.

use super::super::Shown;
use super::super::stats::Stats;
use super::super::{Options, text};
use crate::stats::Rate;
use crate::store::RunView;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Rows of the table that stands in for the index where scripts are off.
const TASKS: usize = 1_000;
/// Subjects whose rates fit into a card.
const CARD: usize = 4;

pub(super) fn markup(view: &Shown<'_>, options: &Options) -> Markup {
    let manifest = &view.manifest;
    html! {
        header {
            p.brand { "rolltape" }
            h1 { (text::one_line(&manifest.id.0)) }
            p.sub {
                @for (at, (name, _)) in manifest.suites.iter().enumerate() {
                    @if at > 0 { ", " }
                    (text::one_line(name))
                }
                " · " (text::one_line(&manifest.sandbox)) " · policy " (text::one_line(&manifest.policy))
                " · reading " (text::one_line(&manifest.reading)) " · seed " (manifest.seed)
            }
        }
        section.cards { (cards(view, options)) }
        @for warning in &view.warnings { p.notice { "Warning: " (text::one_line(warning)) } }
        section { h2 { "Subjects" } (subjects(view, options)) }
        (facts(view, options))
        noscript {
            p.notice { "Scripts are off: the totals remain, attempts and their steps are not shown." }
            h2 { "Tasks" }
            (tasks(view, options))
            (findings(view))
        }
    }
}

fn cards(view: &Shown<'_>, options: &Options) -> Markup {
    let (stats, subjects) = (view.totals(), view.subjects());
    let beside = text::beside(stats);
    let missing = view.manifest.planned.saturating_sub(stats.attempts);
    html! {
        @if subjects.len() > 1 {
            (per_subject("success", subjects, Stats::success_rate, "of the scored attempts"))
            (per_subject("format", subjects, Stats::format_rate, "of the judged attempts"))
        } @else {
            (card("success", stats.success, stats.scored, "of the scored attempts"))
            (card("format", stats.format_ok, stats.judged, "of the judged attempts"))
        }
        div.card {
            h3 { "beside the rates" }
            p.figure.words { @if beside.is_empty() { "nothing" } @else { (beside) } }
            p.note {
                @if missing > 0 { (missing) " of " (view.manifest.planned) " planned never ended" }
                @else { "of " (view.manifest.planned) " planned" }
            }
        }
        div.card {
            h3 { "tokens" }
            p.figure { (text::count(stats.tokens())) }
            p.note { "recorded cost " (text::usd(stats.cost_usd)) ", spent " (text::usd(Some(stats.spent_usd))) }
        }
        @if options.timing {
            div.card data-timing {
                h3 { "time" }
                p.figure { (text::duration(stats.duration_ms)) }
                p.note { "all attempts one after the other" }
            }
        }
    }
}

fn card(title: &str, part: u64, of: u64, note: &str) -> Markup {
    let class = if of == 0 {
        "none"
    } else if part == of {
        "good"
    } else {
        "bad"
    };
    html! {
        div class={ "card " (class) } {
            h3 { (title) }
            p.figure { @if of == 0 { "no data" } @else { (part) span.of { "/" (of) } } }
            meter min="0" max=(of.max(1)) value=(part) {}
            p.note { (note) }
        }
    }
}

/// Different subjects have no rate together.
fn per_subject(title: &str, subjects: &[(&str, Stats)], rate: fn(&Stats) -> Rate, note: &str) -> Markup {
    let rates: Vec<String> = subjects.iter().map(|(_, stats)| text::ratio(rate(stats))).collect();
    html! {
        div.card {
            h3 { (title) }
            p.figure.words { @if rates.len() > CARD { (rates.len()) " subjects" } @else { (rates.join(" · ")) } }
            p.note { (note) ", by subject below" }
        }
    }
}

fn head(first: Markup, options: &Options) -> Markup {
    html! {
        thead { tr {
            (first) th.n { "attempts" } th.n { "success" } th.n { "score" } th.n { "format" } th.n { "calls" }
            th.n { "turns" } th.n { "tokens" } th.n { "cost" }
            @if options.timing { th.n data-timing { "time" } }
        } }
    }
}

fn subjects(view: &Shown<'_>, options: &Options) -> Markup {
    html! {
        div.wide tabindex="0" { table {
            (head(html! { th { "subject" } }, options))
            tbody { @for (subject, stats) in view.subjects() {
                tr { td { (text::one_line(subject)) } td.n { (stats.attempts) } (figures(stats, options)) }
            } }
        } }
    }
}

fn tasks(view: &Shown<'_>, options: &Options) -> Markup {
    let tasks = view.tasks();
    html! {
        div.wide { table {
            (head(html! { th { "task" } th { "subject" } }, options))
            tbody { @for task in tasks.iter().take(TASKS) {
                tr {
                    td { (text::one_line(task.suite)) "/" b { (text::one_line(task.task)) } }
                    td { (text::one_line(task.subject)) }
                    td.n { (task.stats.attempts) }
                    (figures(&task.stats, options))
                }
            } }
        } }
        @if tasks.len() > TASKS {
            p.note { (tasks.len() - TASKS) " more rows are in " code { "summary.json" } " of the run folder" }
        }
    }
}

fn figures(stats: &Stats, options: &Options) -> Markup {
    html! {
        td.n { (text::ratio(stats.success_rate())) }
        td.n { (text::reward(stats.mean_reward())) }
        td.n { (text::ratio(stats.format_rate())) }
        @if stats.ran() {
            td.n { (text::count(Some(stats.calls))) }
            td.n { (text::count(Some(stats.turns))) }
            td.n { (text::count(stats.tokens())) }
            td.n { (text::usd(stats.cost_usd)) }
            @if options.timing { td.n data-timing { (text::duration(stats.duration_ms)) } }
        } @else {
            td.n { "–" } td.n { "–" } td.n { "–" } td.n { "–" }
            @if options.timing { td.n data-timing { "–" } }
        }
    }
}

fn findings(view: &RunView) -> Markup {
    let mut by_rule: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for finding in view.records.iter().flat_map(|record| &record.findings) {
        *by_rule.entry((finding.rule, finding.name, finding.severity.as_str())).or_default() += 1;
    }
    html! {
        @if !by_rule.is_empty() {
            section {
                h2 { "Findings" }
                table {
                    thead { tr { th { "rule" } th { "name" } th { "severity" } th.n { "count" } } }
                    tbody { @for ((rule, name, severity), count) in &by_rule {
                        tr {
                            td { code { (text::one_line(rule)) } }
                            td { (text::one_line(name)) }
                            td { span class={ "sev " (severity) } { (severity) } }
                            td.n { (count) }
                        }
                    } }
                }
            }
        }
    }
}

fn facts(view: &RunView, options: &Options) -> Markup {
    let manifest = &view.manifest;
    let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    html! {
        details.facts {
            summary { "How it was run" }
            dl {
                @for (name, digest) in &manifest.suites {
                    dt { "suite " (text::one_line(name)) } dd { code { (text::one_line(digest)) } }
                }
                @for subject in &manifest.subjects {
                    dt { "subject " (text::one_line(&subject.id)) }
                    dd {
                        (text::one_line(&subject.agent)) ", " (text::one_line(&subject.backend))
                        @if let Some(model) = &subject.model { ", " (text::one_line(model)) }
                        " " code { (text::one_line(&serde_json::Value::from(subject.params.clone()).to_string())) }
                    }
                }
                dt { "sandbox layers" }
                dd { @for layer in &manifest.layers {
                    span class=(if layer.on { "layer on" } else { "layer off" }) {
                        (text::one_line(&layer.name))
                        @if !layer.on { " off: " (text::one_line(layer.reason.as_deref().unwrap_or("unknown"))) }
                    } " "
                } }
                @for (name, value) in &manifest.versions {
                    dt { (text::one_line(name)) } dd { (text::one_line(&plain(value))) }
                }
                @if options.timing { @for (name, value) in &manifest.timing {
                    dt data-timing { (text::one_line(name)) } dd data-timing { (text::one_line(&plain(value))) }
                } }
            }
        }
    }
}
