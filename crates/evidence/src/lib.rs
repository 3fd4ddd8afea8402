//! Mail and format parsers, bounded and suspicious. The only crate that knows them.
