//! The two hashes by which evidence is named.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::io::Read;

/// SHA-256 and BLAKE3 of `content`, hex.
pub(crate) fn of(content: &[u8]) -> (String, String) {
    (HEXLOWER.encode(&Sha256::digest(content)), blake3::hash(content).to_hex().to_string())
}

/// Size, SHA-256 and BLAKE3 of all that `reader` gives; the first bytes are shown to `peek` in pieces as they come.
pub(crate) fn stream(mut reader: impl Read, mut each: impl FnMut(&[u8])) -> std::io::Result<(u64, String, String)> {
    let (mut sha256, mut blake3, mut size) = (Sha256::new(), blake3::Hasher::new(), 0u64);
    let mut buffer = vec![0u8; 128 * 1024];
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        sha256.update(&buffer[..n]);
        blake3.update(&buffer[..n]);
        each(&buffer[..n]);
        size += n as u64;
    }
    Ok((size, HEXLOWER.encode(&sha256.finalize()), blake3.finalize().to_hex().to_string()))
}
