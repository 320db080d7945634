//! Text for people: each finding with its source line, then a summary.

use super::{Look, Output, compliant, summary};
use crate::cli::check::judge::{Checked, Item};
use crate::cli::check::{Plan, statistics};
use crate::model::{Finding, Reading, ReadingKind, Severity};
use crate::util::text::{name, one_line, unmarked};
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};

pub(super) static ITEM: Output =
    Output { name: "text", about: "each finding with its source line, and a summary", render };

fn render(checked: &Checked, plan: &Plan, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    for item in checked.items.iter() {
        out.write_all(item_text(&item?, plan, look.color).as_bytes())?;
    }
    out.write_all(summary(checked, plan).as_bytes())?;
    out.write_all(statistics::block(checked, compliant(checked, plan).is_some()).as_bytes())
}

fn item_text(item: &Item, plan: &Plan, color: bool) -> String {
    let finding = &item.finding;
    let paint = |style: Style, text: &str| {
        if color { format!("{}{text}{}", style.render(), style.render_reset()) } else { text.to_owned() }
    };
    let tone = AnsiColor::on_default(match finding.severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    });
    let (line, column) = finding.location.as_ref().map_or((1, 1), |place| (place.line, place.column));
    let mut out = format!(
        "{}:{line}:{column}: {} {} ({}) {}{}\n",
        paint(Style::new().bold(), &name(&item.path)),
        paint(tone, finding.severity.as_str()),
        paint(tone.bold(), finding.rule),
        finding.name,
        unmarked(&one_line(&finding.text)),
        only(finding, plan),
    );
    if let Some(excerpt) = &item.excerpt {
        let number = excerpt.line.to_string();
        let carets = paint(tone, &"^".repeat(excerpt.width));
        let (gap, blanks) = (" ".repeat(number.len()), " ".repeat(excerpt.before));
        out.push_str(&format!(
            "  {number} | {}\n  {gap} | {blanks}{carets}\n",
            unmarked(excerpt.text.trim_end())
        ));
    }
    out.push('\n');
    out
}

/// Says that a finding does not hold in the reading that counts.
fn only(finding: &Finding, plan: &Plan) -> String {
    let strict = finding.readings.contains(&ReadingKind::Strict);
    let runtime = finding.readings.iter().find(|reading| **reading != ReadingKind::Strict);
    match (&plan.policy.reading, strict, runtime) {
        (Reading::Strict, false, Some(reading)) => format!(" [only {reading}]"),
        (Reading::Runtime(_), true, None) => " [only strict]".to_owned(),
        _ => String::new(),
    }
}
