//! One step: what was said with its findings underlined, what was called, what came back.

use super::super::{Options, text};
use super::attempt::finding_line;
use crate::model::{AttemptRecord, Finding, Message, Severity, Source, Step, ToolCall};
use maud::{Markup, PreEscaped, html};

/// Bytes of one text that are shown; a longer one says how much is missing.
const SHOWN: usize = 100_000;
/// Characters from which on a text that no model wrote starts folded.
const LONG: usize = 1_200;

pub(super) fn markup(record: &AttemptRecord, step: &Step, options: &Options) -> Markup {
    let source = step.source.as_str();
    let said = step.judged_text();
    let findings: Vec<&Finding> =
        record.findings.iter().filter(|finding| finding.step == Some(step.id)).collect();
    html! {
        section class={ "step " (source) } id={ "a" (record.seq) "s" (step.id) } {
            h4 {
                span.number { (step.id) } span.who { (source) }
                @if step.frame { span.note { " prompt frame, not counted" } }
                @if let Some(reply) = &step.reply { @if let Some(reason) = &reply.finish_reason {
                    @if reason != "stop" && reason != "tool_calls" {
                        span.note { " finish reason " (text::one_line(reason)) }
                    }
                } }
                @if let Some(tokens) = step.usage.and_then(|usage| usage.completion_tokens) {
                    span.note { " " (text::count(Some(tokens))) " tokens" }
                }
                @if options.timing { @if let Some(time) = &step.timestamp {
                    time data-timing { (text::one_line(time)) }
                } }
            }
            @if let Some(reasoning) = &step.reasoning {
                details.reasoning { summary { "Reasoning" } (block(reasoning, SHOWN)) }
            }
            @if step.source != Source::Agent && said.chars().count() > LONG {
                details.folded {
                    summary { (text::count(Some(said.chars().count() as u64))) " characters: " (opening(&said)) }
                    (block(&said, SHOWN))
                }
            } @else if !said.is_empty() {
                (underlined(&said, &findings))
            }
            @if !findings.is_empty() {
                ul.findings { @for finding in &findings { li { (finding_line(finding)) } } }
            }
            @for call in &step.calls { (call_markup(call, step.reply.as_ref().is_some_and(|r| !r.native))) }
            @for result in step.observation.iter().flat_map(|observation| &observation.results) {
                div.observation {
                    p.label { "observation" @if let Some(name) = &result.name { " of " code { (text::one_line(name)) } } }
                    (block(&result.content.as_ref().map(Message::text).unwrap_or_default(), SHOWN))
                }
            }
        }
    }
}

fn opening(said: &str) -> String {
    crate::util::text::cut(&text::one_line(text::capped(said, 400).0), 90)
}

/// Escaped text of which no line begins as a command of a CI service, should the page be shown in its log.
pub(super) fn plain(content: &str) -> Markup {
    let escaped = html! { (text::visible(content)) }.into_string();
    let mut out = String::with_capacity(escaped.len());
    for (at, line) in escaped.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
            if line.trim_start().starts_with("::") || line.trim_start().starts_with("##") {
                out.push_str("<i></i>");
            }
        }
        out.push_str(line);
    }
    PreEscaped(out)
}

/// A text in a box, cut where it is too long.
pub(super) fn block(content: &str, bytes: usize) -> Markup {
    let (shown, cut) = text::capped(content, bytes);
    html! {
        pre { (plain(shown)) }
        @if cut > 0 { p.note { (text::count(Some(cut as u64))) " bytes more are not shown" } }
    }
}

/// The call as it was understood; folded where the text above already shows it.
fn call_markup(call: &ToolCall, shown_above: bool) -> Markup {
    let parsed = call.arguments.parsed.as_ref();
    html! {
        details.call open[!shown_above] {
            summary {
                span.label { "call" } " " code { (text::one_line(&call.name)) }
                @if parsed.is_none() { span.sev.error { "arguments did not parse" } }
            }
            @match parsed {
                Some(object) => dl { @for (name, value) in object {
                    dt { (text::one_line(name)) }
                    dd { (block(&value.as_str().map_or_else(|| value.to_string(), str::to_owned), SHOWN)) }
                } },
                None => (block(call.arguments.raw.as_deref().unwrap_or(""), SHOWN)),
            }
        }
    }
}

