//! Where rules put what they found, and how that becomes a judgement.

use super::view::{Message, View};
use super::{Judgement, Rule};
use crate::model::{Finding, Place, ReadingKind, Severity, Span, ToolCall};

/// With what weight a finding holds in each reading; `None` where it does not hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    pub(super) strict: Option<Severity>,
    pub(super) runtime: Option<Severity>,
}

impl Weight {
    /// The same in both readings.
    pub(super) fn both(severity: Severity) -> Self {
        Self { strict: Some(severity), runtime: Some(severity) }
    }

    /// Only in what the model wrote.
    pub(super) fn strict(severity: Severity) -> Self {
        Self { strict: Some(severity), runtime: None }
    }

    /// Only in what the runtime makes of it.
    pub(super) fn runtime(severity: Severity) -> Self {
        Self { strict: None, runtime: Some(severity) }
    }
}

/// Where a finding stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At {
    pub(super) step: Option<u64>,
    pub(super) message: Option<u64>,
    pub(super) span: Option<Span>,
    pub(super) place: Option<Place>,
}

impl At {
    /// In a judged message.
    pub(super) fn message(message: &Message, span: Option<Span>) -> Self {
        Self {
            step: Some(message.step.id),
            message: Some(message.index),
            span,
            place: message.step.judged_place(),
        }
    }

    /// In a native call of a judged message: at the call where its place is known, else at the message.
    pub(super) fn call(message: &Message, call: &ToolCall) -> Self {
        let at = Self::message(message, None);
        Self { place: call.place.or(at.place), ..at }
    }
}

/// Findings so far.
#[derive(Default)]
pub(super) struct Found {
    pub(super) rule: Option<&'static Rule>,
    entries: Vec<(&'static Rule, At, Weight, String)>,
}

impl Found {
    /// Adds a finding of the rule at work.
    pub(super) fn add(&mut self, at: At, weight: Weight, text: impl Into<String>) {
        if let Some(rule) = self.rule
            && (weight.strict.is_some() || weight.runtime.is_some())
        {
            self.entries.push((rule, at, weight, text.into()));
        }
    }

    pub(super) fn into_judgement(
        mut self,
        view: &View,
        severities: &[(&'static str, Severity)],
    ) -> Judgement {
        let counts_runtime = view.counts_runtime;
        // Stable, so that findings at one place stay in the order of the rules. Places in a file do not count: a run's own
        // record, which has none, and a check of its folder tell the same in the same order.
        self.entries
            .sort_by_key(|(_, at, ..)| (at.step.unwrap_or(u64::MAX), at.span.map_or(0, |span| span.start)));
        let mut broken = vec![false; view.messages.len()];
        let mut judgement = Judgement { messages: view.messages.len() as u64, ..Judgement::default() };
        for (rule, at, weight, text) in self.entries {
            let (counting, other) = if counts_runtime {
                (weight.runtime, weight.strict)
            } else {
                (weight.strict, weight.runtime)
            };
            let set = severities.iter().find(|(id, _)| *id == rule.id).map(|(_, severity)| *severity);
            let counting = counting.map(|own| set.unwrap_or(own));
            // What does not hold in the counting reading is told, and weighs nothing.
            let severity = counting.or(other.map(|_| Severity::Info)).unwrap_or(Severity::Info);
            if counting == Some(Severity::Error)
                && rule.family() == "FC"
                && let Some(flag) = at.message.and_then(|index| broken.get_mut(index as usize))
            {
                *flag = true;
            }
            let strict = weight.strict.map(|_| ReadingKind::Strict);
            let runtime = weight.runtime.and(view.runtime.map(|r| ReadingKind::Runtime(r.name.to_owned())));
            judgement.findings.push(Finding {
                rule: rule.id,
                name: rule.name,
                severity,
                readings: strict.into_iter().chain(runtime).collect(),
                step: at.step,
                message: at.message,
                span: at.span,
                location: None,
                text,
            });
            judgement.places.push(at.place);
        }
        judgement.compliant = broken.iter().filter(|broken| !**broken).count() as u64;
        judgement.calls = view
            .messages
            .iter()
            .map(|m| if counts_runtime { m.runtime_calls(view) } else { m.strict_calls() } as u64)
            .sum();
        judgement
    }
}
