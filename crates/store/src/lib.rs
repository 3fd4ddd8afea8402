//! Disk: journal, index, keyring, blobs. The only crate that knows sled.
