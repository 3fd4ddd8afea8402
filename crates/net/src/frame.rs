//! The form of a request or response on its stream (`prefix`), by protocol and counted. A refused frame costs its stream,
//! not the connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures::io::{AsyncRead, AsyncWrite};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

use crate::message::Protocol;
use crate::prefix;
pub(crate) use crate::prefix::FrameError;
use crate::stats::{Counters, ProtocolCounters};

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
        let read = prefix::read(io, max).await;
        if matches!(read.as_ref().err().and_then(FrameError::inside), Some(FrameError::TooLong { .. })) {
            self.counters().too_long.fetch_add(1, Relaxed);
        }
        read
    }

    async fn write<T: AsyncWrite + Unpin + Send>(&self, io: &mut T, bytes: &[u8], max: usize) -> io::Result<()> {
        prefix::write(io, bytes, max).await
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
