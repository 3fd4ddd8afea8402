//! Deterministic CBOR, and stricter (protocol §1).
//!
//! Signed structures are definite-length **arrays** of unsigned and negative integers, bytes, text, booleans, null and
//! arrays; there are no maps, floats or tags. `ciborium` alone would take duplicate keys, long integers, indefinite
//! lengths and trailing bytes, so [`decode`] reads in this order:
//!
//! ```text
//! byte limit of the type → decode to a value, depth ≤ 16 → typed reading, exact lengths → encode again → compare
//! ```
//!
//! Unequal is invalid. Whoever verifies, hashes or stores uses **the bytes received, never a re-encoding**.
//!
//! ```
//! use lapwing_record::cbor::{decode, encode};
//! let bytes = encode(&vec![1u64, 24, 500]);
//! assert_eq!(decode::<Vec<u64>>(&bytes, 64), Ok(vec![1, 24, 500]));
//! // 24 written in two bytes more than it needs
//! assert!(decode::<Vec<u64>>(&[0x83, 0x01, 0x19, 0x00, 0x18, 0x19, 0x01, 0xf4], 64).is_err());
//! ```

pub use ciborium::Value;

/// How deep arrays may nest.
pub const MAX_DEPTH: usize = 16;

/// Why bytes are not the record that they were said to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than this type may have.
    #[error("{len} bytes, but this kind of record has at most {limit}")]
    TooLong {
        /// Bytes offered.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not CBOR, cut short, or nested too deep.
    #[error("not well-formed CBOR (or nested deeper than {MAX_DEPTH})")]
    Malformed,
    /// CBOR, but not of the expected shape.
    #[error("{0}")]
    Shape(#[from] Fault),
    /// The right content in an encoding that is not the one canonical form, or followed by more bytes.
    #[error("not in canonical form: the same content has another, shorter encoding")]
    NotCanonical,
}

/// The place and kind of a mismatch between a value and a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Fault {
    /// Dotted path of field names, outermost first.
    pub path: String,
    /// What was expected.
    pub what: String,
}

impl Fault {
    /// A fault at this very place.
    pub fn here(what: impl Into<String>) -> Self {
        Fault { path: "record".into(), what: what.into() }
    }

    /// The same fault seen from one level further out.
    pub fn within(mut self, field: &str) -> Self {
        self.path = if self.path == "record" { field.to_owned() } else { format!("{field}.{}", self.path) };
        self
    }
}

/// A type with exactly one encoding.
pub trait Cbor: Sized {
    /// The value to encode.
    fn to_value(&self) -> Value;
    /// Reads the value, refusing everything that [`Cbor::to_value`] would not have made.
    fn from_value(value: Value) -> Result<Self, Fault>;
}

/// The one encoding of `record`.
pub fn encode<T: Cbor>(record: &T) -> Vec<u8> {
    encode_value(&record.to_value())
}

fn encode_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).expect("writing to memory cannot fail");
    out
}

/// Reads `bytes` as `T`: at most `limit` bytes, canonical, nothing left over.
pub fn decode<T: Cbor>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong { len: bytes.len(), limit });
    }
    let mut rest = bytes;
    let value: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
        .map_err(|_: ciborium::de::Error<std::io::Error>| DecodeError::Malformed)?;
    let record = T::from_value(value)?;
    if !rest.is_empty() || encode(&record) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(record)
}

/// A byte string. (`Vec<u8>` would be an array of integers.)
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes(bytes)
    }
}
impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Bytes(bytes.to_vec())
    }
}

/// Names the kind of a value in a fault.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "an integer",
        Value::Bytes(_) => "bytes",
        Value::Text(_) => "text",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
        Value::Array(_) => "an array",
        Value::Map(_) => "a map",
        Value::Float(_) => "a float",
        _ => "a tag",
    }
}

fn expected<T>(what: &str, got: &Value) -> Result<T, Fault> {
    Err(Fault::here(format!("expected {what}, found {}", kind_of(got))))
}

