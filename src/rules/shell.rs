//! Shell scripts as far as conduct rules need them: simple commands, their words, and where they stand.
//!
//! What is quoted is one word, what a here-document holds is no command, `bash -c` and `$(…)` are looked into.
//! Invariant: linear time, and no script is an error: what is not understood becomes a word.

use std::borrow::Cow;

/// A word, quotes taken off.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word<'a> {
    pub(super) text: Cow<'a, str>,
    /// Where it stands in the script, quotes included.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What joins a command to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// Runs whatever happened before.
    Always,
    /// Runs if the one before it went well.
    And,
    /// Runs if the one before it failed.
    Or,
    /// Reads what the one before it prints.
    Pipe,
}

/// A simple command.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command<'a> {
    /// Its words; assignments before it and what only starts it (`sudo`, `timeout 10`, `then`) are left out.
    pub(super) words: Vec<Word<'a>>,
    /// Targets of `>` and `>>`.
    pub(super) writes: Vec<Word<'a>>,
    pub(super) link: Link,
    /// Whether it stands in an `if`, a loop or a `case`.
    pub(super) nested: bool,
    /// The here-document that it reads, as a range of the script.
    pub(super) body: Option<(usize, usize)>,
}

impl Command<'_> {
    /// The name of the program, without its folder.
    pub(super) fn name(&self) -> &str {
        let word = self.words.first().map_or("", |word| &word.text);
        word.rsplit('/').next().unwrap_or(word)
    }

    /// The words behind the name.
    pub(super) fn arguments(&self) -> &[Word<'_>] {
        self.words.get(1..).unwrap_or(&[])
    }

    /// Arguments that are no options.
    pub(super) fn operands(&self) -> impl Iterator<Item = &Word<'_>> {
        self.arguments().iter().filter(|word| !word.text.starts_with('-') || word.text == "-")
    }

    /// Whether an argument is `option`.
    pub(super) fn has(&self, option: &str) -> bool {
        self.arguments().iter().any(|word| word.text == option)
    }
}

/// Scripts inside scripts are looked into this deep.
const DEPTH: usize = 4;
/// More commands than this are not told of one script.
const MOST: usize = 2000;

/// The commands of a script, in order; those of `bash -c` and of `$(…)` follow the one that holds them.
pub(super) fn commands(script: &str) -> Vec<Command<'_>> {
    let mut out = Vec::new();
    parse(script, 0, script.len(), 0, &mut out);
    out
}

fn parse<'a>(script: &'a str, start: usize, end: usize, depth: usize, out: &mut Vec<Command<'a>>) {
    if depth >= DEPTH {
        return;
    }
    let mut scanner = Scanner {
        script,
        bytes: &script.as_bytes()[..end],
        at: start,
        depth,
        out,
        words: Vec::new(),
        writes: Vec::new(),
        link: Link::Always,
        open: 0,
        inner: Vec::new(),
        heredocs: Vec::new(),
        target: Target::None,
    };
    scanner.run();
}

/// What the next word is.
#[derive(Clone, Copy, PartialEq)]
enum Target {
    None,
    Write,
    Drop,
    Heredoc,
}

struct Scanner<'a, 'o> {
    script: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    out: &'o mut Vec<Command<'a>>,
    words: Vec<Word<'a>>,
    writes: Vec<Word<'a>>,
    link: Link,
    /// Open `if`, loops and `case`.
    open: usize,
    /// Ranges of `$(…)` in the command.
    inner: Vec<(usize, usize)>,
    /// Ends of here-documents that begin with the next line, each with its command.
    heredocs: Vec<(String, usize)>,
    target: Target,
}

