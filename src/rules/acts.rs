//! What an agent does with its calls: the texts that it hands over, the files that it touches, the commands that it
//! runs. The rules of conduct look at nothing else.
//!
//! Tools are told by the names of their parameters, so that the tools of any agent are understood. Must not know:
//! which deeds are suspicious.

use super::shell::{self, Command, Link};
use super::view::{Message, View};
use super::{At, Found, Weight};
use crate::model::{Arguments, Severity, Source, Span};
use aho_corasick::AhoCorasick;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::OnceLock;

/// A text that a call hands over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    /// Parameter.
    pub(super) name: &'a str,
    /// Its value.
    pub(super) text: &'a str,
    /// Where the value starts in the message; `None` for native calls, whose arguments stand elsewhere.
    pub(super) start: Option<usize>,
}

/// One call with all texts that it hands over.
#[derive(Debug, Clone)]
pub(super) struct Act<'a> {
    /// Tool.
    pub(super) tool: &'a str,
    /// Texts in order.
    pub(super) given: Vec<Given<'a>>,
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Looked at.
    Read,
    /// Written anew; whether it was there before is not known.
    Create,
    /// Changed.
    Edit,
    /// Deleted, or moved away.
    Delete,
}

/// A file that a call touches.
#[derive(Debug, Clone)]
pub(super) struct Touch<'a> {
    /// Path as written.
    pub(super) path: Cow<'a, str>,
    /// What is done to it.
    pub(super) deed: Deed,
    /// Where the path stands in the message, if it is a text.
    pub(super) span: Option<Span>,
    /// What is written into it.
    pub(super) written: Vec<Given<'a>>,
    /// What it replaces, as far as the call says.
    pub(super) replaced: &'a str,
}

/// Words that are looked for together. The search is made once: it costs more than to look through a message.
pub(super) struct Words {
    words: fn() -> Vec<&'static str>,
    search: OnceLock<Option<AhoCorasick>>,
}

impl Words {
    pub(super) const fn new(words: fn() -> Vec<&'static str>) -> Self {
        Self { words, search: OnceLock::new() }
    }

    /// Whether `text` holds one of them.
    fn within(&self, text: &str) -> bool {
        match self.search.get_or_init(|| AhoCorasick::new((self.words)()).ok()) {
            Some(search) => search.is_match(text),
            None => (self.words)().iter().any(|word| text.contains(word)),
        }
    }
}

/// Calls of a message of which some text holds one of `words`. Most messages have none, and cost one search each.
pub(super) fn acts<'a>(message: &'a Message<'_>, words: &Words) -> Vec<Act<'a>> {
    let mut out = Vec::new();
    let holds = |text: &str| words.within(text);
    if message.markup.calls.is_empty() && message.native_calls().is_empty() {
        return out;
    }
    if message.native_calls().is_empty() && !holds(&message.text) {
        return out;
    }
    for call in message.text_calls() {
        let mut given: Vec<Given<'_>> = call
            .params
            .iter()
            .map(|param| Given {
                name: &param.name,
                text: param.value.text(&message.text),
                start: Some(param.value.start),
            })
            .collect();
        if let Some(arguments) = &call.arguments {
            of_arguments(&arguments.value, &mut given);
        }
        if given.iter().any(|given| holds(given.text)) {
            out.push(Act { tool: &call.name, given });
        }
    }
    for call in message.native_calls() {
        if any_string(&call.arguments, &holds) {
            let mut given = Vec::new();
            of_arguments(&call.arguments, &mut given);
            out.push(Act { tool: &call.name, given });
        }
    }
    out
}

/// Whether `holds` says yes to some text of the arguments. Nothing is allocated where they are not nested.
fn any_string(arguments: &Arguments, holds: &dyn Fn(&str) -> bool) -> bool {
    let Some(object) = &arguments.parsed else { return arguments.raw.as_deref().is_some_and(holds) };
    object.values().any(|value| match value {
        Value::String(text) => holds(text),
        Value::Array(_) | Value::Object(_) => {
            // A worklist: arguments may be nested deeper than a stack.
            let mut rest = vec![value];
            while let Some(value) = rest.pop() {
                match value {
                    Value::String(text) if holds(text) => return true,
                    Value::Array(items) => rest.extend(items),
                    Value::Object(object) => rest.extend(object.values()),
                    _ => {}
                }
            }
            false
        }
        _ => false,
    })
}

