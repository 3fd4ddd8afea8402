//! Four bytes of length, big endian, and that many bytes: what stands on every stream of requests and answers.
//!
//! A length over the limit is refused before anything is read or allocated, and an honest length is not believed
//! either: memory grows with what arrives.

use std::io;

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use thiserror::Error;

/// The first allocation for a frame; more follows as bytes arrive.
const FIRST_ALLOCATION: usize = 16 * 1024;

/// What a stream can be guilty of, carried inside [`io::Error`] as the codec's trait wants it.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum FrameError {
    #[error("{len} bytes, where {max} are allowed")]
    TooLong { len: u64, max: usize },
    #[error("closed without a word")]
    Silent,
}

impl FrameError {
    /// The fault inside an error, if it is one of ours.
    pub(crate) fn inside(error: &io::Error) -> Option<&FrameError> {
        error.get_ref()?.downcast_ref()
    }
}

/// Reads one message of at most `max` bytes.
pub(crate) async fn read<T: AsyncRead + Unpin>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 4];
    if io.read(&mut prefix[..1]).await? == 0 {
        return Err(io::Error::other(FrameError::Silent));
    }
    io.read_exact(&mut prefix[1..]).await?;
    let len = u32::from_be_bytes(prefix) as usize;
    if len > max {
        return Err(io::Error::other(FrameError::TooLong { len: len as u64, max }));
    }
    let mut bytes = Vec::with_capacity(len.min(FIRST_ALLOCATION));
    io.take(len as u64).read_to_end(&mut bytes).await?;
    if bytes.len() == len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Writes one message of at most `max` bytes.
pub(crate) async fn write<T: AsyncWrite + Unpin>(io: &mut T, bytes: &[u8], max: usize) -> io::Result<()> {
    let too_long = || io::Error::other(FrameError::TooLong { len: bytes.len() as u64, max });
    let len = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= max).ok_or_else(too_long)?;
    io.write_all(&len.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}
