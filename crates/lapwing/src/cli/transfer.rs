//! Bytes on their way, with progress: rate and time left.

use super::fail;
use super::out::Out;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lapwing_api::problem::Problem;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// A bar on standard error; nothing where nobody watches or JSON is asked for.
pub fn bar(out: Out, what: &str, len: u64) -> ProgressBar {
    let bar = ProgressBar::new(len);
    if out.json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = "{msg:30!} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
    bar.set_style(ProgressStyle::with_template(template).expect("a fixed template"));
    bar.set_message(super::out::one_line(what));
    bar
}

/// The hashes of a content: BLAKE3 and SHA-256, and its length.
pub struct Hashes {
    /// Bytes.
    pub len: u64,
    /// BLAKE3.
    pub blake3: [u8; 32],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Reads to the end, hashing, and writes what it reads to `sink`.
pub fn copy_hashed(mut content: impl Read, sink: &mut impl Write) -> std::io::Result<Hashes> {
    let (mut b3, mut sha, mut len) = (blake3::Hasher::new(), Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        b3.update(&buffer[..n]);
        sha.update(&buffer[..n]);
        sink.write_all(&buffer[..n])?;
        len += n as u64;
    }
    Ok(Hashes { len, blake3: *b3.finalize().as_bytes(), sha256: sha.finalize().into() })
}

/// The hashes of a file.
pub fn hash_file(out: Out, path: &Path) -> Result<Hashes, Problem> {
    let file = File::open(path).map_err(|e| fail::io("open", path, e))?;
    let len = file.metadata().map_err(|e| fail::io("look at", path, e))?.len();
    let bar = bar(out, "hashing", len);
    let hashes = copy_hashed(bar.wrap_read(file), &mut std::io::sink()).map_err(|e| fail::io("read", path, e));
    bar.finish_and_clear();
    hashes
}

/// Writes a content to a new file: under a temporary name until it is whole and `check` is content with its hashes.
pub fn save(
    path: &Path,
    content: impl Read,
    check: impl FnOnce(&Hashes) -> Result<(), Problem>,
) -> Result<Hashes, Problem> {
    use std::os::unix::fs::OpenOptionsExt;
    fail::free(path)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = std::path::PathBuf::from(name);
    let write = || -> Result<Hashes, Problem> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(|e| fail::io("write", &part, e))?;
        let hashes = copy_hashed(content, &mut file).map_err(|e| fail::io("write", &part, e))?;
        file.sync_all().map_err(|e| fail::io("write", &part, e))?;
        check(&hashes)?;
        std::fs::rename(&part, path).map_err(|e| fail::io("write", path, e))?;
        Ok(hashes)
    };
    let done = write();
    if done.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    done
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_appears_whole_and_checked_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("item");
        let refused = save(&path, &b"abc"[..], |_| Err(fail::wrong("no")));
        assert!(refused.is_err() && std::fs::read_dir(dir.path()).unwrap().count() == 0);
        let hashes = save(&path, &b"abc"[..], |_| Ok(())).unwrap();
        assert_eq!((hashes.len, hashes.blake3), (3, *blake3::hash(b"abc").as_bytes()));
        assert!(save(&path, &b"xyz"[..], |_| Ok(())).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
    }
}
