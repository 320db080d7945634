//! What is JSON and what is not, kind by kind, as RFC 8259 says it; our scanner accepts `NaN` and infinities besides,
//! and says so.

use rolltape::util::json::{MAX_DEPTH, NoteKind, View, parse_at};

/// Notes of a text that is one value, blanks around it; `None` if it is refused.
fn scanned(text: &[u8]) -> Option<Vec<NoteKind>> {
    // A record is checked for UTF-8 before it is scanned.
    std::str::from_utf8(text).ok()?;
    let mut notes = Vec::new();
    let node = parse_at(text, 0, &mut notes).ok()?;
    let rest = &text[node.end..];
    rest.iter().all(|byte| b" \n\r\t".contains(byte)).then(|| notes.iter().map(|note| note.kind).collect())
}

/// Places in which a value may stand.
const PLACES: [(&str, &str); 7] = [
    ("", ""),
    ("[", "]"),
    ("[1,", "]"),
    ("[", ",2]"),
    ("{\"a\":", "}"),
    ("{\"a\":", ",\"b\":1}"),
    (" \n[\t", "\r] "),
];

fn everywhere(piece: &[u8], check: impl Fn(&[u8])) {
    for (before, after) in PLACES {
        check(&[before.as_bytes(), piece, after.as_bytes()].concat());
    }
}

fn refused(pieces: &[&[u8]]) {
    for piece in pieces {
        everywhere(piece, |text| {
            assert_eq!(scanned(text), None, "{:?}", String::from_utf8_lossy(text));
        });
    }
}

fn accepted(pieces: &[&str]) {
    for piece in pieces {
        everywhere(piece.as_bytes(), |text| {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(scanned(text), Some(vec![]), "{shown:?}");
            let node = parse_at(text, 0, &mut Vec::new()).expect("a value");
            let theirs: serde_json::Value = serde_json::from_slice(text).expect("serde_json accepts it");
            assert_eq!(View::new(text, &node).value(), theirs, "{shown:?}");
        });
    }
}

#[test]
fn numbers() {
    accepted(&[
        "0", "-0", "1", "-1", "10", "120", "0.0", "-0.5", "1.50", "1e0", "1E0", "1e+0", "1e-9", "0e0",
        "-0e-0",
    ]);
    accepted(&["1.7976931348623157e308", "1e400", "-1e400", "1e-400", "18446744073709551617"]);
    accepted(&["0.1000000000000000055511151231257827", "123456789012345678901234567890.5e-10"]);
    refused(&[
        b"00", b"01", b"-01", b"+1", b"-", b"--1", b"+", b".5", b"-.5", b"5.", b"5.e1", b"1e", b"1e+",
        b"1E-", b"1e1.5",
    ]);
    refused(&[
        b"0x1",
        b"1_000",
        b"1 000",
        b"1,5,",
        b"1a",
        b"e1",
        b"1.2.3",
        b"1e1e1",
        "１".as_bytes(),
        b"0b1",
        b"1f",
        b"- 1",
    ]);
}

#[test]
fn what_is_not_finite_is_accepted_with_a_note_alone() {
    for piece in ["NaN", "Infinity", "-Infinity"] {
        everywhere(piece.as_bytes(), |text| {
            assert_eq!(scanned(text), Some(vec![NoteKind::NotFinite]), "{}", String::from_utf8_lossy(text));
        });
    }
    refused(&[
        b"nan",
        b"NAN",
        b"-NaN",
        b"+NaN",
        b"inf",
        b"Inf",
        b"INFINITY",
        b"+Infinity",
        b"infinity",
        b"Infinit",
        b"Na",
    ]);
    refused(&[b"NaNs", b"Infinity1", b"--Infinity", b"- Infinity", b"-Inf"]);
}

#[test]
fn words() {
    accepted(&["true", "false", "null"]);
    refused(&[
        b"True",
        b"FALSE",
        b"Null",
        b"tru",
        b"fals",
        b"nul",
        b"truee",
        b"nulll",
        b"undefined",
        b"None",
        b"yes",
        b"t",
        b"'a'",
    ]);
}

