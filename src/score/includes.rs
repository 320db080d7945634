//! `includes`: the text holds one or several strings.

use super::options::Options;
use super::{Compiled, OptionError, Scorer, text};
use crate::suite::{ScorerSpec, Task};

pub(super) static ITEM: Scorer = Scorer {
    name: "includes",
    about: "the answer, a file or an output holds all of the strings in `text`",
    compile,
};

fn compile(spec: &ScorerSpec, _: &Task) -> Result<Compiled, Vec<OptionError>> {
    let mut options = Options::new(&spec.options, "");
    let ignore_case = options.flag("ignore_case").unwrap_or(false);
    let wanted = options.strings("text").unwrap_or_default();
    if !options.has("text") || wanted.iter().any(String::is_empty) {
        options.error("'text' needs a string that is not empty", Some("add text = \"…\"".to_owned()));
    }
    let fold = move |text: &str| if ignore_case { text.to_lowercase() } else { text.to_owned() };
    text::compile(
        options,
        Some(move |text: &str| {
            let text = fold(text);
            match wanted.iter().find(|wanted| !text.contains(&fold(wanted))) {
                Some(missing) => (false, format!("\"{missing}\" is not in it")),
                None => (true, "all of the text is in it".to_owned()),
            }
        }),
    )
}
