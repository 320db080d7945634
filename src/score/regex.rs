//! `regex`: a pattern is found in the text, in linear time.

use super::options::Options;
use super::{Compiled, OptionError, Scorer, text};
use crate::suite::{ScorerSpec, Task};

pub(super) static ITEM: Scorer =
    Scorer { name: "regex", about: "the `pattern` is found in the answer, a file or an output", compile };

fn compile(spec: &ScorerSpec, _: &Task) -> Result<Compiled, Vec<OptionError>> {
    let mut options = Options::new(&spec.options, "");
    let pattern = options.regex("pattern");
    if !options.has("pattern") {
        options.error("'pattern' is missing", Some("add pattern = '…'".to_owned()));
    }
    text::compile(
        options,
        pattern.map(|pattern| {
            move |text: &str| {
                let found = pattern.is_match(text);
                (found, format!("the pattern is {}found", if found { "" } else { "not " }))
            }
        }),
    )
}
