//! One value of a field table: what its bytes say, and when two say the same.
//!
//! Two notions of sameness must not be mixed up: [`Value::equals`] compares meaning (an integer
//! is its number, however wide), while bindings are told apart by their bytes (see `Table`).

use std::fmt;
use std::hash::{Hash, Hasher};

use super::TableView;
use super::walk::{take_array, take_octet, take_sized};

/// A decoded value. Strings, arrays and tables are slices of the checked table.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l`, and `L` of older clients
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: `value` divided by ten to the power of `scale`
    Decimal {
        /// How many digits stand behind the point.
        scale: u8,
        /// All digits.
        value: i32,
    },
    /// `S`, by custom UTF-8
    LongString(&'a [u8]),
    /// `A`
    Array(ArrayView<'a>),
    /// `T`: seconds since 1970
    Timestamp(u64),
    /// `F`
    Table(TableView<'a>),
    /// `V`
    Void,
    /// `x`
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Takes a value off checked contents.
    pub(super) fn take(input: &mut &'a [u8]) -> Option<Self> {
        Some(match take_octet(input)? {
            b't' => Self::Bool(take_octet(input)? != 0),
            b'b' => Self::I8(i8::from_be_bytes(take_array(input)?)),
            b'B' => Self::U8(take_octet(input)?),
            b's' => Self::I16(i16::from_be_bytes(take_array(input)?)),
            b'u' => Self::U16(u16::from_be_bytes(take_array(input)?)),
            b'I' => Self::I32(i32::from_be_bytes(take_array(input)?)),
            b'i' => Self::U32(u32::from_be_bytes(take_array(input)?)),
            b'l' | b'L' => Self::I64(i64::from_be_bytes(take_array(input)?)),
            b'f' => Self::F32(f32::from_be_bytes(take_array(input)?)),
            b'd' => Self::F64(f64::from_be_bytes(take_array(input)?)),
            b'D' => Self::Decimal {
                scale: take_octet(input)?,
                value: i32::from_be_bytes(take_array(input)?),
            },
            b'S' => Self::LongString(take_sized(input)?),
            b'A' => Self::Array(ArrayView(take_sized(input)?)),
            b'T' => Self::Timestamp(u64::from_be_bytes(take_array(input)?)),
            b'F' => Self::Table(TableView::trusted(take_sized(input)?)),
            b'V' => Self::Void,
            b'x' => Self::Bytes(take_sized(input)?),
            _ => return None,
        })
    }

    /// The type as error texts name it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal { .. } => "decimal",
            Self::LongString(_) => "longstr",
            Self::Array(_) => "array",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::Void => "void",
            Self::Bytes(_) => "binary",
        }
    }

    /// The number, if this is an integer of any width.
    pub fn as_int(&self) -> Option<i64> {
        Some(match *self {
            Self::I8(v) => v.into(),
            Self::U8(v) => v.into(),
            Self::I16(v) => v.into(),
            Self::U16(v) => v.into(),
            Self::I32(v) => v.into(),
            Self::U32(v) => v.into(),
            Self::I64(v) => v,
            _ => return None,
        })
    }

    /// The bytes of a string or a binary.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::LongString(v) | Self::Bytes(v) => Some(v),
            _ => None,
        }
    }

    /// The text of a string or a binary, if it is UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// Whether both mean the same: integers, floats and byte strings by value whatever their type
    /// tag, tables and arrays entry by entry in their order. Never across these families.
    pub fn equals(&self, other: &Value<'_>) -> bool {
        if let (Some(a), Some(b)) = (self.as_int(), other.as_int()) {
            return a == b;
        }
        if let (Some(a), Some(b)) = (self.as_bytes(), other.as_bytes()) {
            return a == b;
        }
        if let (Some(a), Some(b)) = (self.float_bits(), other.float_bits()) {
            return a == b;
        }
        match (self, other) {
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (
                Self::Decimal { scale: a_scale, value: a },
                Value::Decimal { scale: b_scale, value: b },
            ) => a_scale == b_scale && a == b,
            (Self::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Self::Void, Value::Void) => true,
            (Self::Array(a), Value::Array(b)) => same(a.iter(), b.iter(), |a, b| a.equals(b)),
            (Self::Table(a), Value::Table(b)) => {
                same(a.iter(), b.iter(), |a, b| a.0 == b.0 && a.1.equals(&b.1))
            }
            _ => false,
        }
    }

    /// Feeds a hash that is the same for all values that are [`Self::equals`].
    pub fn hash_into(&self, state: &mut impl Hasher) {
        if let Some(v) = self.as_int() {
            (b'i', v).hash(state);
        } else if let Some(v) = self.as_bytes() {
            (b'S', v).hash(state);
        } else if let Some(v) = self.float_bits() {
            (b'd', v).hash(state);
        } else {
            self.hash_other(state);
        }
    }

    /// The types that are equal to their own kind only.
    fn hash_other<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Bool(v) => (b't', v).hash(state),
            Self::Decimal { scale, value } => (b'D', scale, value).hash(state),
            Self::Timestamp(v) => (b'T', v).hash(state),
            Self::Array(v) => {
                state.write_u8(b'A');
                v.iter().for_each(|v| v.hash_into(state));
                state.write_u8(0);
            }
            Self::Table(v) => {
                state.write_u8(b'F');
                for (name, v) in v {
                    name.hash(state);
                    v.hash_into(state);
                }
                state.write_u8(0);
            }
            _ => state.write_u8(b'V'),
        }
    }

    /// Floats as bits that are the same for equal ones: one zero, and one not-a-number so that a
    /// value always equals itself.
    fn float_bits(&self) -> Option<u64> {
        let v = match *self {
            Self::F32(v) => f64::from(v),
            Self::F64(v) => v,
            _ => return None,
        };
        Some(if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() })
    }
}

