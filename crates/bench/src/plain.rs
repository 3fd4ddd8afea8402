//! The plain pipeline: the least honest code that does the same durable, signed, sealed work over loopback TCP. No
//! federation, no retries, no index, no API, one connection that stays open; the same primitives from the same crates.
//!
//! ```text
//! A: sign ─ seal ─ append, fdatasync ─▶ B: open ─ verify ─ append, fdatasync ─ sign receipt ─▶ A: verify ─ append, fdatasync
//! ```

use anyhow::{Context, ensure};
use lapwing_record::blob::{SEGMENT_BYTES, Segments, TAG_BYTES, blob_key, segments};
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::id::{Digest, NetworkId, Pid};
use lapwing_record::seal::{Sealed, Suite, open, public_key, seal};
use lapwing_record::sign::{Context as Use, SecretKey, Sign1};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const NETWORK: NetworkId = NetworkId([7; 32]);
const KEM_SEED: [u8; 32] = [3; 32];
const TO: Pid = Pid([2; 32]);
/// Bytes of a frame at most.
const MAX_FRAME: usize = 1 << 20;

fn key_of(side: u8) -> SecretKey {
    SecretKey::from_seed([side; 32])
}

/// A connection to a port of this machine, without delays of its own.
pub fn connect(listener: &TcpListener) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(listener.local_addr()?)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Writes a length and bytes.
pub fn write_frame(stream: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    let mut frame = Vec::with_capacity(4 + bytes.len());
    frame.extend((bytes.len() as u32).to_be_bytes());
    frame.extend(bytes);
    stream.write_all(&frame)
}

/// Reads what [`write_frame`] wrote.
pub fn read_frame(stream: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let len = u32::from_be_bytes(len) as usize;
    if len > MAX_FRAME {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Appends and makes durable.
pub fn append(log: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    log.write_all(bytes)?;
    log.sync_data()
}

/// A statement with the hash of its evidence, if it has any.
type Statement = (Bytes, Option<(Digest, u64)>);

/// Both ends of the plain pipeline.
pub struct Plain {
    stream: TcpStream,
    log: File,
    dir: PathBuf,
    public: Vec<u8>,
    /// Evidence sent so far: each lies in a file of its own.
    count: u64,
    /// Ciphertext, kept from one referral to the next.
    sealed: Vec<u8>,
}

impl Plain {
    /// Starts the far end on a thread and connects to it.
    pub fn begin(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = connect(&listener)?;
        let (far, _) = listener.accept()?;
        far.set_nodelay(true)?;
        let home = dir.to_owned();
        std::thread::spawn(move || {
            if let Err(error) = serve(far, &home) {
                eprintln!("the plain pipeline's far end failed: {error:#}");
            }
        });
        let log = File::create(dir.join("plain-a.log"))?;
        let public = public_key(Suite::XWing, &KEM_SEED);
        Ok(Plain { stream, log, dir: dir.to_owned(), public, count: 0, sealed: Vec::new() })
    }

    /// One referral: the form, and evidence with it.
    pub fn refer(&mut self, form: &[u8], evidence: Option<&[u8]>) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let evidence = match evidence {
            Some(plain) => Some((self.keep(plain)?, self.sealed.len() as u64)),
            None => None,
        };
        let statement: Statement = (Bytes(form.to_vec()), evidence);
        let signed = encode(&Sign1::sign(&key_of(1), &NETWORK, Use::Msg, encode(&statement)));
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let sealed = seal(Suite::XWing, TO, &self.public, &signed, &mut rng)?;
        append(&mut self.log, &signed)?;
        write_frame(&mut self.stream, &encode(&sealed))?;
        if evidence.is_some() {
            self.stream.write_all(&self.sealed)?;
        }
        let receipt = read_frame(&mut self.stream)?;
        let sign1: Sign1 = decode(&receipt, MAX_FRAME)?;
        sign1.open(&key_of(2).public(), &NETWORK, Use::Receipt)?;
        append(&mut self.log, &receipt)?;
        Ok(begun.elapsed())
    }

    /// Seals evidence and makes it durable; the hash of what lies there.
    fn keep(&mut self, plain: &[u8]) -> anyhow::Result<Digest> {
        let sha256: [u8; 32] = Sha256::digest(plain).into();
        let sealer = Segments::new(&blob_key(&[5; 32], &[6; 32], &sha256));
        let count = segments(plain.len() as u64);
        let mut segment = Vec::with_capacity(SEGMENT_BYTES + TAG_BYTES);
        self.sealed.clear();
        for (index, part) in plain.chunks(SEGMENT_BYTES).enumerate() {
            segment.clear();
            segment.extend_from_slice(part);
            sealer.seal(index as u32, index as u64 + 1 == count, &mut segment);
            self.sealed.extend_from_slice(&segment);
        }
        self.count += 1;
        write_file(&self.dir.join(format!("plain-a-{}", self.count)), &self.sealed)?;
        Ok(Digest(*blake3::hash(&self.sealed).as_bytes()))
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn serve(stream: TcpStream, dir: &Path) -> anyhow::Result<()> {
    let mut log = File::create(dir.join("plain-b.log"))?;
    let mut out = stream.try_clone()?;
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    let (mut blob, mut count) = (Vec::new(), 0);
    while let Ok(frame) = read_frame(&mut stream) {
        let signed = open(&Sealed::decode(&frame)?, &KEM_SEED)?;
        let sign1: Sign1 = decode(&signed, MAX_FRAME)?;
        let payload = sign1.open(&key_of(1).public(), &NETWORK, Use::Msg)?;
        let (_, evidence): Statement = decode(payload, MAX_FRAME)?;
        if let Some((hash, len)) = evidence {
            count += 1;
            blob.resize(usize::try_from(len).context("a length beyond memory")?, 0);
            stream.read_exact(&mut blob)?;
            ensure!(blake3::hash(&blob).as_bytes() == &hash.0, "the evidence is not what was signed");
            write_file(&dir.join(format!("plain-b-{count}")), &blob)?;
        }
        append(&mut log, &signed)?;
        let hash = Digest(*blake3::hash(&signed).as_bytes());
        let receipt = Sign1::sign(&key_of(2), &NETWORK, Use::Receipt, encode(&hash));
        write_frame(&mut out, &encode(&receipt))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_plain_pipeline_keeps_at_both_ends_what_it_says_it_keeps() {
        let dir = tempfile::tempdir().unwrap();
        let mut plain = Plain::begin(dir.path()).unwrap();
        let evidence = vec![9; 3 * SEGMENT_BYTES + 5];
        plain.refer(b"a form", None).unwrap();
        plain.refer(b"another", Some(&evidence)).unwrap();
        let file = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        assert_eq!(file("plain-a-1"), file("plain-b-1"));
        assert_eq!(file("plain-a-1").len() as u64, lapwing_record::blob::sealed_len(evidence.len() as u64));
        // the far end's log holds both statements; the near end's the receipts too
        assert!(file("plain-a.log").starts_with(&file("plain-b.log")[..64]));
        assert!(file("plain-a.log").len() > file("plain-b.log").len());
    }
}