impl Cbor for u64 {
    fn to_value(&self) -> Value {
        Value::Integer((*self).into())
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Integer(i) => u64::try_from(i).map_err(|_| Fault::here("expected an unsigned integer")),
            other => expected("an unsigned integer", &other),
        }
    }
}

impl Cbor for i64 {
    fn to_value(&self) -> Value {
        Value::Integer((*self).into())
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Integer(i) => i64::try_from(i).map_err(|_| Fault::here("expected an integer of 64 bits")),
            other => expected("an integer", &other),
        }
    }
}

impl Cbor for bool {
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Bool(b) => Ok(b),
            other => expected("a boolean", &other),
        }
    }
}

impl Cbor for String {
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Text(text) => Ok(text),
            other => expected("text", &other),
        }
    }
}

impl Cbor for Bytes {
    fn to_value(&self) -> Value {
        Value::Bytes(self.0.clone())
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Bytes(bytes) => Ok(Bytes(bytes)),
            other => expected("bytes", &other),
        }
    }
}

impl<const N: usize> Cbor for [u8; N] {
    fn to_value(&self) -> Value {
        Value::Bytes(self.to_vec())
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        let bytes = Bytes::from_value(value)?.0;
        let len = bytes.len();
        bytes.try_into().map_err(|_| Fault::here(format!("expected {N} bytes, found {len}")))
    }
}

impl<T: Cbor> Cbor for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Cbor::to_value)
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl<T: Cbor> Cbor for Vec<T> {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(Cbor::to_value).collect())
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        let items = array(value)?;
        let read = |(i, v): (usize, Value)| T::from_value(v).map_err(|f: Fault| f.within(&i.to_string()));
        items.into_iter().enumerate().map(read).collect()
    }
}

macro_rules! tuple {
    ($n:literal: $($t:ident $i:tt),+) => {
        impl<$($t: Cbor),+> Cbor for ($($t,)+) {
            fn to_value(&self) -> Value {
                Value::Array(vec![$(self.$i.to_value()),+])
            }
            fn from_value(value: Value) -> Result<Self, Fault> {
                let mut items = array_of(value, $n)?.into_iter();
                Ok(($($t::from_value(items.next().expect("length checked"))
                    .map_err(|f| f.within(stringify!($i)))?,)+))
            }
        }
    };
}
tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);

/// The items of an array.
pub fn array(value: Value) -> Result<Vec<Value>, Fault> {
    match value {
        Value::Array(items) => Ok(items),
        other => expected("an array", &other),
    }
}

/// The items of an array of exactly `len`.
pub fn array_of(value: Value, len: usize) -> Result<Vec<Value>, Fault> {
    let items = array(value)?;
    if items.len() == len {
        Ok(items)
    } else {
        Err(Fault::here(format!("expected an array of {len}, found {}", items.len())))
    }
}

macro_rules! id_cbor {
    ($($t:ident),+) => {$(
        impl Cbor for crate::id::$t {
            fn to_value(&self) -> Value { self.0.to_value() }
            fn from_value(value: Value) -> Result<Self, Fault> { <[u8; 32]>::from_value(value).map(Self) }
        }
    )+};
}
id_cbor!(Pid, NetworkId, EntryId, Kid, MsgId, ThreadId, Digest);

/// A struct whose encoding is the array of its fields in order.
#[macro_export]
macro_rules! cbor_array {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* pub $field:ident : $ty:ty),+ $(,)? }) => {
        $(#[$meta])*
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),+ }

        impl $crate::cbor::Cbor for $name {
            fn to_value(&self) -> $crate::cbor::Value {
                $crate::cbor::Value::Array(vec![$($crate::cbor::Cbor::to_value(&self.$field)),+])
            }
            fn from_value(value: $crate::cbor::Value) -> Result<Self, $crate::cbor::Fault> {
                const FIELDS: usize = [$(stringify!($field)),+].len();
                let mut items = $crate::cbor::array_of(value, FIELDS)?.into_iter();
                Ok($name { $($field: $crate::cbor::Cbor::from_value(items.next().expect("length checked"))
                    .map_err(|f: $crate::cbor::Fault| f.within(stringify!($field)))?),+ })
            }
        }
    };
}

