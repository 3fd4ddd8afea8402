//! The daemon: driver, signer, keyring, schedule, notices, configuration.
