//! The form of a request or response on its stream: four bytes of length, big endian, and that many bytes.
//!
//! A length over the limit is refused before anything is read or allocated, and an honest length is not believed
//! either: memory grows with what arrives. A refused frame costs its stream, not the connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;
use thiserror::Error;

use crate::message::Protocol;
use crate::stats::{Counters, ProtocolCounters};

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

#[derive(Clone)]
pub(crate) struct Frames {
    protocol: Protocol,
    counters: Arc<Counters>,
}

impl Frames {
    pub(crate) fn new(protocol: Protocol, counters: Arc<Counters>) -> Self {
        Frames { protocol, counters }
    }

    fn counters(&self) -> &ProtocolCounters {
        self.counters.protocol(self.protocol)
    }

    async fn read<T: AsyncRead + Unpin + Send>(&self, io: &mut T, max: usize) -> io::Result<Vec<u8>> {
        let mut prefix = [0; 4];
        if io.read(&mut prefix[..1]).await? == 0 {
            return Err(io::Error::other(FrameError::Silent));
        }
        io.read_exact(&mut prefix[1..]).await?;
        let len = u32::from_be_bytes(prefix) as usize;
        if len > max {
            self.counters().too_long.fetch_add(1, Relaxed);
            return Err(io::Error::other(FrameError::TooLong { len: len as u64, max }));
        }
        let mut bytes = Vec::with_capacity(len.min(FIRST_ALLOCATION));
        io.take(len as u64).read_to_end(&mut bytes).await?;
        if bytes.len() == len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    async fn write<T: AsyncWrite + Unpin + Send>(&self, io: &mut T, bytes: &[u8], max: usize) -> io::Result<()> {
        let too_long = || io::Error::other(FrameError::TooLong { len: bytes.len() as u64, max });
        let len = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= max).ok_or_else(too_long)?;
        io.write_all(&len.to_be_bytes()).await?;
        io.write_all(bytes).await?;
        io.flush().await
    }
}

impl Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = self.read(io, self.protocol.request_max()).await?;
        self.counters().requests_in.add(bytes.len());
        Ok(bytes)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = self.read(io, self.protocol.response_max()).await?;
        self.counters().responses_in.add(bytes.len());
        Ok(bytes)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(io, &bytes, self.protocol.request_max()).await?;
        self.counters().requests_out.add(bytes.len());
        Ok(())
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(io, &bytes, self.protocol.response_max()).await?;
        self.counters().responses_out.add(bytes.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    fn read(bytes: &[u8], max: usize) -> io::Result<Vec<u8>> {
        block_on(Frames::new(Protocol::Blob, Arc::default()).read(&mut Cursor::new(bytes), max))
    }

    #[test]
    fn a_frame_reads_back_and_an_empty_one_is_a_message_too() {
        for said in [&b""[..], b"owl"] {
            let mut wire = Cursor::new(Vec::new());
            block_on(Frames::new(Protocol::Blob, Arc::default()).write(&mut wire, said, 3)).unwrap();
            assert_eq!(read(wire.get_ref(), 3).unwrap(), said);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_unread() {
        let fault = read(&[0xff, 0xff, 0xff, 0xff], 3).unwrap_err();
        assert_eq!(FrameError::inside(&fault), Some(&FrameError::TooLong { len: 0xffff_ffff, max: 3 }));
        let fault = block_on(Frames::new(Protocol::Blob, Arc::default()).write(&mut Cursor::new(vec![]), b"owls", 3));
        assert_eq!(FrameError::inside(&fault.unwrap_err()), Some(&FrameError::TooLong { len: 4, max: 3 }));
    }

    #[test]
    fn silence_and_a_cut_frame_are_told_apart() {
        assert_eq!(FrameError::inside(&read(&[], 3).unwrap_err()), Some(&FrameError::Silent));
        for cut in [&[0, 0][..], &[0, 0, 0, 3, 1, 2]] {
            assert_eq!(read(cut, 3).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