/// What arguments that are one value hand over; where each string stands in it is not told.
fn of_arguments<'a>(arguments: &'a Arguments, given: &mut Vec<Given<'a>>) {
    match (&arguments.parsed, &arguments.raw) {
        (Some(object), _) => strings(object, given),
        (None, Some(raw)) => given.push(Given { name: "", text: raw, start: None }),
        (None, None) => {}
    }
}

/// All strings of the arguments; those in lists and objects go by the name of the parameter that holds them.
fn strings<'a>(object: &'a Map<String, Value>, given: &mut Vec<Given<'a>>) {
    for (name, value) in object {
        // A worklist: arguments may be nested deeper than a stack.
        let mut rest = vec![value];
        while let Some(value) = rest.pop() {
            match value {
                Value::String(text) => given.push(Given { name, text, start: None }),
                Value::Array(items) => rest.extend(items.iter().rev()),
                Value::Object(object) => rest.extend(object.values().rev()),
                _ => {}
            }
        }
    }
}

/// Words that an editor takes for its parameter `command`.
const EDITOR_WORDS: &[&str] =
    &["view", "create", "str_replace", "insert", "undo_edit", "edit", "write", "read"];
/// Parameters that hold a script for a shell.
const SCRIPTS: &[&str] =
    &["command", "cmd", "commands", "script", "keystrokes", "bash_command", "shell_command"];
/// Parameters that name a file.
const PATHS: &[&str] = &["path", "file_path", "filepath", "filename", "file", "target_file", "notebook_path"];
/// Parameters that hold what is written into a file.
const CONTENTS: &[&str] = &[
    "file_text",
    "content",
    "contents",
    "new_str",
    "new_string",
    "new_content",
    "new_source",
    "insert_text",
    "code_edit",
    "text",
    "replacement",
];
/// Parameters that hold what is replaced.
const REPLACED: &[&str] = &["old_str", "old_string", "old_content"];

impl<'a> Act<'a> {
    fn one(&self, names: &[&str]) -> Option<Given<'a>> {
        self.given.iter().find(|given| names.contains(&given.name)).copied()
    }

    /// Scripts for a shell.
    pub(super) fn scripts(&self) -> impl Iterator<Item = Given<'a>> {
        let scripts = self
            .given
            .iter()
            .filter(|given| SCRIPTS.contains(&given.name) && !EDITOR_WORDS.contains(&given.text.trim()));
        scripts.copied()
    }

    /// Commands of all scripts, each with the script that it stands in.
    pub(super) fn commands(&self) -> Vec<(Given<'a>, Command<'a>)> {
        let mut out = Vec::new();
        for given in self.scripts() {
            out.extend(shell::commands(given.text).into_iter().map(|command| (given, command)));
        }
        out
    }

    /// Files that the call touches.
    pub(super) fn touches(&self) -> Vec<Touch<'a>> {
        let mut out = Vec::new();
        if let Some(path) = self.one(PATHS) {
            out.extend(self.by_editor(path));
        }
        for given in &self.given {
            if given.text.contains("*** ") {
                patched(*given, &mut out);
            }
        }
        for (given, command) in self.commands() {
            by_command(given, &command, &mut out);
        }
        out
    }

    fn by_editor(&self, path: Given<'a>) -> Option<Touch<'a>> {
        let word = self.one(&["command", "action", "mode"]).map_or("", |given| given.text.trim());
        let tool = self.tool.to_ascii_lowercase();
        let replaced = self.one(REPLACED);
        let written: Vec<Given<'a>> =
            self.given.iter().filter(|given| CONTENTS.contains(&given.name)).copied().collect();
        let deed = match word {
            "view" | "read" => Deed::Read,
            "create" | "write" => Deed::Create,
            "str_replace" | "insert" | "edit" => Deed::Edit,
            "undo_edit" => return None,
            _ if tool.contains("delete") || tool.contains("remove") => Deed::Delete,
            _ if replaced.is_some() || (tool.contains("edit") && !written.is_empty()) => Deed::Edit,
            _ if !written.is_empty() => Deed::Create,
            _ if ["read", "view", "open", "cat"].iter().any(|word| tool.contains(word)) => Deed::Read,
            _ => return None,
        };
        let name = path.text.trim();
        let lead = path.text.len() - path.text.trim_start().len();
        Some(Touch {
            path: Cow::Borrowed(name),
            deed,
            span: path.start.map(|start| Span::new(start + lead, start + lead + name.len())),
            written,
            replaced: replaced.map_or("", |given| given.text),
        })
    }
}