/// Whether two sequences have equal elements and end together.
fn same<A, B>(
    mut a: impl Iterator<Item = A>,
    mut b: impl Iterator<Item = B>,
    equal: impl Fn(&A, &B) -> bool,
) -> bool {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if equal(&a, &b) => {}
            _ => return false,
        }
    }
}

/// The bare value, for error texts: no quotes and no type.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(v) = self.as_int() {
            return v.fmt(f);
        }
        match self {
            Self::Bool(v) => v.fmt(f),
            Self::F32(v) => write!(f, "{v:?}"),
            Self::F64(v) => write!(f, "{v:?}"),
            Self::Decimal { scale, value } => write!(f, "{value}e-{scale}"),
            Self::Timestamp(v) => v.fmt(f),
            Self::LongString(v) | Self::Bytes(v) => String::from_utf8_lossy(v).fmt(f),
            Self::Array(v) => {
                f.write_str("[")?;
                for (at, v) in v.iter().enumerate() {
                    write!(f, "{}{v}", if at == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Table(v) => {
                f.write_str("{")?;
                for (at, (name, v)) in v.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{}={v}", String::from_utf8_lossy(name))?;
                }
                f.write_str("}")
            }
            _ => f.write_str("undefined"),
        }
    }
}

/// The checked contents of an array, without the length in front.
#[derive(Clone, Copy, Default)]
pub struct ArrayView<'a>(&'a [u8]);

impl<'a> ArrayView<'a> {
    /// For contents that are sound already.
    pub(super) fn trusted(contents: &'a [u8]) -> Self {
        Self(contents)
    }

    /// Its values in order.
    pub fn iter(&self) -> Elements<'a> {
        Elements { rest: self.0 }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The contents as they came.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> IntoIterator for &ArrayView<'a> {
    type Item = Value<'a>;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

impl fmt::Debug for ArrayView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterates over the elements of an array.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        Value::take(&mut self.rest)
    }
}
