//! Rust source without what is no code: enough of a lexer to tell code from comments and strings.

/// `text` with every comment (and, if asked, every string and character) turned into spaces; offsets and lines stay.
pub(super) fn code(text: &str, keep_strings: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (end, blank) = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => (line_end(bytes, at), true),
            b'/' if bytes[at..].starts_with(b"/*") => (comment_end(bytes, at), true),
            b'"' => (string_end(bytes, at), !keep_strings),
            b'r' if !continues_word(bytes, at) => match raw_string_end(bytes, at) {
                Some(end) => (end, !keep_strings),
                None => (at + 1, false),
            },
            b'\'' => match char_end(bytes, at) {
                Some(end) => (end, !keep_strings),
                None => (at + 1, false),
            },
            _ => (at + 1, false),
        };
        if blank {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
        at = end;
    }
    String::from_utf8(out).expect("whole tokens are blanked, so characters stay whole")
}

fn continues_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (is_word(bytes[at - 1])) && !(bytes[at - 1] == b'b' && (at < 2 || !is_word(bytes[at - 2])))
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn comment_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut here = at;
    while here < bytes.len() {
        if bytes[here..].starts_with(b"/*") {
            depth += 1;
            here += 2;
        } else if bytes[here..].starts_with(b"*/") {
            depth -= 1;
            here += 2;
            if depth == 0 {
                return here;
            }
        } else {
            here += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut here = at + 1;
    while here < bytes.len() {
        match bytes[here] {
            b'\\' => here += 2,
            b'"' => return here + 1,
            _ => here += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(at + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = at + 2 + hashes;
    let found = bytes[body..].windows(close.len()).position(|window| window == close.as_bytes());
    Some(found.map_or(bytes.len(), |length| body + length + close.len()))
}

/// The end of a character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'\\' => {
            let close = bytes[at + 3..].iter().position(|byte| *byte == b'\'')?;
            Some(at + 3 + close + 1)
        }
        _ => {
            let length = std::str::from_utf8(&bytes[at + 1..(at + 5).min(bytes.len())])
                .map_or_else(
                    |error| if error.valid_up_to() > 0 { 1 } else { 0 },
                    |text| text.chars().next().map_or(0, char::len_utf8),
                )
                .max(1);
            (bytes.get(at + 1 + length) == Some(&b'\'')).then_some(at + length + 2)
        }
    }
}

/// Every place where `word` stands as a whole word.
pub(super) fn places(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| {
            (*at == 0 || !is_word(bytes[at - 1])) && bytes.get(at + word.len()).is_none_or(|byte| !is_word(*byte))
        })
        .collect()
}

/// The word that starts at `at`, if one does.
pub(super) fn word_at(code: &str, at: usize) -> Option<&str> {
    let rest = code.get(at..)?;
    let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
    (length > 0).then(|| &rest[..length])
}

#[test]
fn comments_and_strings_are_told_from_code() {
    let text = "let a = \"HashMap // no\"; // HashMap\n/* x /* HashMap */ y */ let b = r#\"a \"HashMap\" b\"#; '\\n' 'x' &'a str";
    let bare = code(text, false);
    assert_eq!(bare.len(), text.len());
    assert!(!bare.contains("HashMap"), "{bare}");
    assert!(bare.contains("let b =") && bare.contains("&'a str"), "{bare}");
    assert!(code(text, true).contains("a \"HashMap\" b"));
    assert!(!code(text, true).contains("// HashMap"));
    assert!(code("let quote = '\"'; HashMap", false).contains("HashMap"), "a quote in a character opens no string");
    assert!(code("let star = '\u{e9}'; HashMap \"x", false).contains("HashMap"));
}

#[test]
fn a_word_is_found_whole() {
    assert_eq!(places("async asynchronous is_async async", "async"), vec![0, 28]);
}