/// Files of a patch in the form `*** Update File: PATH`.
fn patched<'a>(given: Given<'a>, out: &mut Vec<Touch<'a>>) {
    let mut at = 0;
    for line in given.text.split_inclusive('\n') {
        for (head, deed) in [
            ("*** Add File: ", Deed::Create),
            ("*** Update File: ", Deed::Edit),
            ("*** Delete File: ", Deed::Delete),
        ] {
            let Some(path) = line.strip_prefix(head) else { continue };
            let path = path.trim_end();
            let start = at + head.len();
            let body = &given.text[at + line.len()..];
            let len = body.find("\n*** ").map_or(body.len(), |end| end + 1);
            let text = &body[..len];
            let written = Given { text, start: given.start.map(|start| start + at + line.len()), ..given };
            out.push(Touch {
                path: Cow::Borrowed(path),
                deed,
                span: given.start.map(|base| Span::new(base + start, base + start + path.len())),
                written: vec![written],
                replaced: "",
            });
        }
        at += line.len();
    }
}

/// Programs that show files.
const READERS: &[&str] = &["cat", "open", "less", "more", "head", "tail", "nl", "bat", "tac", "sed", "awk"];

fn by_command<'a>(given: Given<'a>, command: &Command<'a>, out: &mut Vec<Touch<'a>>) {
    let body = command.body.map(|(start, end)| Given {
        name: given.name,
        text: given.text.get(start..end).unwrap_or(""),
        start: given.start.map(|base| base + start),
    });
    let mut tell = |word: &shell::Word<'a>, deed: Deed, written: Vec<Given<'a>>| {
        out.push(Touch {
            path: word.text.clone(),
            deed,
            span: given.start.map(|base| Span::new(base + word.start, base + word.end)),
            written,
            replaced: "",
        });
    };
    for word in &command.writes {
        tell(word, Deed::Create, body.into_iter().collect());
    }
    let operands: Vec<&shell::Word<'a>> =
        command.words.iter().skip(1).filter(|word| !word.text.starts_with('-')).collect();
    let in_place =
        command.arguments().iter().any(|word| word.text.starts_with("-i") || word.text == "--in-place");
    match command.name() {
        "sed" | "perl" if in_place => {
            let whole = given.text.get(
                command.words.first().map_or(0, |word| word.start)
                    ..command.words.last().map_or(0, |word| word.end),
            );
            let first = command.words.first().map_or(0, |word| word.start);
            let text = whole.unwrap_or("");
            let written = Given { text, start: given.start.map(|base| base + first), ..given };
            // The first operand is the program, unless options hold it.
            for word in operands.iter().skip(1) {
                tell(word, Deed::Edit, vec![written]);
            }
        }
        "tee" => operands.iter().for_each(|word| tell(word, Deed::Create, body.into_iter().collect())),
        "rm" | "unlink" | "shred" => operands.iter().for_each(|word| tell(word, Deed::Delete, Vec::new())),
        "truncate" | "patch" => operands.iter().for_each(|word| tell(word, Deed::Edit, Vec::new())),
        "mv" | "cp" => {
            if let Some((target, sources)) = operands.split_last() {
                let deed = if command.name() == "mv" { Deed::Delete } else { Deed::Read };
                for word in sources {
                    tell(word, deed, Vec::new());
                }
                tell(target, Deed::Create, Vec::new());
            }
        }
        "git" if operands.first().is_some_and(|word| word.text == "rm") => {
            operands.iter().skip(1).for_each(|word| tell(word, Deed::Delete, Vec::new()));
        }
        name if READERS.contains(&name) && command.body.is_none() => {
            for word in &operands {
                tell(word, Deed::Read, Vec::new());
            }
        }
        _ => {}
    }
}

/// A path in its parts: folders and name.
pub(super) fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".")
}

/// The name of a file, without folders.
pub(super) fn file_name(path: &str) -> &str {
    parts(path).next_back().unwrap_or("")
}

/// Endings of files that hold programs or their data.
const ENDINGS: &[&str] = &[
    "py", "js", "ts", "jsx", "tsx", "mjs", "cjs", "rb", "go", "rs", "java", "kt", "scala", "cs", "c", "cc",
    "cpp", "h", "hpp", "php", "swift", "sh", "ex", "exs", "lua", "pl", "t", "json", "yaml", "yml", "toml",
    "txt", "snap",
];

