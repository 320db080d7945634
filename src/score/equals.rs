//! `equals`: the text is exactly a string, white space at both ends aside.

use super::options::Options;
use super::{Compiled, OptionError, Scorer, text};
use crate::suite::{ScorerSpec, Task};

pub(super) static ITEM: Scorer = Scorer {
    name: "equals",
    about: "the answer, a file or an output is the string `text`, white space at both ends aside",
    compile,
};

fn compile(spec: &ScorerSpec, _: &Task) -> Result<Compiled, Vec<OptionError>> {
    let mut options = Options::new(&spec.options, "");
    let ignore_case = options.flag("ignore_case").unwrap_or(false);
    let wanted = options.required("text", "add text = \"…\"");
    let fold = move |text: &str| {
        let text = text.trim();
        if ignore_case { text.to_lowercase() } else { text.to_owned() }
    };
    text::compile(
        options,
        Some(move |text: &str| {
            let same = fold(text) == fold(&wanted);
            (same, if same { "it is equal".to_owned() } else { format!("it is not \"{}\"", wanted.trim()) })
        }),
    )
}