impl<'a> Scanner<'a, '_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(&mut self) {
        while self.at < self.bytes.len() && self.out.len() < MOST {
            match self.peek(0) {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.peek(1) == b'\n' => self.at += 2,
                b'#' => self.at += self.bytes[self.at..].iter().take_while(|byte| **byte != b'\n').count(),
                b'\n' => {
                    self.finish(Link::Always, 1);
                    self.bodies();
                }
                b'&' if self.peek(1) == b'&' => self.finish(Link::And, 2),
                b'&' if self.peek(1) == b'>' => self.redirect(1),
                b'|' if self.peek(1) == b'|' => self.finish(Link::Or, 2),
                b'|' => self.finish(Link::Pipe, 1 + usize::from(self.peek(1) == b'&')),
                b';' | b'&' | b'(' | b')' => self.finish(Link::Always, 1),
                b'>' | b'<' => self.redirect(0),
                _ => self.word(),
            }
        }
        self.finish(Link::Always, 0);
    }

    fn redirect(&mut self, skip: usize) {
        self.at += skip;
        let rest = &self.bytes[self.at..];
        let (len, target) = if rest.starts_with(b"<<<") {
            (3, Target::Drop)
        } else if rest.starts_with(b"<<") {
            (2 + usize::from(rest.get(2) == Some(&b'-')), Target::Heredoc)
        } else if rest.starts_with(b"<") || rest.starts_with(b">&") {
            (1 + usize::from(rest.starts_with(b">&")), Target::Drop)
        } else {
            (1 + usize::from(matches!(rest.get(1), Some(b'>' | b'|'))), Target::Write)
        };
        self.at += len;
        self.target = target;
        // The number of a stream, as in `2>`, is no word of the command.
        if self.words.last().is_some_and(|word| {
            word.end + len + skip == self.at && word.text.bytes().all(|byte| byte.is_ascii_digit())
        }) {
            self.words.pop();
        }
    }

    fn word(&mut self) {
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut plain = start;
        while self.at < self.bytes.len() {
            let (from, to, next) = match self.peek(0) {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b')' => break,
                b'(' if self.at > start && self.bytes[self.at - 1] != b'$' => break,
                b'\'' => {
                    let to = self.find(self.at + 1, b'\'');
                    (self.at + 1, to, to + 1)
                }
                b'"' => {
                    let to = self.closing_quote(self.at + 1);
                    self.substitutions(self.at + 1, to);
                    (self.at + 1, to, to + 1)
                }
                b'\\' => {
                    let wide = slice(self.script, self.at + 1, self.script.len()).chars().next();
                    let to = self.at + 1 + wide.map_or(1, char::len_utf8);
                    (self.at + 1, to, to)
                }
                b'$' if self.peek(1) == b'(' => {
                    let to = self.closing_paren(self.at + 2, self.bytes.len());
                    self.inner.push((self.at + 2, to));
                    self.at = (to + 1).min(self.bytes.len());
                    continue;
                }
                b'`' => {
                    let to = self.find(self.at + 1, b'`');
                    self.inner.push((self.at + 1, to));
                    self.at = (to + 1).min(self.bytes.len());
                    continue;
                }
                _ => {
                    self.at += 1;
                    continue;
                }
            };
            let end = self.bytes.len();
            let text = owned.get_or_insert_with(String::new);
            text.push_str(slice(self.script, plain, self.at));
            text.push_str(slice(self.script, from.min(end), to.min(end)));
            self.at = next.min(end);
            plain = self.at;
        }
        if self.at == start {
            // A byte that begins no word is passed over, so that the scan goes on.
            self.at += 1;
            return;
        }
        let text = match owned {
            Some(mut text) => {
                text.push_str(slice(self.script, plain, self.at));
                Cow::Owned(text)
            }
            None => Cow::Borrowed(slice(self.script, start, self.at)),
        };
        let word = Word { text, start, end: self.at };
        match std::mem::replace(&mut self.target, Target::None) {
            Target::None => self.words.push(word),
            Target::Write => self.writes.push(word),
            Target::Drop => {}
            Target::Heredoc => self.heredocs.push((word.text.into_owned(), self.out.len())),
        }
    }

    fn find(&self, from: usize, byte: u8) -> usize {
        let rest = self.bytes.get(from..).unwrap_or(&[]);
        memchr::memchr(byte, rest).map_or(self.bytes.len(), |at| from + at)
    }

    fn closing_quote(&self, mut at: usize) -> usize {
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'"' => return at,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.bytes.len()
    }

    fn closing_paren(&self, mut at: usize, limit: usize) -> usize {
        let mut open = 1;
        while let Some(byte) = self.bytes[..limit].get(at) {
            match byte {
                b'(' => open += 1,
                b')' => open -= 1,
                b'\\' => at += 1,
                b'\'' => {
                    let rest = self.bytes.get(at + 1..limit).unwrap_or(&[]);
                    at = memchr::memchr(b'\'', rest).map_or(limit, |len| at + 1 + len);
                }
                _ => {}
            }
            if open == 0 {
                return at;
            }
            at += 1;
        }
        limit
    }

    /// `$(…)` inside double quotes.
    fn substitutions(&mut self, from: usize, to: usize) {
        let mut at = from;
        while let Some(found) = memchr::memmem::find(&self.bytes[at.min(to)..to], b"$(") {
            let start = at + found + 2;
            let end = self.closing_paren(start, to);
            self.inner.push((start, end));
            at = end.max(start);
        }
    }

    /// Ends the command; `link` joins the next one to it.
    fn finish(&mut self, link: Link, skip: usize) {
        self.at += skip;
        self.target = Target::None;
        let before = std::mem::replace(&mut self.link, link);
        let mut words = std::mem::take(&mut self.words);
        let writes = std::mem::take(&mut self.writes);
        let mut nested = self.open > 0;
        self.strip(&mut words, &mut nested);
        let inner = std::mem::take(&mut self.inner);
        if words.is_empty() && writes.is_empty() {
            // Nothing stands between two separators: the first of them joins, unless it only ended a line.
            if before != Link::Always && link == Link::Always {
                self.link = before;
            }
        } else {
            let script = shell_script(&words);
            self.out.push(Command { words, writes, link: before, nested, body: None });
            if let Some((text, offset)) = script {
                self.within(&text, offset);
            }
        }
        for (start, end) in inner {
            parse(self.script, start, end, self.depth + 1, self.out);
        }
    }

    /// The commands of a script that is a word: their places are those of the word.
    fn within(&mut self, text: &str, offset: (usize, usize)) {
        let start = (offset.0 + 1).min(offset.1);
        let end = offset.1.saturating_sub(1).max(start);
        // A quoted word without escapes is a part of the script and can be read in its place.
        if slice(self.script, start, end) == text {
            parse(self.script, start, end, self.depth + 1, self.out);
        }
    }

    /// Takes away what only starts a command, and keeps count of what is open.
    fn strip(&mut self, words: &mut Vec<Word<'a>>, nested: &mut bool) {
        let mut at = 0;
        let mut wrapper = "";
        while let Some(word) = words.get(at) {
            let text: &str = &word.text;
            match text {
                "if" | "while" | "until" | "for" | "case" => {
                    self.open += 1;
                    *nested = true;
                    if matches!(text, "for" | "case") {
                        at = words.len();
                        break;
                    }
                }
                "then" | "do" | "else" | "elif" => *nested = true,
                "fi" | "done" | "esac" => self.open = self.open.saturating_sub(1),
                "!" | "{" | "}" | "sudo" | "env" | "time" | "nohup" | "exec" | "command" | "builtin"
                | "timeout" | "nice" | "stdbuf" | "xargs" => {
                    wrapper = match text {
                        "timeout" => "timeout",
                        "xargs" => "xargs",
                        "sudo" | "env" | "nice" | "stdbuf" => "options",
                        _ => "",
                    };
                }
                _ if is_assignment(text) => {}
                _ if !wrapper.is_empty() && text.starts_with('-') => {}
                _ if wrapper == "timeout" && text.starts_with(|c: char| c.is_ascii_digit()) => {}
                _ => break,
            }
            at += 1;
        }
        words.drain(..at);
    }

    /// Passes over the here-documents that begin here.
    fn bodies(&mut self) {
        for (end, command) in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let mut close = self.bytes.len();
            let mut next = self.bytes.len();
            let mut line = start;
            while line < self.bytes.len() {
                let stop = self.find(line, b'\n');
                if slice(self.script, line, stop).trim() == end {
                    (close, next) = (line, (stop + 1).min(self.bytes.len()));
                    break;
                }
                line = stop + 1;
            }
            if let Some(command) = self.out.get_mut(command) {
                command.body = Some((start, close));
            }
            self.at = next;
        }
    }
}

