//! The contract of the node's local API: types, operations, problem codes, client.