#[test]
fn strings() {
    accepted(&[
        "\"\"",
        "\"a\"",
        "\"\u{7f}\"",
        "\"\u{80}\u{2028}\u{2029}\u{feff}\"",
        "\"\u{10ffff}\"",
        "\"'\"",
        "\"/\"",
    ]);
    accepted(&[r#""\"\\\/\b\f\n\r\t""#, r#""\u0000\u001F\u00e9\uD83D\uDE00""#, r#""\ud7ff\ue000\uffff""#]);
    for byte in 0..0x20_u8 {
        refused(&[&[b'"', byte, b'"'], &[b'"', b'a', byte]]);
    }
    for byte in 0..=0x7f_u8 {
        if !br#""\/bfnrtu"#.contains(&byte) {
            refused(&[&[b'"', b'\\', byte, b'"']]);
        }
    }
    refused(&[
        br#""\u""#,
        br#""\u1""#,
        br#""\u12""#,
        br#""\u123""#,
        br#""\u12G4""#,
        br#""\U0041""#,
        br#""\u 041""#,
        br#""\u+041""#,
    ]);
    refused(&[
        br#"""#,
        br#""a"#,
        br#""\"#,
        br#""\""#,
        br#""a"b"#,
        br#"a""#,
        b"\"\xff\"",
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\xe9\"",
    ]);
    for half in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\ud800""#,
        r#""\udbff\u0041""#,
        r#""\ud83dx""#,
        r#""\udc00\ud800""#,
    ] {
        everywhere(half.as_bytes(), |text| {
            assert_eq!(
                scanned(text),
                Some(vec![NoteKind::LoneSurrogate]),
                "{}",
                String::from_utf8_lossy(text)
            );
        });
    }
}

#[test]
fn arrays_and_objects() {
    accepted(&[
        "[]",
        "[ ]",
        "[[]]",
        "[1,[2,{}],3]",
        "{}",
        "{ }",
        "{\"\":0}",
        "{\"a\":{\"a\":[]}}",
        "{\"\\u0061\":1,\"b\":2}",
    ]);
    refused(&[
        b"[",
        b"]",
        b"[1",
        b"[1,",
        b"[1,]",
        b"[,1]",
        b"[,]",
        b"[1,,2]",
        b"[1 2]",
        b"[1;2]",
        b"[1:2]",
        b"[\"a\":1]",
        b"[}",
        b"(1)",
    ]);
    refused(&[
        b"{",
        b"}",
        b"{]",
        b"{\"a\"",
        b"{\"a\":",
        b"{\"a\":1",
        b"{\"a\":1,",
        b"{\"a\":1,}",
        b"{,}",
        b"{\"a\"}",
        b"{\"a\",\"b\"}",
        b"{\"a\" 1}",
        b"{\"a\"::1}",
    ]);
    refused(&[
        b"{a:1}",
        b"{'a':1}",
        b"{1:1}",
        b"{null:1}",
        b"{[]:1}",
        b"{\"a\"=1}",
        b"{\"a\":1 \"b\":2}",
        b"{\"a\":1,,\"b\":2}",
        b"{\"a\":1;\"b\":2}",
        b"{\"a\":}",
    ]);
    for twice in ["{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":0,\"a\":1}"] {
        everywhere(twice.as_bytes(), |text| {
            assert_eq!(scanned(text), Some(vec![NoteKind::RepeatedKey]), "{}", String::from_utf8_lossy(text));
        });
    }
}

#[test]
fn blanks_comments_and_what_follows() {
    for blank in [" ", "\n", "\r", "\t", " \n\r\t "] {
        for text in ["[#]", "[1#,#2]", "{#\"a\"#:#1#}", "#1#", "#[#]#"] {
            assert_eq!(scanned(text.replace('#', blank).as_bytes()), Some(vec![]), "{text:?} with {blank:?}");
        }
    }
    for other in [
        "\u{b}", "\u{c}", "\u{a0}", "\u{85}", "\u{2028}", "\u{3000}", "\u{feff}", "\0", "/**/", "//\n",
        "#\n", "<!-- -->",
    ] {
        for text in ["[@]", "[1@,2]", "{@\"a\":1}", "@1", "1@", "[]@"] {
            assert_eq!(scanned(text.replace('@', other).as_bytes()), None, "{text:?} with {other:?}");
        }
    }
    for text in [
        "",
        " ",
        "1 2",
        "1,2",
        "[][]",
        "{}{}",
        "\"a\"\"b\"",
        "null null",
        "[1]]",
        "{\"a\":1}}",
        ";",
        ",",
        ":",
        "\\",
        "1;",
    ] {
        assert_eq!(scanned(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn nesting_has_a_bound_and_no_text_breaks_it() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(scanned(nested(MAX_DEPTH).as_bytes()), Some(vec![]));
        assert_eq!(scanned(nested(MAX_DEPTH + 1).as_bytes()), None);
        assert_eq!(scanned(open.repeat(1_000_000).as_bytes()), None);
    }
}
