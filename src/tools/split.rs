//! How many statements a command holds: only one is run at a time.
//!
//! Only newlines divide; `a; b`, `a && b`, a loop over lines or a here-document are one statement. What
//! is not closed or not shell counts as one statement, and bash says what is wrong with it. One pass over
//! the text, without recursion: time and memory grow with its length, however it is nested.

/// What is open. Inside of anything a newline divides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `( … )`, `$( … )`, `<( … )`: commands.
    Commands,
    /// `name=( … )`: words.
    Words,
    /// `(( … ))`, `$(( … ))`, `@( … )`: only brackets and quotes count. Brackets still open.
    Raw(usize),
    /// `{ … }`.
    Group,
    /// `if … fi`.
    If,
    /// `for`, `while`, `until`, `select … done`.
    Loop,
    /// `case`, before `in`: whether the word was seen.
    Subject(bool),
    /// `case`, in a list of patterns: whether it has begun.
    Pattern(bool),
    /// `case`, in the commands after a `)`.
    Branch,
    /// `[[ … ]]`.
    Test,
    /// `" … "`.
    Quoted,
    /// `${ … }`. Single quotes count in it, also between double quotes: so does bash 5 read it.
    Parameter,
}

/// Something open, and what goes on after its end.
#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: Kind,
    /// Start of the word that it is a part of.
    word: Option<usize>,
    /// Whether that word stands where a command begins.
    command: bool,
}

/// A here-document whose body has not come yet.
#[derive(Debug)]
struct Here {
    end: Vec<u8>,
    tabs: bool,
    quoted: bool,
}

/// The text is not shell, or not whole.
struct Unclear;

type Step = Result<(), Unclear>;

/// The statements of `command`, comments and blank lines left out. Empty for an empty command.
pub(super) fn statements(command: &str) -> Vec<String> {
    let command = command.trim();
    if command.is_empty() {
        return Vec::new();
    }
    let whole = || vec![command.to_owned()];
    if !command.contains('\n') {
        return whole();
    }
    let mut scan = Scan::new(command.as_bytes());
    match scan.run() {
        // All comments: bash does nothing, and says so.
        Ok(()) if scan.parts.len() < 2 => whole(),
        Ok(()) => {
            scan.parts.iter().filter_map(|(from, to)| command.get(*from..*to).map(str::to_owned)).collect()
        }
        Err(Unclear) => whole(),
    }
}