/// Text with each finding underlined where it stands.
fn underlined(content: &str, findings: &[&Finding]) -> Markup {
    let (shown, cut) = text::capped(content, SHOWN);
    let segments = segments(shown, findings);
    html! {
        pre.said { @for (piece, hits) in &segments {
            @if hits.is_empty() { (plain(piece)) }
            @else {
                @let worst = hits.iter().map(|hit| hit.severity).max().unwrap_or(Severity::Info);
                mark class=(worst.as_str()) title=(titles(hits)) {
                    @if piece.is_empty() { "‸" } @else { (plain(piece)) }
                }
            }
        } }
        @if cut > 0 { p.note { (text::count(Some(cut as u64))) " bytes more are not shown" } }
    }
}

fn titles(hits: &[&Finding]) -> String {
    hits.iter()
        .map(|hit| format!("{} {}", hit.rule, text::one_line(&hit.text)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The text cut at the borders of all spans, each piece with the findings that cover it. An empty span
/// gives an empty piece of its own.
fn segments<'a, 'f>(content: &'a str, findings: &[&'f Finding]) -> Vec<(&'a str, Vec<&'f Finding>)> {
    let fit = |at: usize| content.floor_char_boundary(at);
    let spans: Vec<(usize, usize, &Finding)> = findings
        .iter()
        .filter_map(|finding| {
            finding.span.map(|span| (fit(span.start), fit(span.end.max(span.start)), *finding))
        })
        .collect();
    let mut borders: Vec<usize> = spans.iter().flat_map(|(start, end, _)| [*start, *end]).collect();
    borders.extend([0, content.len()]);
    borders.sort_unstable();
    borders.dedup();
    let mut out = Vec::new();
    for (at, &border) in borders.iter().enumerate() {
        let points: Vec<&Finding> = spans
            .iter()
            .filter(|(start, end, _)| start == end && *start == border)
            .map(|hit| hit.2)
            .collect();
        if !points.is_empty() {
            out.push((&content[border..border], points));
        }
        if let Some(&next) = borders.get(at + 1) {
            let over = spans.iter().filter(|(start, end, _)| *start <= border && next <= *end);
            out.push((&content[border..next], over.map(|hit| hit.2).collect()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{segments, underlined};
    use crate::model::{Finding, ReadingKind, Severity, Span};

    fn finding(start: usize, end: usize) -> Finding {
        Finding {
            rule: "FC002",
            name: "multiple-calls",
            severity: Severity::Error,
            readings: vec![ReadingKind::Strict],
            step: Some(1),
            message: Some(0),
            span: Some(Span::new(start, end)),
            location: None,
            text: "two <calls>".to_owned(),
        }
    }

    #[test]
    fn pieces_join_to_the_text_whatever_the_spans() {
        let text = "中文 <function=a></function> tail";
        for (start, end) in [(0, 3), (1, 2), (3, 3), (0, 999), (500, 600), (9, 4)] {
            let (a, b) = (finding(start, end), finding(2, 8));
            let pieces = segments(text, &[&a, &b]);
            assert_eq!(pieces.iter().map(|piece| piece.0).collect::<String>(), text, "{start}..{end}");
        }
    }

    #[test]
    fn model_text_is_only_ever_text() {
        let hit = finding(0, 8);
        let page = underlined("<script>alert(1)</script>\u{202e}", &[&hit]).into_string();
        assert!(!page.contains("<script"), "{page}");
        assert!(
            page.contains("<mark class=\"error\" title=\"FC002 two &lt;calls&gt;\">&lt;script&gt;</mark>"),
            "{page}"
        );
        assert!(page.contains("⟨U+202E⟩"), "{page}");
    }
}
