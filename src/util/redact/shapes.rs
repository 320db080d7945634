//! Shapes of keys: a keyword that is searched for, and a look at the bytes around it.
//!
//! Facts (prefixes, alphabets, lengths) are what the services document of their keys; the patterns are
//! our own. A shape looks no further than a fixed window, so that a text of nothing but keywords is
//! still read in linear time.

use super::known::ansi_len;
use crate::model::Span;

/// A shape.
pub(super) struct Shape {
    pub(super) kind: &'static str,
    /// Whether its values are random, so that a digest of one gives nothing away.
    pub(super) random: bool,
    /// Whether its keywords are found only as they are written: in another case of letters they are nothing.
    pub(super) exact: bool,
    /// The secret around a keyword at `start..end`, if it is one.
    pub(super) find: fn(&str, usize, usize) -> Option<Span>,
}

/// Keywords, each with the index of its shape.
pub(super) static KEYWORDS: &[(&str, usize)] = &[
    ("sk-", 0),
    ("gsk_", 1),
    ("xai-", 2),
    ("pplx-", 3),
    ("hf_", 4),
    ("AIza", 5),
    ("ghp_", 6),
    ("gho_", 6),
    ("ghu_", 6),
    ("ghs_", 6),
    ("ghr_", 6),
    ("github_pat_", 7),
    ("glpat-", 8),
    ("AKIA", 9),
    ("ASIA", 9),
    ("ABIA", 9),
    ("ACCA", 9),
    ("xox", 10),
    ("hooks.slack.com/", 11),
    ("npm_", 12),
    ("pypi-AgEIcHlwaS5vcmc", 13),
    ("sk_live_", 14),
    ("sk_test_", 14),
    ("rk_live_", 14),
    ("rk_test_", 14),
    ("eyJ", 15),
    ("PRIVATE KEY-----", 16),
    ("Authorization", 17),
    ("x-api-key", 18),
    ("Cookie", 19),
    ("://", 20),
    ("_KEY", 21),
    ("_TOKEN", 21),
    ("_SECRET", 21),
    ("_PASSWORD", 21),
    ("_PASSWD", 21),
    ("PASSWORD", 21),
    ("secret_access_key", 22),
    ("secretAccessKey", 22),
];

macro_rules! token {
    ($kind:literal, $class:expr, $min:literal, $max:literal) => {
        Shape {
            kind: $kind,
            random: true,
            exact: false,
            find: |text, start, end| token(text, start, end, $class, $min, $max),
        }
    };
}

/// Shapes in the order in which `KEYWORDS` refers to them.
pub(super) static SHAPES: &[Shape] = &[
    Shape { kind: "deepseek-key", random: true, exact: false, find: sk },
    token!("groq-key", alnum, 40, 80),
    token!("xai-key", alnum, 40, 120),
    token!("perplexity-key", alnum, 40, 64),
    token!("huggingface-token", alnum, 34, 40),
    token!("google-api-key", word, 35, 35),
    token!("github-token", alnum, 36, 255),
    token!("github-token", underscore, 82, 82),
    token!("gitlab-token", word, 20, 64),
    Shape { kind: "aws-access-key", random: true, exact: true, find: aws_id },
    Shape { kind: "slack-token", random: true, exact: false, find: slack },
    Shape { kind: "slack-webhook", random: true, exact: false, find: slack_hook },
    token!("npm-token", alnum, 36, 36),
    token!("pypi-token", word, 40, 400),
    token!("stripe-key", alnum, 16, 255),
    Shape { kind: "jwt", random: true, exact: true, find: jwt },
    Shape { kind: "private-key", random: true, exact: false, find: pem },
    Shape { kind: "authorization", random: false, exact: false, find: authorization },
    Shape { kind: "api-key-header", random: false, exact: false, find: header },
    Shape { kind: "cookie", random: false, exact: false, find: cookie },
    Shape { kind: "url-password", random: false, exact: false, find: url_password },
    Shape { kind: "env-value", random: false, exact: true, find: env_line },
    Shape { kind: "aws-secret-key", random: true, exact: false, find: aws_secret },
];

fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn underscore(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn hexadecimal(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// Whether a token may begin at `start`: not inside a word, unless the word's end is an escape.
fn begins(bytes: &[u8], start: usize) -> bool {
    let before = &bytes[..start];
    let Some(last) = before.last() else { return true };
    if !word(*last) && !matches!(last, b'+' | b'.') {
        return true;
    }
    let n = before.len();
    let escape = matches!(last, b'n' | b't' | b'r') && n >= 2 && before[n - 2] == b'\\';
    let percent =
        n >= 3 && before[n - 3] == b'%' && before[n - 2].is_ascii_hexdigit() && last.is_ascii_hexdigit();
    let unicode =
        n >= 6 && before[n - 6..].starts_with(b"\\u00") && before[n - 2..].iter().all(u8::is_ascii_hexdigit);
    let from = n.saturating_sub(16);
    let colour =
        (from..n).any(|at| at + ansi_len(&before[at..]) == n && at < n && ansi_len(&before[at..]) > 0);
    escape || percent || unicode || colour
}

/// The end of a run of `class` bytes from `at` and how many they are; escape sequences don't count.
fn run(bytes: &[u8], mut at: usize, class: fn(u8) -> bool, max: usize) -> (usize, usize) {
    let mut count = 0;
    let mut end = at;
    while let Some(byte) = bytes.get(at) {
        if class(*byte) {
            if count == max {
                return (end, count + 1);
            }
            count += 1;
            at += 1;
            end = at;
            continue;
        }
        let skip = ansi_len(&bytes[at..]);
        // Only inside a token; what colours its end is not part of it.
        if skip == 0 {
            break;
        }
        at += skip;
    }
    (end, count)
}

fn token(
    text: &str,
    start: usize,
    end: usize,
    class: fn(u8) -> bool,
    min: usize,
    max: usize,
) -> Option<Span> {
    let bytes = text.as_bytes();
    if !begins(bytes, start) {
        return None;
    }
    let (stop, count) = run(bytes, end, class, max);
    let secret = Span::new(start, stop);
    // A longer word is another thing, and so is an example.
    (count >= min && count <= max && !ends_in_word(bytes, stop) && !is_example(secret.text(text)))
        .then_some(secret)
}

fn ends_in_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Values that manuals use.
fn is_example(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let words = ["example", "your", "placeholder", "redacted", "changeme", "xxxxxx", "******", "......"];
    words.iter().any(|word| lower.contains(word))
}

/// Keys that begin with `sk-`: DeepSeek and others (32 hexadecimal digits), OpenAI, Anthropic, OpenRouter.
fn sk(text: &str, start: usize, end: usize) -> Option<Span> {
    if let Some(secret) = token(text, start, end, hexadecimal, 32, 32) {
        return Some(secret);
    }
    let secret = token(text, start, end, word, 24, 400)?;
    let value = plain(secret.text(text));
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let vendors = ["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-or-v1-", "sk-ant-"];
    // Class names have no digits in them.
    let vendor = vendors.iter().any(|prefix| value.starts_with(prefix)) && digits > 0;
    let mixed = digits >= 3 && !value[3..].contains(['-', '_']) && value.len() >= 35;
    (vendor || mixed || value.contains("T3BlbkFJ")).then_some(secret)
}

/// A token without the escape sequences in it.
fn plain(token: &str) -> String {
    let mut out = String::with_capacity(token.len());
    let mut at = 0;
    while let Some(byte) = token.as_bytes().get(at) {
        let skip = ansi_len(&token.as_bytes()[at..]);
        if skip == 0 {
            out.push(char::from(*byte));
        }
        at += skip.max(1);
    }
    out
}

fn aws_id(text: &str, start: usize, end: usize) -> Option<Span> {
    // The keyword is found in any case of letters, the key is written in capitals.
    if !text[start..end].bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let secret = token(text, start, end, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit(), 16, 16)?;
    secret.text(text).bytes().any(|byte| byte.is_ascii_digit()).then_some(secret)
}

fn aws_secret(text: &str, _: usize, end: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let start =
        skip(bytes, end, |byte| matches!(byte, b' ' | b'=' | b':' | b'"' | b'\'' | b'\\' | b'\t'), 12);
    let (stop, count) = run(bytes, start, |byte| alnum(byte) || matches!(byte, b'/' | b'+'), 40);
    let secret = Span::new(start, stop);
    (start > end && count == 40 && !is_example(secret.text(text))).then_some(secret)
}

fn slack(text: &str, start: usize, end: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let kind = bytes.get(end).is_some_and(|byte| b"abeprs".contains(byte));
    if !kind || bytes.get(end + 1) != Some(&b'-') {
        return None;
    }
    token(text, start, end + 2, |byte| alnum(byte) || byte == b'-', 10, 255)
}

fn slack_hook(text: &str, _: usize, end: usize) -> Option<Span> {
    let rest = &text[end..];
    let path = ["services/", "workflows/", "triggers/"].into_iter().find(|path| rest.starts_with(path))?;
    let start = end + path.len();
    let (stop, count) = run(text.as_bytes(), start, |byte| word(byte) || byte == b'/', 200);
    (count >= 20).then_some(Span::new(start, stop))
}

fn jwt(text: &str, start: usize, end: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    if !begins(bytes, start) || &text[start..end] != "eyJ" {
        return None;
    }
    let (head, head_len) = run(bytes, end, word, 2048);
    if head_len < 8 || !bytes[head..].starts_with(b".eyJ") {
        return None;
    }
    let (body, body_len) = run(bytes, head + 4, word, 8192);
    if body_len < 4 || bytes.get(body) != Some(&b'.') {
        return None;
    }
    let (stop, signature) = run(bytes, body + 1, word, 2048);
    (signature >= 16).then_some(Span::new(start, stop))
}

/// A private key from its first line to its last, also with `\n` written out.
fn pem(text: &str, start: usize, end: usize) -> Option<Span> {
    const OPEN: &str = "-----BEGIN ";
    const WINDOW: usize = 16 * 1024;
    let from = text.floor_char_boundary(start.saturating_sub(40));
    let open = from + text[from..start].rfind(OPEN)?;
    if !text[open + OPEN.len()..start]
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ')
    {
        return None;
    }
    let window = &text[end..text.floor_char_boundary(text.len().min(end + WINDOW))];
    let body = match window.find("-----END ") {
        Some(close) => {
            let tail = &window[close..];
            let dashes = tail["-----END ".len()..].find("-----");
            close + dashes.map_or(tail.len(), |at| "-----END ".len() + at + 5)
        }
        // A key that is cut is a key all the same: as far as its alphabet goes.
        None => run(window.as_bytes(), 0, |byte| alnum(byte) || b"+/=\\\r\n \t".contains(&byte), WINDOW).0,
    };
    let letters = window[..body].bytes().filter(u8::is_ascii_alphanumeric).count();
    (letters >= 40).then_some(Span::new(open, end + body))
}

fn skip(bytes: &[u8], at: usize, class: fn(u8) -> bool, max: usize) -> usize {
    at + bytes[at..].iter().take(max).take_while(|byte| class(**byte)).count()
}

/// The value of a header behind its name: `(start, end)`.
fn header_value(text: &str, end: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let quotes = skip(bytes, end, |byte| matches!(byte, b'"' | b'\'' | b'\\' | b']' | b' '), 6);
    if !matches!(bytes.get(quotes), Some(b':' | b'=' | b',')) {
        return None;
    }
    let start = skip(bytes, quotes + 1, |byte| matches!(byte, b' ' | b'"' | b'\'' | b'\\' | b'\t'), 8);
    Some(Span::new(start, credential_end(bytes, start)))
}

fn credential_end(bytes: &[u8], start: usize) -> usize {
    run(bytes, start, |byte| word(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'='), 4096).0
}

/// Long enough, and neither a word nor a number.
fn is_credential(value: &str, min: usize) -> bool {
    value.len() >= min
        && !is_example(value)
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !value.contains("environ")
        && !value.contains("getenv")
}

fn authorization(text: &str, _: usize, end: usize) -> Option<Span> {
    let first = header_value(text, end)?;
    let scheme = first.text(text).to_ascii_lowercase();
    let bytes = text.as_bytes();
    let value = if matches!(scheme.as_str(), "bearer" | "basic" | "token" | "apikey" | "api-key") {
        let start = skip(bytes, first.end, |byte| matches!(byte, b' ' | b'+'), 4);
        Span::new(start, credential_end(bytes, start))
    } else {
        first
    };
    is_credential(value.text(text), 16).then_some(value)
}

fn header(text: &str, _: usize, end: usize) -> Option<Span> {
    let value = header_value(text, end)?;
    is_credential(value.text(text), 16).then_some(value)
}

fn cookie(text: &str, _: usize, end: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let quotes = skip(bytes, end, |byte| matches!(byte, b'"' | b'\'' | b'\\'), 4);
    if bytes.get(quotes) != Some(&b':') {
        return None;
    }
    let start = skip(bytes, quotes + 1, |byte| matches!(byte, b' ' | b'"' | b'\'' | b'\\'), 6);
    let (stop, _) = run(
        bytes,
        start,
        |byte| byte.is_ascii_graphic() && !b"\"'\\<>{}$".contains(&byte) || byte == b' ',
        4096,
    );
    let value = Span::new(start, start + text.get(start..stop)?.trim_end().len());
    let pairs = value.text(text).split(';').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().any(|(_, value)| is_credential(value.trim(), 16)).then_some(value)
}

/// The password of `scheme://user:password@host`.
fn url_password(text: &str, _: usize, end: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"/@:\"'<>\\{}$`".contains(&byte);
    let (user, count) = run(bytes, end, plain, 128);
    if count > 128 || bytes.get(user) != Some(&b':') {
        return None;
    }
    let (stop, len) = run(bytes, user + 1, plain, 256);
    let password = Span::new(user + 1, stop);
    let word = password.text(text).to_ascii_lowercase();
    let common =
        ["password", "pass", "passwd", "pw", "pwd", "secret", "user", "token", "key", "apikey", "***"];
    let real = (3..=256).contains(&len) && !common.contains(&word.as_str()) && !is_example(&word);
    (real && bytes.get(stop) == Some(&b'@')).then_some(password)
}

/// `NAME_KEY=value` in capitals, as in `.env` files, shells and Python.
fn env_line(text: &str, start: usize, end: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    if text[start..end].bytes().any(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let name_start =
        start - bytes[..start].iter().rev().take(64).take_while(|byte| underscore(**byte)).count();
    if bytes[name_start..start].iter().any(u8::is_ascii_lowercase) {
        return None;
    }
    let equals = skip(bytes, end, |byte| matches!(byte, b' ' | b'"' | b'\\' | b'\''), 4);
    if !matches!(bytes.get(equals), Some(b'=' | b':')) || bytes.get(equals + 1) == Some(&b'=') {
        return None;
    }
    let spaced = skip(bytes, equals + 1, |byte| byte == b' ', 4);
    let value_start = skip(bytes, spaced, |byte| matches!(byte, b'"' | b'\'' | b'\\'), 4);
    // With blanks around it, it is an assignment only if its value is a literal.
    if value_start == spaced && (equals > end || spaced > equals + 1) {
        return None;
    }
    let password = text[name_start..end].contains("PASS");
    let stop = if password && value_start > spaced {
        let quoted = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\<>{}$`".contains(&byte);
        run(bytes, value_start, quoted, 256).0
    } else {
        credential_end(bytes, value_start)
    };
    // A name, a call or an index is no value.
    if matches!(bytes.get(stop), Some(b'(' | b'[' | b'{' | b'$')) {
        return None;
    }
    let value = Span::new(value_start, stop);
    let min = if password { 6 } else { 16 };
    is_credential(value.text(text), min).then_some(value)
}