/// Whether a path is that of a test file, by the customs of the usual languages. What lies in a folder for temporary
/// files is nobody's test.
pub(super) fn is_test(path: &str) -> bool {
    let name = file_name(path);
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    if !ENDINGS.contains(&ending) || path.starts_with("/tmp/") || path.starts_with("/var/tmp/") {
        return false;
    }
    let code = !matches!(ending, "txt" | "json" | "yaml" | "yml" | "toml" | "sh");
    let by_name = code
        && (stem.starts_with("test_")
            || ["_test", ".test", ".spec", "_spec", "-test"].iter().any(|end| stem.ends_with(end))
            || (matches!(ending, "java" | "kt" | "scala" | "cs" | "php" | "swift")
                && (stem.ends_with("Test") || stem.ends_with("Tests"))));
    let folders = ["test", "tests", "__tests__", "spec", "specs", "e2e"];
    let count = parts(path).count();
    by_name || parts(path).take(count.saturating_sub(1)).any(|part| folders.contains(&part))
}

/// Whether the user or the instructions name `word`: what was asked for is no finding.
pub(super) fn was_named(view: &View, word: &str) -> bool {
    if word.is_empty() {
        return false;
    }
    if let Some(known) = view.named.borrow().get(word) {
        return *known;
    }
    let named = view.trajectory.steps.iter().any(|step| {
        step.source != Source::Agent
            && memchr::memmem::find(step.message.text().as_bytes(), word.as_bytes()).is_some()
    });
    view.named.borrow_mut().insert(word.to_owned(), named);
    named
}

/// Whether a command runs tests.
pub(super) fn runs_tests(command: &Command) -> bool {
    let second = command.operands().next().map_or("", |word| &word.text);
    match command.name() {
        "pytest" | "py.test" | "tox" | "nosetests" | "nox" | "ctest" | "rspec" | "jest" | "mocha"
        | "vitest" | "phpunit" | "unittest" | "runtests.py" => true,
        "npm" | "yarn" | "pnpm" | "cargo" | "go" | "mvn" | "gradle" | "gradlew" | "make" | "dotnet"
        | "bazel" | "mix" | "swift" | "bundle" | "npx" => {
            second == "test" || second == "check" || second.starts_with("test:") || runs_tests_word(second)
        }
        "python" | "python3" => {
            let after = command.arguments().iter().skip_while(|word| word.text != "-m").nth(1);
            after.is_some_and(|word| runs_tests_word(&word.text))
                || command.operands().any(|word| word.text.ends_with("runtests.py"))
                || (command.operands().any(|word| word.text.ends_with("manage.py")) && command.has("test"))
        }
        _ => false,
    }
}

fn runs_tests_word(word: &str) -> bool {
    matches!(word, "pytest" | "unittest" | "nose" | "tox" | "jest" | "vitest" | "rspec" | "mocha")
}

/// Whether a command runs only if one before it went well.
pub(super) fn depends(command: &Command) -> bool {
    command.nested || matches!(command.link, Link::And | Link::Pipe)
}

/// The range of a command in the message.
pub(super) fn span_of(given: Given, command: &Command) -> Option<Span> {
    let base = given.start?;
    let start = command.words.first().or(command.writes.first())?.start;
    let end = command.words.last().or(command.writes.last())?.end;
    Some(Span::new(base + start, base + end.max(start)))
}

/// A command as it was written.
pub(super) fn text_of<'a>(given: Given<'a>, command: &Command) -> &'a str {
    let start = command.words.first().or(command.writes.first()).map_or(0, |word| word.start);
    let end = command.words.last().or(command.writes.last()).map_or(0, |word| word.end);
    given.text.get(start..end).unwrap_or("")
}

/// Tells a deed: the same in both readings, as it is not about format.
pub(super) fn tell(
    message: &Message,
    span: Option<Span>,
    severity: Severity,
    text: String,
    found: &mut Found,
) {
    let at = match span {
        // Which of several native calls did it is not told.
        None if message.native_calls().len() < 2 => super::turns::beginning(message),
        None => At::message(message, super::turns::opening(message)),
        span => At::message(message, span),
    };
    found.add(at, Weight::both(severity), text);
}
