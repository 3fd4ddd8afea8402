//! What can be said: encoding, keys, envelope, entries, statements, receipts, sealing. Pure.

pub mod id;
