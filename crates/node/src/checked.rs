//! Small files that tell whether they are as they were written: the content, and a hash of it behind it.
//!
//! For what no signature covers and nothing else would miss: a flipped bit in it is named, never believed.

use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::id::Digest;

/// The file of a content.
pub fn seal(content: Vec<u8>) -> Vec<u8> {
    let check = Digest(*blake3::hash(&content).as_bytes());
    encode(&(Bytes(content), check))
}

/// The content of a file; `None` where it is not of this form: an earlier program wrote it, or it is damaged beyond that.
/// The error says that the hash does not fit.
pub fn open(file: &[u8], limit: usize) -> Option<Result<Vec<u8>, String>> {
    let (content, check): (Bytes, Digest) = decode(file, limit).ok()?;
    Some(match *blake3::hash(&content).as_bytes() == check.0 {
        true => Ok(content.0),
        false => Err("its hash does not fit".into()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_content_comes_back_a_changed_byte_never_does_and_files_without_a_hash_are_told_apart() {
        let content = encode(&(7_u64, "what was written".to_owned()));
        let file = seal(content.clone());
        assert_eq!(open(&file, 4096).unwrap().unwrap(), content);
        assert_eq!(open(&content, 4096), None);
        for at in 0..file.len() {
            for mask in [1, 0x20, 0xff] {
                let mut bent = file.clone();
                bent[at] ^= mask;
                assert!(open(&bent, 4096).is_none_or(|opened| opened.is_err()), "byte {at}");
            }
        }
    }
}
