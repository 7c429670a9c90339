//! The layout of names and values on the wire: where each ends, and nothing of what it says.
//!
//! Everything takes bytes off the front of its input and answers `None` when they do not suffice.

/// How many bytes a value has behind its type tag.
enum Width {
    Fixed(usize),
    /// A 32-bit length, then that many opaque bytes.
    Sized,
    /// A 32-bit length, then values.
    Array,
    /// A 32-bit length, then names and values.
    Table,
}

fn width(tag: u8) -> Option<Width> {
    Some(match tag {
        b'V' => Width::Fixed(0),
        b't' | b'b' | b'B' => Width::Fixed(1),
        b's' | b'u' => Width::Fixed(2),
        b'I' | b'i' | b'f' => Width::Fixed(4),
        b'D' => Width::Fixed(5),
        b'l' | b'L' | b'd' | b'T' => Width::Fixed(8),
        b'S' | b'x' => Width::Sized,
        b'A' => Width::Array,
        b'F' => Width::Table,
        _ => return None,
    })
}

pub(super) fn take<'a>(input: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(count)?;
    *input = rest;
    Some(taken)
}

pub(super) fn take_array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(*taken)
}

pub(super) fn take_octet(input: &mut &[u8]) -> Option<u8> {
    let (octet, rest) = input.split_first()?;
    *input = rest;
    Some(*octet)
}

pub(super) fn take_name<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size = take_octet(input)?;
    take(input, size.into())
}

pub(super) fn take_sized<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size = u32::from_be_bytes(take_array(input)?);
    take(input, usize::try_from(size).ok()?)
}

/// A value with its tag, of contents that have been checked: does not look inside.
pub(super) fn take_raw_value<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let whole = *input;
    match width(take_octet(input)?)? {
        Width::Fixed(size) => take(input, size)?,
        Width::Sized | Width::Array | Width::Table => take_sized(input)?,
    };
    whole.get(..whole.len() - input.len())
}

pub(super) fn check_fields(mut contents: &[u8], depth_left: u8) -> Option<()> {
    while !contents.is_empty() {
        take_name(&mut contents)?;
        check_value(&mut contents, depth_left)?;
    }
    Some(())
}

fn check_elements(mut contents: &[u8], depth_left: u8) -> Option<()> {
    while !contents.is_empty() {
        check_value(&mut contents, depth_left)?;
    }
    Some(())
}

fn check_value(input: &mut &[u8], depth_left: u8) -> Option<()> {
    match width(take_octet(input)?)? {
        Width::Fixed(size) => take(input, size).map(|_| ()),
        Width::Sized => take_sized(input).map(|_| ()),
        Width::Array => check_elements(take_sized(input)?, depth_left.checked_sub(1)?),
        Width::Table => check_fields(take_sized(input)?, depth_left.checked_sub(1)?),
    }
}