/// A struct that has grown: the array of its first fields in order and, where any later field is set, one array more of
/// `[field_no, value]`, strictly ascending, unknown fields kept.
///
/// So the record's older encoding stays its one encoding as long as nothing new is said. Later fields are `Option`s and
/// absent in JSON where they are not set; `unknown` is written by the macro.
#[macro_export]
macro_rules! cbor_grown {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$fmeta:meta])* pub $field:ident : $ty:ty),+ ;
        $($(#[$mmeta:meta])* $no:literal => pub $more:ident : $mty:ty),+ $(,)?
    }) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$fmeta])* pub $field: $ty,)+
            $($(#[$mmeta])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $more: Option<$mty>,)+
            /// Fields of a later version, kept as they came.
            #[serde(skip)]
            pub unknown: Vec<(u64, $crate::cbor::Value)>,
        }

        impl $crate::cbor::Cbor for $name {
            fn to_value(&self) -> $crate::cbor::Value {
                let mut items = vec![$($crate::cbor::Cbor::to_value(&self.$field)),+];
                let mut more: Vec<(u64, $crate::cbor::Value)> = self.unknown.clone();
                $(if let Some(value) = &self.$more { more.push(($no, $crate::cbor::Cbor::to_value(value))); })+
                if !more.is_empty() {
                    items.push($crate::cbor::numbered(more));
                }
                $crate::cbor::Value::Array(items)
            }
            fn from_value(value: $crate::cbor::Value) -> Result<Self, $crate::cbor::Fault> {
                const FIELDS: usize = [$(stringify!($field)),+].len();
                let mut items = $crate::cbor::array(value)?;
                let more = if items.len() == FIELDS + 1 { items.pop() } else { None };
                let mut items = $crate::cbor::array_of($crate::cbor::Value::Array(items), FIELDS)?.into_iter();
                let mut record = $name {
                    $($field: $crate::cbor::Cbor::from_value(items.next().expect("length checked"))
                        .map_err(|f: $crate::cbor::Fault| f.within(stringify!($field)))?,)+
                    $($more: None,)+
                    unknown: Vec::new(),
                };
                // an empty array more is not what is written: `decode` refuses it as not canonical
                for (no, value) in more.map($crate::cbor::by_number).transpose()?.unwrap_or_default() {
                    match no {
                        $($no => record.$more = Some($crate::cbor::Cbor::from_value(value)
                            .map_err(|f: $crate::cbor::Fault| f.within(stringify!($more)))?),)+
                        _ => {
                            $crate::cbor::plain(&value)?;
                            record.unknown.push((no, value));
                        }
                    }
                }
                Ok(record)
            }
        }
    };
}

/// The array of `[field_no, value]`, ascending.
pub fn numbered(mut fields: Vec<(u64, Value)>) -> Value {
    fields.sort_by_key(|(no, _)| *no);
    Value::Array(fields.into_iter().map(|(no, value)| Value::Array(vec![no.to_value(), value])).collect())
}

/// The fields of an array of `[field_no, value]`, refused unless strictly ascending.
pub fn by_number(value: Value) -> Result<Vec<(u64, Value)>, Fault> {
    let mut fields: Vec<(u64, Value)> = Vec::new();
    for item in array(value)? {
        let mut pair = array_of(item, 2)?.into_iter();
        let no = u64::from_value(pair.next().expect("length checked"))?;
        if fields.last().is_some_and(|(last, _)| no <= *last) {
            return Err(Fault::here(format!("field {no} out of order or twice")));
        }
        fields.push((no, pair.next().expect("length checked")));
    }
    Ok(fields)
}

