//! Amounts of bytes as people write them: `10TB`, `500MB`, `1048576`. All units are powers of 1024, as Splunk counts
//! (dialect note, 6); whole numbers only, since a rounded entitlement is a dispute.

/// Unit names and their powers of 1024, the largest first, in lower case.
const UNITS: [(&str, u32); 16] = [
    ("pib", 5),
    ("tib", 4),
    ("gib", 3),
    ("mib", 2),
    ("kib", 1),
    ("pb", 5),
    ("tb", 4),
    ("gb", 3),
    ("mb", 2),
    ("kb", 1),
    ("p", 5),
    ("t", 4),
    ("g", 3),
    ("m", 2),
    ("k", 1),
    ("b", 0),
];

/// The bytes that `text` says.
///
/// # Errors
/// When it is no whole number with a known unit, or beyond 64 bits.
pub fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, power) = UNITS
        .iter()
        .find_map(|(unit, power)| lower.strip_suffix(unit).map(|number| (number.trim_end(), *power)))
        .unwrap_or((lower.as_str(), 0));
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{text}` is no amount of bytes; write for example 500MB, 10TB or 1048576"));
    }
    let number: u64 = number.parse().map_err(|_unspecified| format!("`{text}` is beyond 64 bits"))?;
    number.checked_mul(1 << (10 * power)).ok_or_else(|| format!("`{text}` is beyond 64 bits"))
}

/// `bytes` for people: three digits and a unit, without floats.
#[must_use]
pub fn human(bytes: u64) -> String {
    let power = (1..=5_u32).rev().find(|power| bytes >= 1 << (10 * power)).unwrap_or(0);
    let unit = ["B", "KB", "MB", "GB", "TB", "PB"][power as usize];
    let scale = 1_u64 << (10 * power);
    let tenths = bytes % scale * 10 / scale.max(1);
    if power == 0 || tenths == 0 {
        format!("{} {unit}", bytes / scale)
    } else {
        format!("{}.{tenths} {unit}", bytes / scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024_in_any_case() {
        assert_eq!(bytes("10TB"), Ok(10 << 40));
        assert_eq!(bytes("10tb"), Ok(10 << 40));
        assert_eq!(bytes("500 MB"), Ok(500 << 20));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert_eq!(bytes("1048576"), Ok(1 << 20));
        assert_eq!(bytes("7b"), Ok(7));
        assert_eq!(bytes("0"), Ok(0));
    }

    #[test]
    fn what_is_no_whole_amount_is_refused() {
        for text in ["", "MB", "1.5TB", "-1", "+1", "1e3", "ten", "99999999999999999999", "18446744073709551615KB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn people_read_short_numbers() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(10 << 40), "10 TB");
        assert_eq!(human(1536), "1.5 KB");
        assert_eq!(human(u64::MAX), "16383.9 PB");
    }
}
