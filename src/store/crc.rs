//! CRC-32 (the one of Ethernet and zip), eight bytes a step: a promise is summed on the way to every acknowledgement.

/// The reversed polynomial.
const POLYNOMIAL: u32 = 0xEDB8_8320;
/// `TABLES[n]` moves a byte past `n` further ones.
const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        tables[0][at] = value;
        at += 1;
    }
    let mut further = 1;
    while further < 8 {
        let mut at = 0;
        while at < 256 {
            let before: u32 = tables[further - 1][at];
            tables[further][at] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            at += 1;
        }
        further += 1;
    }
    tables
}

/// The checksum of `bytes`.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let (steps, rest) = bytes.as_chunks::<8>();
    let mut crc = u32::MAX;
    for step in steps {
        let [a, b, c, d] = crc.to_le_bytes();
        let step = [step[0] ^ a, step[1] ^ b, step[2] ^ c, step[3] ^ d, step[4], step[5], step[6], step[7]];
        crc = step.iter().zip(TABLES.iter().rev()).fold(0, |sum, (&byte, table)| sum ^ table[usize::from(byte)]);
    }
    !rest.iter().fold(crc, |crc, &byte| (crc >> 8) ^ TABLES[0][usize::from(crc.to_le_bytes()[0] ^ byte)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(super::crc32(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
        assert_eq!(super::crc32(b""), 0);
    }
}
