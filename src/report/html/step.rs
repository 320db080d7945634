//! One step for the page: what was said cut at the borders of findings, what was called, what came back.

use super::super::text;
use super::parts::{Parts, name};
use crate::model::{Finding, Message, ObservationResult, Step, ToolCall};

/// A step as nested arrays; `page/data.js` names the fields in this order. Texts are cut after `cap` bytes.
pub(super) fn parts(findings: &[Finding], step: &Step, cap: usize) -> Parts {
    let mut out = Parts::default();
    out.array(|out| {
        out.value(Some(step.id));
        out.name(step.source.as_str());
        out.value(Some(step.frame));
        out.maybe_name(step.reply.as_ref().and_then(|reply| reply.finish_reason.as_deref()));
        out.maybe_name(step.model.as_deref());
        match step.usage {
            Some(usage) => out.array(|out| {
                out.value(usage.prompt_tokens);
                out.value(usage.cached_tokens);
                out.value(usage.completion_tokens);
                out.float(usage.cost_usd);
            }),
            None => out.value(None::<u8>),
        }
        match &step.reasoning {
            Some(reasoning) => out.array(|out| out.capped(reasoning, cap)),
            None => out.value(None::<u8>),
        }
        said(out, findings, step, cap);
        out.array(|out| step.calls.iter().for_each(|call| self::call(out, call, shown_above(step), cap)));
        out.array(|out| {
            for result in results(step) {
                out.array(|out| {
                    out.maybe_name(result.name.as_deref());
                    out.capped(&content(result), cap);
                });
            }
        });
    });
    out
}

/// Pieces of the judged text, each with the findings that cover it, and how many bytes were cut.
fn said(out: &mut Parts, findings: &[Finding], step: &Step, cap: usize) {
    let said = step.judged_text();
    let (shown, cut) = text::capped(&said, cap);
    let here = findings.iter().enumerate().filter(|(_, finding)| finding.step == Some(step.id));
    out.array(|out| {
        for (piece, hits) in segments(shown, &here.collect::<Vec<_>>()) {
            out.array(|out| {
                out.text(piece);
                for hit in hits {
                    out.value(Some(hit));
                }
            });
        }
    });
    out.value(Some(cut));
}

/// Whether the calls of a step already stand in the text above them.
fn shown_above(step: &Step) -> bool {
    step.reply.as_ref().is_some_and(|reply| !reply.native)
}

fn call(out: &mut Parts, call: &ToolCall, shown_above: bool, cap: usize) {
    out.array(|out| {
        out.name(&call.name);
        out.value(Some(shown_above));
        match &call.arguments.parsed {
            Some(object) => out.array(|out| {
                for (name, value) in object {
                    out.array(|out| {
                        out.name(name);
                        out.capped(&argument(value), cap);
                    });
                }
            }),
            None => out.value(None::<u8>),
        }
        out.capped(call.arguments.raw.as_deref().unwrap_or(""), cap);
    });
}

fn argument(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn results(step: &Step) -> impl Iterator<Item = &ObservationResult> {
    step.observation.iter().flat_map(|observation| &observation.results)
}

fn content(result: &ObservationResult) -> std::borrow::Cow<'_, str> {
    result.content.as_ref().map(Message::text).unwrap_or_default()
}

/// What the page compares of a step, made as `page/compare.js` makes it from what is shown: what was said with
/// the calls that don't stand in it, and what came back.
pub(super) fn compared(step: &Step, cap: usize) -> [String; 2] {
    let shown = |content: &str| text::visible(text::capped(content, cap).0).into_owned();
    let mut said = vec![shown(&step.judged_text())];
    for call in step.calls.iter().filter(|_| !shown_above(step)) {
        said.push(format!("→ {}", name(&call.name)));
        match &call.arguments.parsed {
            Some(object) => {
                for (key, value) in object {
                    said.push(format!("{}: {}", self::name(key), shown(&argument(value))));
                }
            }
            None => said.push(shown(call.arguments.raw.as_deref().unwrap_or(""))),
        }
    }
    let back: Vec<String> = results(step).map(|result| shown(&content(result))).collect();
    [said.join("\n"), back.join("\n")]
}

/// The text cut at the borders of all spans, each piece with the numbers of the findings that cover it. An
/// empty span gives an empty piece of its own.
fn segments<'a>(content: &'a str, findings: &[(usize, &Finding)]) -> Vec<(&'a str, Vec<usize>)> {
    let fit = |at: usize| content.floor_char_boundary(at);
    let spans: Vec<(usize, usize, usize)> = findings
        .iter()
        .filter_map(|(number, finding)| {
            finding.span.map(|span| (fit(span.start), fit(span.end.max(span.start)), *number))
        })
        .collect();
    let mut borders: Vec<usize> = spans.iter().flat_map(|(start, end, _)| [*start, *end]).collect();
    borders.extend([0, content.len()]);
    borders.sort_unstable();
    borders.dedup();
    let mut out = Vec::new();
    for (at, &border) in borders.iter().enumerate() {
        let points: Vec<usize> = spans
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
    use super::segments;
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
            let pieces = segments(text, &[(0, &a), (7, &b)]);
            assert_eq!(pieces.iter().map(|piece| piece.0).collect::<String>(), text, "{start}..{end}");
        }
    }

    #[test]
    fn overlapping_findings_share_the_piece_that_both_cover() {
        let (a, b, point) = (finding(0, 4), finding(2, 6), finding(6, 6));
        let pieces = segments("abcdefgh", &[(0, &a), (1, &b), (2, &point)]);
        let told: Vec<(&str, &[usize])> =
            pieces.iter().map(|(text, hits)| (*text, hits.as_slice())).collect();
        assert_eq!(told, [("ab", &[0][..]), ("cd", &[0, 1]), ("ef", &[1]), ("", &[2]), ("gh", &[])]);
    }
}
