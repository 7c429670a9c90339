//! Tables that the server makes itself: server properties, death records, policies.
//!
//! Names and values come from our own code, so there is nothing to refuse; what is checked is
//! what goes on the wire, in the order of the calls.

use super::{ArrayView, Table, TableView, Value, write_sized};

/// Bytes of a name, whose length is one octet.
const NAME_BYTES_MAX: usize = 255;

/// Collects entries; [`TableBuilder::build`] ends it.
#[derive(Default)]
#[must_use]
pub struct TableBuilder(Vec<u8>);

impl TableBuilder {
    /// Starts with no entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts with the entries of another table, byte for byte.
    pub fn from_view(view: TableView<'_>) -> Self {
        Self(view.as_bytes().to_vec())
    }

    /// Ends here.
    pub fn build(self) -> Table {
        Table(self.0.into())
    }

    /// Adds any value; it goes on the wire with the tag of its variant, 64-bit integers with `l`.
    pub fn value(mut self, name: &str, value: &Value<'_>) -> Self {
        self.name(name);
        write_value(&mut self.0, value);
        self
    }

    /// Adds any value under a name that was read out of a table.
    pub fn raw_named(mut self, name: &[u8], value: &Value<'_>) -> Self {
        let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
        self.0.push(name.len() as u8);
        self.0.extend_from_slice(name);
        write_value(&mut self.0, value);
        self
    }

    /// Adds a `bool`.
    pub fn bool(self, name: &str, value: bool) -> Self {
        self.value(name, &Value::Bool(value))
    }

    /// Adds a `longstr`.
    pub fn long_string(self, name: &str, value: &str) -> Self {
        self.value(name, &Value::LongString(value.as_bytes()))
    }

    /// Adds a `long`, which has 64 bits.
    pub fn long(self, name: &str, value: i64) -> Self {
        self.value(name, &Value::I64(value))
    }

    /// Adds a `signedint`, which has 32 bits.
    pub fn int(self, name: &str, value: i32) -> Self {
        self.value(name, &Value::I32(value))
    }

    /// Adds a `timestamp`, in seconds since 1970.
    pub fn timestamp(self, name: &str, seconds: u64) -> Self {
        self.value(name, &Value::Timestamp(seconds))
    }

    /// Adds a `table`.
    pub fn table(self, name: &str, value: &Table) -> Self {
        self.value(name, &Value::Table(value.view()))
    }

    /// Adds an `array` of `longstr`.
    pub fn array_of_long_strings<S: AsRef<[u8]>>(
        self,
        name: &str,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        self.array(name, |out| {
            for value in values {
                write_value(out, &Value::LongString(value.as_ref()));
            }
        })
    }

    /// Adds an `array` of `table`.
    pub fn array_of_tables<'t>(
        self,
        name: &str,
        values: impl IntoIterator<Item = TableView<'t>>,
    ) -> Self {
        self.array(name, |out| {
            for value in values {
                write_value(out, &Value::Table(value));
            }
        })
    }

    fn array(mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut elements = Vec::new();
        write(&mut elements);
        self.name(name);
        self.0.push(b'A');
        write_sized(&mut self.0, &elements);
        self
    }

    fn name(&mut self, name: &str) {
        let fits = |end: &usize| name.is_char_boundary(*end);
        let end = (0..=name.len().min(NAME_BYTES_MAX)).rev().find(fits).unwrap_or(0);
        self.0.push(end as u8);
        self.0.extend(name.bytes().take(end));
    }
}

/// Collects the elements of an array.
#[derive(Default, Debug)]
pub struct ArrayBuilder(Vec<u8>);

impl ArrayBuilder {
    /// Adds any value.
    pub fn push(&mut self, value: &Value<'_>) {
        write_value(&mut self.0, value);
    }

    /// What there is so far.
    pub fn view(&self) -> ArrayView<'_> {
        ArrayView::trusted(&self.0)
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Bool(v) => out.extend([b't', u8::from(*v)]),
        Value::I8(v) => write_fixed(out, b'b', &v.to_be_bytes()),
        Value::U8(v) => out.extend([b'B', *v]),
        Value::I16(v) => write_fixed(out, b's', &v.to_be_bytes()),
        Value::U16(v) => write_fixed(out, b'u', &v.to_be_bytes()),
        Value::I32(v) => write_fixed(out, b'I', &v.to_be_bytes()),
        Value::U32(v) => write_fixed(out, b'i', &v.to_be_bytes()),
        Value::I64(v) => write_fixed(out, b'l', &v.to_be_bytes()),
        Value::F32(v) => write_fixed(out, b'f', &v.to_be_bytes()),
        Value::F64(v) => write_fixed(out, b'd', &v.to_be_bytes()),
        Value::Decimal { scale, value } => {
            out.extend([b'D', *scale]);
            out.extend(value.to_be_bytes());
        }
        Value::Timestamp(v) => write_fixed(out, b'T', &v.to_be_bytes()),
        Value::Void => out.push(b'V'),
        Value::LongString(v) => write_tagged(out, b'S', v),
        Value::Bytes(v) => write_tagged(out, b'x', v),
        Value::Array(v) => write_tagged(out, b'A', v.as_bytes()),
        Value::Table(v) => write_tagged(out, b'F', v.as_bytes()),
    }
}

fn write_fixed(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn write_tagged(out: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    out.push(tag);
    write_sized(out, contents);
}