/// Whether everything that is opened in `command` is closed, as far as this module understands shell.
pub(super) fn whole(command: &str) -> bool {
    Scan::new(command.as_bytes()).run().is_ok()
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    open: Vec<Frame>,
    heres: Vec<Here>,
    /// Start of the word that is being read.
    word: Option<usize>,
    /// Whether a part of that word is quoted or expanded.
    plain: bool,
    /// Whether a keyword would be one here.
    command: bool,
    /// Whether the next word is the name after `for` or `function`.
    name: Option<bool>,
    /// Whether the statement goes on after a newline: after `&&`, `|`, `f()`.
    continued: bool,
    /// The statement so far.
    start: Option<usize>,
    end: usize,
    parts: Vec<(usize, usize)>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            open: Vec::new(),
            heres: Vec::new(),
            word: None,
            plain: true,
            command: true,
            name: None,
            continued: false,
            start: None,
            end: 0,
            parts: Vec::new(),
        }
    }

    fn run(&mut self) -> Step {
        while self.at < self.text.len() {
            match self.top() {
                Some(Kind::Quoted | Kind::Parameter | Kind::Raw(_)) => self.inner()?,
                _ => self.outer()?,
            }
        }
        self.end_word()?;
        if !self.open.is_empty() {
            return Err(Unclear);
        }
        self.end_statement();
        Ok(())
    }

    fn top(&self) -> Option<Kind> {
        self.open.last().map(|frame| frame.kind)
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Takes bytes that belong to the statement.
    fn take(&mut self, count: usize) {
        self.start.get_or_insert(self.at);
        self.at = (self.at + count).min(self.text.len());
        self.end = self.at;
    }

    fn push(&mut self, kind: Kind, count: usize) {
        self.open.push(Frame { kind, word: self.word.take(), command: self.command });
        self.plain = true;
        self.command = !matches!(kind, Kind::Words | Kind::Subject(_));
        self.take(count);
    }

    fn pop(&mut self, count: usize) {
        self.take(count);
        if let Some(frame) = self.open.pop() {
            self.word = frame.word;
            self.plain = frame.word.is_none();
            // After a whole compound command `then`, `do`, `}` and their like may follow at once.
            self.command = frame.word.is_none() || frame.command;
        }
        self.continued = false;
    }

    /// Text up to and with `close`, in which nothing but (sometimes) a backslash counts.
    fn skip_to(&mut self, close: u8, escapes: bool) -> Step {
        while self.at < self.text.len() {
            let byte = self.peek(0);
            self.take(if escapes && byte == b'\\' { 2 } else { 1 });
            if byte == close {
                return Ok(());
            }
        }
        Err(Unclear)
    }

    /// In quotes, `${…}` and arithmetic.
    fn inner(&mut self) -> Step {
        let Some(kind) = self.top() else { return Err(Unclear) };
        let in_quotes = kind == Kind::Quoted;
        match (self.peek(0), kind) {
            (b'"', Kind::Quoted) | (b'}', Kind::Parameter) | (b')', Kind::Raw(1)) => self.pop(1),
            (b'(' | b')', Kind::Raw(count)) => {
                let count = if self.peek(0) == b'(' { count + 1 } else { count - 1 };
                if let Some(frame) = self.open.last_mut() {
                    frame.kind = Kind::Raw(count);
                }
                self.take(1);
            }
            _ if self.expansion(in_quotes)? => {}
            _ => self.take(1),
        }
        Ok(())
    }

    /// Quotes and expansions, which look the same everywhere. Whether there was one.
    fn expansion(&mut self, in_quotes: bool) -> Result<bool, Unclear> {
        match (self.peek(0), self.peek(1)) {
            (b'\\', _) => self.take(2),
            (b'"', _) => self.push(Kind::Quoted, 1),
            (b'\'', _) if !in_quotes => {
                self.take(1);
                self.skip_to(b'\'', false)?;
            }
            (b'`', _) => {
                self.take(1);
                self.skip_to(b'`', true)?;
            }
            (b'$', b'\'') if !in_quotes => {
                self.take(2);
                self.skip_to(b'\'', true)?;
            }
            (b'$', b'(') if self.peek(2) == b'(' => self.push(Kind::Raw(2), 3),
            (b'$', b'(') => self.push(Kind::Commands, 2),
            (b'$', b'{') => self.push(Kind::Parameter, 2),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Where commands and words stand.
    fn outer(&mut self) -> Step {
        let byte = self.peek(0);
        match byte {
            b'\\' if self.peek(1) == b'\n' => self.at += 2,
            b' ' | b'\t' => {
                self.end_word()?;
                self.at += 1;
            }
            b'\n' => self.newline()?,
            b'#' if self.word.is_none() => {
                let rest = &self.text[self.at..];
                self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            }
            b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => self.operator(byte)?,
            _ => {
                if self.word.is_none() {
                    self.word = Some(self.at);
                    self.plain = true;
                }
                if self.expansion(false)? {
                    self.plain = false;
                } else {
                    self.take(1);
                }
            }
        }
        Ok(())
    }

    fn newline(&mut self) -> Step {
        self.end_word()?;
        self.at += 1;
        let bodies = !self.heres.is_empty();
        for here in std::mem::take(&mut self.heres) {
            self.body(&here);
        }
        if bodies {
            // Without its last newline.
            self.end = if self.text.get(self.at - 1) == Some(&b'\n') { self.at - 1 } else { self.at };
        }
        if self.open.is_empty() && !self.continued {
            self.end_statement();
        }
        self.command = true;
        Ok(())
    }

    fn end_statement(&mut self) {
        if let Some(start) = self.start.take() {
            self.parts.push((start, self.end));
        }
        self.name = None;
    }

    /// Skips the body of a here-document and its last line.
    fn body(&mut self, here: &Here) {
        let mut joined = false;
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let mut line = &rest[..length];
            self.at = (self.at + length + 1).min(self.text.len());
            if here.tabs {
                let tabs = line.iter().take_while(|byte| **byte == b'\t').count();
                line = &line[tabs..];
            }
            if !joined && line == here.end {
                return;
            }
            // Without quotes a backslash joins the next line to this one.
            joined = !here.quoted && line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
        }
    }

    fn operator(&mut self, byte: u8) -> Step {
        if self.top() == Some(Kind::Test) {
            self.end_word()?;
            self.take(1);
            return Ok(());
        }
        match byte {
            b'(' => return self.bracket(),
            b'<' | b'>' => return self.redirection(byte),
            b'&' if self.peek(1) == b'>' => {
                self.end_word()?;
                self.take(2);
                return Ok(());
            }
            _ => self.end_word()?,
        }
        match (byte, self.top()) {
            (b')', Some(Kind::Commands | Kind::Words)) => {
                self.pop(1);
                return Ok(());
            }
            (b')', Some(Kind::Pattern(_))) => self.become_kind(Kind::Branch),
            (b')', _) => return Err(Unclear),
            (b';', Some(Kind::Branch)) if matches!(self.peek(1), b';' | b'&') => {
                self.take(usize::from(self.peek(1) == b';' && self.peek(2) == b'&') + 1);
                self.become_kind(Kind::Pattern(false));
            }
            (b'|', _) => self.continued = true,
            (b'&', _) if self.peek(1) == b'&' => self.continued = true,
            _ => {}
        }
        if matches!((byte, self.peek(1)), (b'|', b'|' | b'&') | (b'&', b'&')) {
            self.take(1);
        }
        self.take(1);
        self.command = true;
        Ok(())
    }

    fn become_kind(&mut self, kind: Kind) {
        if let Some(frame) = self.open.last_mut() {
            frame.kind = kind;
        }
    }

    fn redirection(&mut self, byte: u8) -> Step {
        self.end_word()?;
        if self.peek(1) == b'(' {
            self.word = Some(self.at);
            self.push(Kind::Commands, 2);
            return Ok(());
        }
        if byte == b'<' && self.peek(1) == b'<' && self.peek(2) != b'<' {
            let tabs = self.peek(2) == b'-';
            self.take(2 + usize::from(tabs));
            return self.here(tabs);
        }
        let more = match (byte, self.peek(1), self.peek(2)) {
            (b'<', b'<', _) => 3,
            (_, b'>' | b'&' | b'|', _) => 2,
            _ => 1,
        };
        self.take(more);
        Ok(())
    }

    /// The word after `<<`, its quotes removed.
    fn here(&mut self, tabs: bool) -> Step {
        while matches!(self.peek(0), b' ' | b'\t') {
            self.at += 1;
        }
        let (mut end, mut quoted) = (Vec::new(), false);
        let from = self.at;
        while self.at < self.text.len() {
            match self.peek(0) {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
                b'\\' => {
                    quoted = true;
                    end.push(self.peek(1));
                    self.take(2);
                }
                quote @ (b'\'' | b'"') => {
                    quoted = true;
                    self.take(1);
                    let from = self.at;
                    self.skip_to(quote, false)?;
                    end.extend_from_slice(&self.text[from..self.at - 1]);
                }
                byte => {
                    end.push(byte);
                    self.take(1);
                }
            }
        }
        if self.at == from {
            return Err(Unclear);
        }
        self.heres.push(Here { end, tabs, quoted });
        Ok(())
    }

    fn bracket(&mut self) -> Step {
        let before = self.word.and_then(|_| self.at.checked_sub(1)).map_or(0, |at| self.text[at]);
        let after = self.text[self.at + 1..].iter().position(|byte| !matches!(byte, b' ' | b'\t'));
        let empty = after.filter(|gap| self.text[self.at + 1 + gap] == b')');
        match (before, self.top()) {
            (_, Some(Kind::Pattern(_))) if self.word.is_none() => {
                self.become_kind(Kind::Pattern(true));
                self.take(1);
            }
            (b'=', _) => self.push(Kind::Words, 1),
            (b'?' | b'*' | b'+' | b'@' | b'!', _) => self.push(Kind::Raw(1), 1),
            _ if self.word.is_none() && (self.command || self.name.is_some()) => {
                let arithmetic = self.peek(1) == b'(';
                self.name = None;
                self.push(
                    if arithmetic { Kind::Raw(2) } else { Kind::Commands },
                    1 + usize::from(arithmetic),
                );
            }
            // A function: its body may begin on a later line.
            _ => {
                let Some(gap) = empty else { return Err(Unclear) };
                self.end_word()?;
                self.take(2 + gap);
                self.command = true;
                self.continued = true;
            }
        }
        Ok(())
    }

    /// A word has ended: was it a keyword?
    fn end_word(&mut self) -> Step {
        let Some(start) = self.word.take() else { return Ok(()) };
        let word: &[u8] = if self.plain { &self.text[start..self.at] } else { b"" };
        self.continued = false;
        let command = std::mem::replace(&mut self.command, false);
        if let Some(function) = self.name.take() {
            // The name itself. `in`, `do` or the body follow.
            self.command = true;
            self.continued = function;
            return Ok(());
        }
        match self.top() {
            Some(Kind::Test) => {
                if word == b"]]" {
                    self.pop(0);
                }
                Ok(())
            }
            Some(Kind::Words) => Ok(()),
            Some(Kind::Subject(seen)) => {
                self.become_kind(if seen && word == b"in" {
                    Kind::Pattern(false)
                } else {
                    Kind::Subject(true)
                });
                Ok(())
            }
            Some(Kind::Pattern(begun)) => {
                if !begun && word == b"esac" {
                    self.pop(0);
                } else {
                    self.become_kind(Kind::Pattern(true));
                }
                Ok(())
            }
            _ if command => self.keyword(word),
            _ => Ok(()),
        }
    }

    fn keyword(&mut self, word: &[u8]) -> Step {
        let top = self.top();
        let closed = |kind| if top == Some(kind) { Ok(()) } else { Err(Unclear) };
        match word {
            b"{" => self.push(Kind::Group, 0),
            b"if" => self.push(Kind::If, 0),
            b"while" | b"until" => self.push(Kind::Loop, 0),
            b"for" | b"select" => {
                self.push(Kind::Loop, 0);
                self.name = Some(false);
            }
            b"case" => self.push(Kind::Subject(false), 0),
            b"[[" => self.push(Kind::Test, 0),
            b"function" => self.name = Some(true),
            b"then" | b"elif" | b"else" => {
                closed(Kind::If)?;
                self.command = true;
            }
            b"do" => {
                closed(Kind::Loop)?;
                self.command = true;
            }
            b"}" | b"fi" | b"done" | b"esac" => {
                let kind = match word {
                    b"}" => Kind::Group,
                    b"fi" => Kind::If,
                    b"done" => Kind::Loop,
                    _ => Kind::Branch,
                };
                closed(kind)?;
                self.pop(0);
            }
            b"!" | b"time" | b"coproc" => self.command = true,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
