//! PEM armor, strictly: one block, nothing before it, nothing after it, canonical base64 between.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Characters a line of armor.
pub(super) const LINE_CHARS: usize = 64;

/// `bytes` as base64 in armor lines, each ended by a line feed.
pub(super) fn wrap(bytes: &[u8]) -> String {
    let mut left = STANDARD.encode(bytes);
    let mut lines = String::with_capacity(left.len() + left.len() / LINE_CHARS + 1);
    while left.len() > LINE_CHARS {
        let rest = left.split_off(LINE_CHARS);
        lines.push_str(&left);
        lines.push('\n');
        left = rest;
    }
    lines.push_str(&left);
    lines.push('\n');
    lines
}

/// A block of `label` that holds `bytes`.
pub(super) fn encode(label: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", wrap(bytes))
}

/// The label and the bytes of the one block in `text`; `None` if it is not exactly that.
pub(super) fn decode(text: &str) -> Option<(&str, Vec<u8>)> {
    let text = text.trim();
    let (first, rest) = text.split_once('\n')?;
    let label = first.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
    let body = rest.trim_end().strip_suffix("-----")?.strip_suffix(label)?.strip_suffix("-----END ")?;
    let body: String = body.lines().map(str::trim).collect();
    Some((label, STANDARD.decode(body).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_and_lines_are_of_one_length() {
        let text = encode("THING", &[7; 200]);
        assert!(text.lines().all(|line| line.len() <= LINE_CHARS));
        assert_eq!(decode(&text), Some(("THING", vec![7; 200])));
        assert_eq!(decode(&text.replace('\n', "\r\n")), Some(("THING", vec![7; 200])));
    }

    #[test]
    fn two_blocks_or_another_end_are_no_block() {
        let text = encode("THING", &[7; 20]);
        assert_eq!(decode(&format!("{text}{text}")), None);
        assert_eq!(decode(&text.replace("END THING", "END OTHER")), None);
        assert_eq!(decode("no armor"), None);
    }
}
