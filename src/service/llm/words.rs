//! What the server says in words: a polite echo with the nonce, and what it remembers of the talk.
//!
//! Rules, all of them plain: the last message is repeated, cut at 200 characters; from the second turn on the turns are
//! counted; a word that an earlier user message asked to remember is said again in every later answer; results
//! of tools are repeated by the name of their tool.

use super::messages::{Message, Role};
use crate::service::Secrets;

/// Characters of a message that are repeated.
const HEARD: usize = 200;
/// Words that are remembered.
const MEMORY: usize = 8;
/// Words that stand between "remember" and what is to be remembered.
const FILLERS: &[&str] = &[
    "a",
    "an",
    "the",
    "this",
    "that",
    "these",
    "my",
    "me",
    "our",
    "for",
    "please",
    "it",
    "is",
    "word",
    "words",
    "name",
    "code",
    "number",
    "secret",
    "following",
];

/// The text of an answer, without and with the sentence that carries the nonce.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) code: String,
}

impl Said {
    pub(super) fn whole(&self) -> String {
        format!("{} {}", self.text, self.code)
    }
}

/// A key in the prompt is not echoed.
pub(super) fn heard(text: &str, secrets: &Secrets) -> String {
    let heard: String = text.replace(&secrets.key, "<key>").chars().take(HEARD).collect();
    heard.trim().to_owned()
}

/// The answer to a talk.
pub(super) fn say(messages: &[Message], secrets: &Secrets) -> Said {
    let results = results(messages);
    let mut text = if results.is_empty() {
        let last = messages.last().map_or("", |message| message.text.as_str());
        format!("Hello! You wrote: \"{}\".", heard(last, secrets))
    } else {
        let told: Vec<String> = results
            .iter()
            .map(|(name, result)| format!("The tool {name} says: \"{}\".", heard(result, secrets)))
            .collect();
        told.join(" ")
    };
    let turns = |role: Role| messages.iter().filter(|message| message.role == role).count();
    let (wrote, answered) = (turns(Role::User), turns(Role::Assistant));
    if wrote > 1 {
        text.push_str(&format!(" So far you wrote {wrote} messages, and I wrote {answered}."));
    }
    let kept = remembered(messages);
    if !kept.is_empty() {
        let kept: Vec<String> = kept.iter().map(|word| format!("\"{}\"", heard(word, secrets))).collect();
        text.push_str(&format!(" You asked me to remember {}.", kept.join(", ")));
    }
    Said { text, code: format!("My code for this answer is {}.", secrets.nonce) }
}

/// Results of tools at the end of the talk, with the names of their tools.
pub(super) fn results(messages: &[Message]) -> Vec<(&str, &str)> {
    let Some(at) = messages.iter().rposition(|message| message.role != Role::Tool) else {
        return Vec::new();
    };
    messages[at + 1..]
        .iter()
        .map(|message| {
            let call = messages[at].calls.iter().find(|(id, _)| Some(id) == message.call_id.as_ref());
            (call.map_or("", |(_, name)| name.as_str()), message.text.as_str())
        })
        .collect()
}

/// Words that user messages before the last one asked to remember.
pub(super) fn remembered(messages: &[Message]) -> Vec<String> {
    let users: Vec<&Message> = messages.iter().filter(|message| message.role == Role::User).collect();
    let Some((_, earlier)) = users.split_last() else { return Vec::new() };
    earlier.iter().filter_map(|message| wish(&message.text)).take(MEMORY).collect()
}

/// What stands after "remember": text in quotes, what follows a colon or "is", else the first word of weight.
fn wish(text: &str) -> Option<String> {
    let at = text.to_ascii_lowercase().find("remember")?;
    let rest = text[at + "remember".len()..].replace('\n', " ");
    if let Some(open) = rest.find(['"', '\u{201c}', '`']) {
        let quoted = rest[open..].chars().skip(1);
        let inside: String = quoted.take_while(|c| !['"', '\u{201d}', '`'].contains(c)).collect();
        if !inside.trim().is_empty() {
            return Some(inside.trim().to_owned());
        }
    }
    let sentence = rest.split(['.', '!', '?', ';']).next().unwrap_or_default();
    let after = [": ", " is "].iter().filter_map(|mark| sentence.find(mark).map(|at| at + mark.len())).min();
    let words = sentence[after.unwrap_or(0)..].split_whitespace().map(bare);
    let weighty = |word: &&str| !word.is_empty() && !FILLERS.contains(&word.to_ascii_lowercase().as_str());
    words.into_iter().find(weighty).map(str::to_owned)
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_remembered_is_found() {
        for (text, word) in [
            ("Please remember the word violet.", Some("violet")),
            ("Remember this: 7421", Some("7421")),
            ("remember \"two words\", will you", Some("two words")),
            ("I want you to remember that my favourite colour is teal!", Some("teal")),
            ("Remember this word for me: Zephyr", Some("Zephyr")),
            ("REMEMBER Grüße", Some("Grüße")),
            ("Do you remember?", None),
            ("nothing to see", None),
            ("remember", None),
        ] {
            assert_eq!(wish(text).as_deref(), word, "{text}");
        }
    }
}