/// A form with many optional fields: an array of `[field_no, value]`, strictly ascending, unknown fields kept.
///
/// Every field is an `Option`; the last member must be `pub unknown: Vec<(u64, Value)>` and is written by the macro.
#[macro_export]
macro_rules! cbor_form {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* $no:literal => pub $field:ident : $ty:ty),+ $(,)? }) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$fmeta])* pub $field: Option<$ty>,)+
            /// Fields of a later version, kept as they came.
            #[serde(skip)]
            pub unknown: Vec<(u64, $crate::cbor::Value)>,
        }

        impl $crate::cbor::Cbor for $name {
            fn to_value(&self) -> $crate::cbor::Value {
                let mut fields: Vec<(u64, $crate::cbor::Value)> = self.unknown.clone();
                $(if let Some(value) = &self.$field { fields.push(($no, $crate::cbor::Cbor::to_value(value))); })+
                $crate::cbor::numbered(fields)
            }
            fn from_value(value: $crate::cbor::Value) -> Result<Self, $crate::cbor::Fault> {
                let mut form = $name { $($field: None,)+ unknown: Vec::new() };
                for (no, value) in $crate::cbor::by_number(value)? {
                    match no {
                        $($no => form.$field = Some($crate::cbor::Cbor::from_value(value)
                            .map_err(|f: $crate::cbor::Fault| f.within(stringify!($field)))?),)+
                        _ => {
                            $crate::cbor::plain(&value)?;
                            form.unknown.push((no, value));
                        }
                    }
                }
                Ok(form)
            }
        }
    };
}

/// The JSON Schema of a list of codes: in whatever crate it is declared, this crate's feature `schema` decides.
#[cfg(feature = "schema")]
#[macro_export]
macro_rules! codes_schema {
    ($name:ident) => {
        impl $crate::schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut $crate::schemars::SchemaGenerator) -> $crate::schemars::Schema {
                let codes: Vec<&str> = Self::ALL.iter().map(|v| v.code()).collect();
                $crate::schemars::json_schema!({ "type": "string", "enum": codes })
            }
        }
    };
}

/// Nothing: schemas are not asked for.
#[cfg(not(feature = "schema"))]
#[macro_export]
macro_rules! codes_schema {
    ($name:ident) => {};
}

/// An enum of stable codes: a number on the wire, a token in JSON and on the command line.
#[macro_export]
macro_rules! codes {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $no:literal $code:literal => $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every value, in wire order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The number on the wire.
            pub const fn number(self) -> u64 { match self { $($name::$variant => $no),+ } }
            /// The stable token.
            pub const fn code(self) -> &'static str { match self { $($name::$variant => $code),+ } }
            /// From the number on the wire.
            pub fn from_number(no: u64) -> Option<Self> { match no { $($no => Some($name::$variant),)+ _ => None } }
            /// From the stable token.
            pub fn from_code(code: &str) -> Option<Self> { match code { $($code => Some($name::$variant),)+ _ => None } }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.code()) }
        }
        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(code: &str) -> Result<Self, String> {
                let known: Vec<&str> = Self::ALL.iter().map(|v| v.code()).collect();
                Self::from_code(code).ok_or_else(|| format!("`{code}` is not one of: {}", known.join(", ")))
            }
        }
        impl $crate::cbor::Cbor for $name {
            fn to_value(&self) -> $crate::cbor::Value { $crate::cbor::Cbor::to_value(&self.number()) }
            fn from_value(value: $crate::cbor::Value) -> Result<Self, $crate::cbor::Fault> {
                let no = <u64 as $crate::cbor::Cbor>::from_value(value)?;
                Self::from_number(no)
                    .ok_or_else(|| $crate::cbor::Fault::here(format!("{no} is no code of {}", stringify!($name))))
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.code()) }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let code = <String as serde::Deserialize>::deserialize(d)?;
                code.parse().map_err(serde::de::Error::custom)
            }
        }
        $crate::codes_schema!($name);
    };
}

