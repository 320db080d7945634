//! Planned failures of an `llm` service: what a suite writes in `fault`, and when each takes place.

use crate::util::suggest::nearest;

/// Statuses that a fault can have.
const STATUSES: &[u16] = &[400, 401, 402, 422, 429, 500, 502, 503];
/// Faults of the network, and bodies that are no answer.
const WORDS: &[(&str, Kind)] = &[
    ("reset", Kind::Reset),
    ("hang", Kind::Hang),
    ("cut", Kind::Cut),
    ("html", Kind::Html),
    ("empty", Kind::Empty),
    ("garbage", Kind::Garbage),
];
const PATHS: &[(&str, Option<Route>)] = &[
    ("chat", Some(Route::Chat)),
    ("fim", Some(Route::Fim)),
    ("models", Some(Route::Models)),
    ("balance", Some(Route::Balance)),
    ("all", None),
];
const COUNTS: &[(&str, Option<u32>)] = &[("once", Some(1)), ("twice", Some(2)), ("always", None)];
pub(super) const HINT: &str =
    "write FAULT[-COUNT][@PATH], for example '429-once', '500-3', 'reset-once' or '402@balance'";

/// What a path of the server is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// `/chat/completions`
    Chat,
    /// `/beta/completions`
    Fim,
    /// `/models`
    Models,
    /// `/user/balance`
    Balance,
}

/// What happens instead of a good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An error with this status.
    Status(u16),
    /// The connection is reset before a byte of the answer.
    Reset,
    /// Not a byte comes.
    Hang,
    /// The connection ends in the middle of the answer.
    Cut,
    /// A page for people with status 200, as some proxies send it.
    Html,
    /// Status 200 and no body.
    Empty,
    /// Status 200 and a body, or events, that are no JSON.
    Garbage,
}

impl Kind {
    /// The word of the option; `None` for a status, which tells itself.
    pub(super) fn word(self) -> Option<&'static str> {
        WORDS.iter().find(|(_, kind)| *kind == self).map(|(word, _)| *word)
    }
}

/// A planned failure: takes the place of the first `left` answers that would have been good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// `None`: always.
    pub(super) left: Option<u32>,
    /// `None`: on every path.
    pub(super) route: Option<Route>,
}

impl Fault {
    /// `FAULT[-COUNT][@PATH]`; the path is that of chats where none is named.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: String| format!("the fault '{text}' {what}; {HINT}");
        let (head, path) = match text.split_once('@') {
            Some((head, path)) => (head, path),
            None => (text, "chat"),
        };
        let (word, count) = match head.split_once('-') {
            Some((word, count)) => (word, count),
            None => (head, "always"),
        };
        let kind = kind(word).map_err(wrong)?;
        let left = match COUNTS.iter().find(|(word, _)| *word == count) {
            Some((_, left)) => *left,
            None => Some(count.parse::<u32>().ok().filter(|count| *count > 0).ok_or_else(|| {
                wrong(format!("has the count '{count}', not once, twice, always or a number"))
            })?),
        };
        let route =
            PATHS.iter().find(|(name, _)| *name == path).map(|(_, route)| *route).ok_or_else(|| {
                wrong(format!("has the path '{path}', not chat, fim, models, balance or all"))
            })?;
        Ok(Self { kind, left, route })
    }
}

/// A regular expression of all that can be written.
pub(crate) fn pattern() -> String {
    let statuses = STATUSES.iter().map(u16::to_string);
    let words: Vec<String> = statuses.chain(WORDS.iter().map(|(word, _)| (*word).to_owned())).collect();
    let paths: Vec<&str> = PATHS.iter().map(|(path, _)| *path).collect();
    let counts: Vec<&str> = COUNTS.iter().map(|(word, _)| *word).collect();
    let (words, counts, paths) = (words.join("|"), counts.join("|"), paths.join("|"));
    format!("^({words})(-({counts}|0*[1-9][0-9]*))?(@({paths}))?$")
}

fn kind(word: &str) -> Result<Kind, String> {
    if let Some((_, kind)) = WORDS.iter().find(|(name, _)| *name == word) {
        return Ok(*kind);
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        let status = word.parse::<u16>().ok().filter(|status| STATUSES.contains(status));
        let known: Vec<String> = STATUSES.iter().map(u16::to_string).collect();
        return status.map(Kind::Status).ok_or_else(|| format!("has no status of {}", known.join(", ")));
    }
    let words: Vec<&str> = WORDS.iter().map(|(name, _)| *name).collect();
    Err(match nearest(word, words.iter().copied()) {
        Some(near) => format!("is unknown, '{near}' is near"),
        None => format!("is neither a status nor one of {}", words.join(", ")),
    })
}