/// The script of `bash -c SCRIPT`, and the range of its word.
fn shell_script(words: &[Word<'_>]) -> Option<(String, (usize, usize))> {
    let name = words.first()?.text.rsplit('/').next()?;
    let at = words.iter().position(|word| matches!(&*word.text, "-c" | "-lc" | "-ec" | "-exc"))?;
    let script = words.get(at + 1).filter(|_| matches!(name, "bash" | "sh" | "zsh" | "dash"))?;
    Some((script.text.clone().into_owned(), (script.start, script.end)))
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// A part of the text; nothing where it would cut a character.
fn slice(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(script: &str) -> Vec<String> {
        let show = |command: &Command<'_>| {
            let words: Vec<&str> = command.words.iter().map(|word| &*word.text).collect();
            let writes: Vec<&str> = command.writes.iter().map(|word| &*word.text).collect();
            let body = command.body.map(|(start, end)| format!(" <<{}", script[start..end].escape_debug()));
            let link = match command.link {
                Link::Always => ";",
                Link::And => "&",
                Link::Or => "|",
                Link::Pipe => "p",
            };
            let nested = if command.nested { "+" } else { "" };
            let target = if writes.is_empty() { String::new() } else { format!(" >{}", writes.join(",")) };
            format!("{link}{nested} {}{target}{}", words.join("·"), body.unwrap_or_default())
        };
        commands(script).iter().map(show).collect()
    }

    #[test]
    fn commands_are_told_apart() {
        for (script, wanted) in [
            ("cd /x && git log --all", vec!["; cd·/x", "& git·log·--all"]),
            ("a | b || c; d & e\nf", vec!["; a", "p b", "| c", "; d", "; e", "; f"]),
            ("echo 'a b' \"c;d\" e\\ f > out 2>&1", vec!["; echo·a b·c;d·e f >out"]),
            ("A=1 sudo -E timeout -k 5 10s git show", vec!["; git·show"]),
            ("cat <<'EOF' > x.py\nrm -rf /\nEOF\nls", vec!["; cat >x.py <<rm -rf /\\n", "; ls"]),
            ("bash -c 'git log && ls'", vec!["; bash·-c·git log && ls", "; git·log", "& ls"]),
            ("x=$(git rev-parse HEAD)", vec!["; git·rev-parse·HEAD"]),
            ("echo \"$(git reflog)\"", vec!["; echo·$(git reflog)", "; git·reflog"]),
            ("if make; then\n  echo ok\nfi\nls", vec![";+ make", ";+ echo·ok", "; ls"]),
            ("a &&\nb # c && d", vec!["; a", "& b"]),
            ("(cd x; ls) &> log", vec!["; cd·x", "; ls", ";  >log"]),
            ("echo 'open", vec!["; echo·open"]),
            ("cat <<EOF\nno end", vec!["; cat <<no end"]),
        ] {
            assert_eq!(shown(script), wanted, "{script}");
        }
    }

    #[test]
    fn words_stand_where_they_say() {
        let script = "cd /x && bash -c \"git  log\" é > 'o ut'";
        for command in commands(script) {
            for word in command.words.iter().chain(&command.writes) {
                let raw = &script[word.start..word.end];
                assert!(raw.contains(word.text.as_ref()) || raw.contains('\\'), "{raw} {}", word.text);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_script_is_too_strange(parts in proptest::collection::vec(0usize..20, 0..40)) {
            let pool = ["'", "\"", "$(", ")", "`", "\\", "\n", " ", "<<E", "E", ">", "&&", "|", ";", "#", "é", "if ", "fi", "bash -c ", "a"];
            let script: String = parts.iter().map(|part| pool[*part]).collect();
            for command in commands(&script) {
                for word in command.words.iter().chain(&command.writes) {
                    proptest::prop_assert!(word.start < word.end && word.end <= script.len());
                }
            }
        }
    }
}
