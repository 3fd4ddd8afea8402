//! Where a page of a list ended, as text: callers hand it back as it came, and nothing else is one.

use super::hex;

/// Of a list in the order of its keys.
pub(super) fn of_key(key: &str) -> String {
    hex::encode(key.as_bytes())
}

/// The key that a cursor names; none where [`of_key`] did not make it.
pub(super) fn key(cursor: &str) -> Option<String> {
    let key = String::from_utf8(hex::decode(cursor)?).ok()?;
    (of_key(&key) == cursor).then_some(key)
}

/// Of a search in a named order.
pub(super) fn of_place(order: &str, at: (u64, u64)) -> String {
    of_key(&format!("{order} {:x} {:x}", at.0, at.1))
}

/// The place that a cursor names; none where [`of_place`] did not make it for this order.
pub(super) fn place(order: &str, cursor: &str) -> Option<(u64, u64)> {
    let text = key(cursor)?;
    let (first, second) = text.strip_prefix(order)?.strip_prefix(' ')?.split_once(' ')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    let at = (number(first)?, number(second)?);
    (of_place(order, at) == cursor).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_handed_out_is_a_cursor() {
        assert_eq!(key(&of_key("h\u{e4}fen")), Some("h\u{e4}fen".into()));
        assert_eq!(place("changed", &of_place("changed", (u64::MAX, 7))), Some((u64::MAX, 7)));
        for bad in
            ["changed 1", "changed 1 2 3", "changed x 2", "changed +1 2", "changed 01 2", "changed A 2", "other 1 2"]
        {
            assert_eq!(place("changed", &of_key(bad)), None, "{bad}");
        }
        for bad in ["zz", "6", "4A", "ff"] {
            assert_eq!(key(bad), None, "{bad}");
        }
    }
}
