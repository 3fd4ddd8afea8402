//! The HTTP face of the node's API. The only crate that knows axum.
