//! Ids, names and secrets out of numbers.

/// Every secret of a made plan starts with it, so that one in an output is found by looking for it.
pub const CANARY: &str = "canary-";

/// A number that looks random and is always the same (splitmix64).
pub(crate) fn number(seed: u64, resource: usize, what: u64) -> u64 {
    let mut mixed = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add((resource as u64).wrapping_mul(0xd134_2543_de82_ef95))
        .wrapping_add(what.wrapping_mul(0x2545_f491_4f6c_dd1d));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Sixteen hexadecimal digits.
pub(crate) fn hex(seed: u64, resource: usize, what: u64) -> String {
    format!("{:016x}", number(seed, resource, what))
}

/// A secret.
pub(crate) fn secret(seed: u64, resource: usize, what: u64) -> String {
    format!("{CANARY}{}", hex(seed, resource, what))
}

/// As Go writes JSON: what HTML knows is escaped.
pub(crate) fn escaped(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
