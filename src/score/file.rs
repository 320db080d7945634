//! `file`: a file of the workspace is there, or is not, or has a certain content.

use super::options::Options;
use super::text::{Found, MAX_FILE, file};
use super::{Compiled, OptionError, Probe, ProbeResult, Scorer};
use crate::suite::{ScorerSpec, Task};
use regex::Regex;

pub(super) static ITEM: Scorer = Scorer {
    name: "file",
    about: "a file that the agent left: exists, contains, not_contains, equals, regex",
    compile,
};

struct Wants {
    path: String,
    exists: bool,
    contains: Vec<String>,
    not_contains: Vec<String>,
    equals: Option<String>,
    regex: Option<Regex>,
}

fn compile(spec: &ScorerSpec, _: &Task) -> Result<Compiled, Vec<OptionError>> {
    let mut options = Options::new(&spec.options, "");
    let wants = Wants {
        path: options.required("path", "add path = \"…\", relative to the workspace"),
        exists: options.flag("exists").unwrap_or(true),
        contains: options.strings("contains").unwrap_or_default(),
        not_contains: options.strings("not_contains").unwrap_or_default(),
        equals: options.string("equals"),
        regex: options.regex("regex"),
    };
    let max_bytes = options.whole("max_bytes").unwrap_or(MAX_FILE);
    let content = ["contains", "not_contains", "equals", "regex"].iter().any(|key| options.has(key));
    if !wants.exists && content {
        options.error("a file that must not exist has no content to judge", None);
    }
    let errors = options.finish();
    if !errors.is_empty() {
        return Err(errors);
    }
    let probes = vec![Probe::File { path: wants.path.clone(), max_bytes }];
    let judge = Box::new(move |evidence: &super::Evidence| {
        let there = matches!(
            evidence.probes.first(),
            Some(ProbeResult::File { bytes: Some(_), .. } | ProbeResult::File { reason: Some(_), .. })
        );
        match file(evidence, &wants.path) {
            Found::Unknown(reason) => (None, reason),
            _ if !wants.exists && there => (Some(0.0), format!("'{}' is there", wants.path)),
            _ if !wants.exists => (Some(1.0), format!("'{}' is not there", wants.path)),
            Found::Nothing(reason) => (Some(0.0), reason),
            Found::Text(text) => match wants.first_miss(&text) {
                Some(miss) => (Some(0.0), miss),
                None => (Some(1.0), format!("'{}' is as it should be", wants.path)),
            },
        }
    });
    Ok(Compiled { probes, judge })
}

impl Wants {
    fn first_miss(&self, text: &str) -> Option<String> {
        let path = &self.path;
        if let Some(missing) = self.contains.iter().find(|wanted| !text.contains(wanted.as_str())) {
            return Some(format!("\"{missing}\" is not in '{path}'"));
        }
        if let Some(found) = self.not_contains.iter().find(|wanted| text.contains(wanted.as_str())) {
            return Some(format!("\"{found}\" is in '{path}'"));
        }
        if self.equals.as_ref().is_some_and(|wanted| wanted.trim() != text.trim()) {
            return Some(format!("'{path}' has another content"));
        }
        let missed = self.regex.as_ref().is_some_and(|regex| !regex.is_match(text));
        missed.then(|| format!("the pattern is not found in '{path}'"))
    }
}
