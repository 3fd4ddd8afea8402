//! What nodes send each other. The first byte chooses between request and answer.

use crate::prefix::{self, FrameError};
use crate::records::{chosen, exact, same};
use crate::seeds::{SEAL_SEED, world};
use futures::executor::block_on;
use futures::io::Cursor;
use lapwing_record::idlog::{IdLog, check_application};
use lapwing_record::seal::{self, Sealed};
use lapwing_record::wire::{
    ApplyAnswer, ApplyRequest, BlobAnswer, BlobRequest, CaseAnswer, CaseRequest, Hello, MAX_APPLY, MAX_BLOB_ANSWER,
    MAX_BLOB_REQUEST, MAX_CASE, MAX_HELLO, MAX_REACH, MAX_SYNC_ANSWER, MAX_SYNC_REQUEST, ReachAnswer, ReachRequest,
    SyncAnswer, SyncRequest,
};

/// Who is there; the log in it is folded as a node folds it.
pub fn hello(bytes: &[u8]) {
    let Some(hello) = exact::<Hello>(bytes, MAX_HELLO) else { return };
    if let Ok(log) = IdLog::fold(hello.pid, &hello.id_log, &world().network) {
        assert_eq!(log.pid, hello.pid);
        assert_eq!(log.inception.pid(), hello.pid, "an identity is the hash of its inception");
    }
}

/// Replication.
pub fn sync(bytes: &[u8]) {
    let (which, rest) = chosen(bytes);
    if which % 2 == 0 {
        exact::<SyncRequest>(rest, MAX_SYNC_REQUEST);
    } else {
        exact::<SyncAnswer>(rest, MAX_SYNC_ANSWER);
    }
}

/// Applications of strangers, checked as a node checks them.
pub fn apply(bytes: &[u8]) {
    let (which, rest) = chosen(bytes);
    if which % 2 == 0 {
        if let Some(ApplyRequest::Submit(application)) = exact(rest, MAX_APPLY) {
            let _ = check_application(&application, &world().network);
        }
    } else {
        exact::<ApplyAnswer>(rest, MAX_APPLY);
    }
}

/// Referrals; what is sealed to us is opened.
pub fn case(bytes: &[u8]) {
    let (which, rest) = chosen(bytes);
    match which % 3 {
        0 => {
            if let Some(CaseRequest::Sealed(bytes)) = exact(rest, MAX_CASE) {
                open(&bytes);
            }
        }
        1 => drop(exact::<CaseAnswer>(rest, MAX_CASE)),
        _ => open(rest),
    }
}

fn open(bytes: &[u8]) {
    if let Some(sealed) = same(Sealed::decode(bytes), bytes) {
        let opened = seal::open(&sealed, &SEAL_SEED);
        assert!(opened.is_err() || world().sealed.contains(&bytes.to_vec()), "a sealed message that was bent opens");
    }
}

/// Evidence, by the piece; and the question whether an address leads to its node.
pub fn blob(bytes: &[u8]) {
    let (which, rest) = chosen(bytes);
    match which % 4 {
        0 => drop(exact::<BlobRequest>(rest, MAX_BLOB_REQUEST)),
        1 => drop(exact::<BlobAnswer>(rest, MAX_BLOB_ANSWER)),
        2 => drop(exact::<ReachRequest>(rest, MAX_REACH)),
        _ => drop(exact::<ReachAnswer>(rest, MAX_REACH)),
    }
}

/// The frame around them: read to the end of the stream, each frame as long as it said, none over the limit.
pub fn frame(bytes: &[u8]) {
    const MAX: usize = 4096;
    let mut stream = Cursor::new(bytes);
    loop {
        let from = usize::try_from(stream.position()).expect("in memory");
        match block_on(prefix::read(&mut stream, MAX)) {
            Ok(read) => {
                assert!(read.len() <= MAX);
                let mut again = Cursor::new(Vec::new());
                block_on(prefix::write(&mut again, &read, MAX)).expect("it is not too long");
                let to = usize::try_from(stream.position()).expect("in memory");
                assert_eq!(again.get_ref().as_slice(), &bytes[from..to]);
            }
            Err(error) => {
                if let Some(FrameError::TooLong { len, max }) = FrameError::inside(&error) {
                    assert!(*len > *max as u64 && stream.position() <= from as u64 + 4, "refused unread");
                }
                return;
            }
        }
    }
}