/// An enum of records, each with its number: `[number, record]`.
#[macro_export]
macro_rules! cbor_tagged {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $no:literal => $variant:ident($ty:ty)),+ $(,)? }) => {
        $(#[$meta])*
        pub enum $name { $($(#[$vmeta])* $variant($ty)),+ }

        impl $crate::cbor::Cbor for $name {
            fn to_value(&self) -> $crate::cbor::Value {
                let (no, value): (u64, _) = match self {
                    $($name::$variant(record) => ($no, $crate::cbor::Cbor::to_value(record))),+
                };
                $crate::cbor::Value::Array(vec![$crate::cbor::Cbor::to_value(&no), value])
            }
            fn from_value(value: $crate::cbor::Value) -> Result<Self, $crate::cbor::Fault> {
                let mut pair = $crate::cbor::array_of(value, 2)?.into_iter();
                let no = <u64 as $crate::cbor::Cbor>::from_value(pair.next().expect("length checked"))?;
                let value = pair.next().expect("length checked");
                match no {
                    $($no => $crate::cbor::Cbor::from_value(value).map($name::$variant)
                        .map_err(|f: $crate::cbor::Fault| f.within(stringify!($variant))),)+
                    other => Err($crate::cbor::Fault::here(format!("{other} is no kind of {}", stringify!($name)))),
                }
            }
        }
    };
}

/// Whether an unknown value keeps to the subset: no maps, floats, tags.
pub fn plain(value: &Value) -> Result<(), Fault> {
    match value {
        Value::Array(items) => items.iter().try_for_each(plain),
        Value::Integer(_) | Value::Bytes(_) | Value::Text(_) | Value::Bool(_) | Value::Null => Ok(()),
        other => expected("a plain value", other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    type Sample = Vec<(u64, Option<String>, Bytes)>;

    proptest! {
        #[test]
        fn decoding_undoes_encoding(sample: Vec<(u64, Option<String>, Vec<u8>)>) {
            let sample: Sample = sample.into_iter().map(|(a, b, c)| (a, b, Bytes(c))).collect();
            prop_assert_eq!(decode::<Sample>(&encode(&sample), 1 << 20), Ok(sample));
        }

        #[test]
        fn what_decodes_is_the_one_encoding_of_what_it_says(bytes: Vec<u8>) {
            if let Ok(sample) = decode::<Sample>(&bytes, 1 << 20) {
                prop_assert_eq!(encode(&sample), bytes);
            }
        }
    }

    #[test]
    fn every_lax_form_that_ciborium_takes_is_refused() {
        for (bytes, why) in [
            (vec![0x81, 0x18, 0x01], "integer longer than needed"),
            (vec![0x9f, 0x01, 0xff], "indefinite array"),
            (vec![0x81, 0x01, 0x00], "bytes left over"),
            (vec![0x98, 0x01, 0x01], "length longer than needed"),
            (vec![0x81, 0xf9, 0x3c, 0x00], "float"),
            (vec![0x81, 0xc2, 0x41, 0x01], "tag: bignum"),
            (vec![0x81, 0xa0], "map"),
            (vec![0x81], "cut short"),
            (vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "endless length"),
        ] {
            assert!(decode::<Vec<u64>>(&bytes, 64).is_err(), "{why}");
        }
        assert!(decode::<Bytes>(&[0x5f, 0x41, 0x01, 0xff], 64).is_err(), "indefinite bytes");
        assert!(decode::<Vec<u64>>(&[0x81; 40], 64).is_err(), "nested too deep");
    }

    #[test]
    fn a_fault_names_its_path() {
        let bytes = encode(&vec![(1u64, Bytes(vec![1]))]);
        let fault = decode::<Vec<(u64, String)>>(&bytes, 64).unwrap_err();
        assert_eq!(fault.to_string(), "0.1: expected text, found bytes");
    }
}
