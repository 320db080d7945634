//! A comparison as Markdown, for a pull request or a chat.

use super::super::Options;
use super::super::markdown::{cell, code};
use super::{MEANING, against, figures, letter, remarks, unpaired, who};
use crate::compare::{Comparison, NO_TEST};
use crate::util::plural::plural;
use std::io::{self, Write};

pub(super) fn render(comparison: &Comparison, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Comparison\n\n| side | subject | what |\n| --- | --- | --- |")?;
    let letters: Vec<String> = (0..comparison.sides.len()).map(letter).collect();
    for (at, letter) in letters.iter().enumerate() {
        let remarks = remarks(comparison, at);
        writeln!(out, "| {letter} | {} | {} |", cell(&who(comparison, at)), cell(&remarks.join(", ")))?;
    }
    let figures_rule = " --: |".repeat(letters.len());
    writeln!(out, "\n## Side by side\n\n| figure | {} |\n| --- |{figures_rule}", letters.join(" | "))?;
    for (label, cells) in figures::sides(comparison, options) {
        writeln!(out, "| {} | {} |", label.trim(), cells.join(" | "))?;
    }
    let rules = figures::rules(comparison);
    if !rules.is_empty() {
        writeln!(out, "\n## Findings by rule\n\nFindings · a judged message · a judged attempt.\n")?;
        writeln!(out, "| rule | name | severity | {} |", letters.join(" | "))?;
        writeln!(out, "| --- | --- | --- |{figures_rule}")?;
        for ([rule, name, severity], cells) in rules {
            writeln!(out, "| {} | {} | {severity} | {} |", cell(&rule), cell(&name), cells.join(" | "))?;
        }
    }
    for pair in &comparison.pairs {
        writeln!(out, "\n## {}, {} paired\n", against(pair), plural(pair.tasks.len(), "task"))?;
        let (base, side) = (letter(pair.baseline), letter(pair.side));
        writeln!(out, "| metric | {base} | {side} | difference | better/worse/equal | tasks |")?;
        writeln!(out, "| --- | --: | --: | --: | --: | --: |")?;
        for paired in figures::paired(pair, options) {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                paired.metric.label,
                figures::value(paired.metric, paired.baseline),
                figures::value(paired.metric, paired.side),
                figures::difference(paired.metric, paired.difference),
                figures::verdicts(paired),
                paired.tasks
            )?;
        }
        let unpaired = unpaired(pair);
        if !unpaired.is_empty() {
            writeln!(out)?;
        }
        for sentence in unpaired {
            writeln!(out, "- {}", code(&sentence))?;
        }
    }
    writeln!(out, "\n{MEANING}")?;
    for note in comparison.unlike.iter().chain(&comparison.notes) {
        writeln!(out, "\nNote: {}", code(note))?;
    }
    writeln!(out, "\nThere is {NO_TEST}.")
}
