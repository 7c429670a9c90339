//! The properties of a message: a view on the flags and values of its content header.
//!
//! Checked once and read in place, as tables are. A rewrite changes the one property it is about
//! and leaves every other bit as the publisher sent it (cluster-id too, which nobody reads). Knows
//! nothing of the frame around, nor of what a value stands for.

use super::table::{Malformed, Table, TableView, Value};

const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const KIND: u16 = 1 << 5;
const USER_ID: u16 = 1 << 4;
const APP_ID: u16 = 1 << 3;
const CLUSTER_ID: u16 = 1 << 2;
/// Bit 0 would announce a second word of flags; the class has no 15th property to put behind it.
const UNUSED: u16 = 0b11;

/// Headers with further routing keys.
pub const FURTHER_KEYS: [&str; 2] = [CC, BCC];
/// The first of them stays in the message.
pub const CC: &str = "CC";
/// The second is removed before anybody else sees it.
pub const BCC: &str = "BCC";

/// Bytes of a short string, whose length is one octet.
const SHORT_STRING_BYTES_MAX: usize = 255;

/// The properties that are present. Short strings are bytes: nobody promised UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Properties<'a> {
    raw: &'a [u8],
    /// MIME type of the body.
    pub content_type: Option<&'a [u8]>,
    /// MIME encoding of the body.
    pub content_encoding: Option<&'a [u8]>,
    /// The publisher's own entries.
    pub headers: Option<TableView<'a>>,
    /// 2 asks to keep the message on disk.
    pub delivery_mode: Option<u8>,
    /// For priority queues.
    pub priority: Option<u8>,
    /// Which request a reply belongs to.
    pub correlation_id: Option<&'a [u8]>,
    /// Where to reply.
    pub reply_to: Option<&'a [u8]>,
    /// Time to live, as decimal text in milliseconds.
    pub expiration: Option<&'a [u8]>,
    /// The publisher's name for the message.
    pub message_id: Option<&'a [u8]>,
    /// Seconds since 1970.
    pub timestamp: Option<u64>,
    /// The publisher's name for the kind of message; the property `type`.
    pub kind: Option<&'a [u8]>,
    /// Who published it.
    pub user_id: Option<&'a [u8]>,
    /// What program published it.
    pub app_id: Option<&'a [u8]>,
}

impl Default for Properties<'_> {
    /// None at all, encoded.
    fn default() -> Self {
        Self {
            raw: &[0, 0],
            content_type: None,
            content_encoding: None,
            headers: None,
            delivery_mode: None,
            priority: None,
            correlation_id: None,
            reply_to: None,
            expiration: None,
            message_id: None,
            timestamp: None,
            kind: None,
            user_id: None,
            app_id: None,
        }
    }
}

impl<'a> Properties<'a> {
    /// Walks through flags and values, which is what follows the body size in a header frame, and
    /// leaves nothing over.
    pub fn check(raw: &'a [u8]) -> Result<Self, Malformed> {
        let (flags, mut rest) = raw.split_first_chunk().ok_or(Malformed)?;
        let flags = u16::from_be_bytes(*flags);
        let mut found = Self { raw, ..Self::default() };
        match (flags, rest) {
            // Most messages carry nothing, or only whether they are persistent.
            (0, []) => return Ok(found),
            (DELIVERY_MODE, &[mode]) => found.delivery_mode = Some(mode),
            _ if flags & UNUSED != 0 => return Err(Malformed),
            _ => {
                found.fill(flags, &mut rest)?;
                if !rest.is_empty() {
                    return Err(Malformed);
                }
            }
        }
        Ok(found)
    }

    fn fill(&mut self, flags: u16, rest: &mut &'a [u8]) -> Result<(), Malformed> {
        let rest = &mut Values { flags, rest };
        self.content_type = rest.short_string(CONTENT_TYPE)?;
        self.content_encoding = rest.short_string(CONTENT_ENCODING)?;
        self.headers = rest.table(HEADERS)?;
        self.delivery_mode = rest.octet(DELIVERY_MODE)?;
        self.priority = rest.octet(PRIORITY)?;
        if flags & (PRIORITY - 1) == 0 {
            return Ok(()); // as far as most messages with headers go
        }
        self.correlation_id = rest.short_string(CORRELATION_ID)?;
        self.reply_to = rest.short_string(REPLY_TO)?;
        self.expiration = rest.short_string(EXPIRATION)?;
        self.message_id = rest.short_string(MESSAGE_ID)?;
        self.timestamp = rest.long_long(TIMESTAMP)?;
        self.kind = rest.short_string(KIND)?;
        self.user_id = rest.short_string(USER_ID)?;
        self.app_id = rest.short_string(APP_ID)?;
        rest.short_string(CLUSTER_ID)?;
        Ok(())
    }

    /// The keys by which a message is routed: its routing key, and what CC and BCC say; each once
    /// and sorted. What is no array, or no text in it, is passed over.
    pub fn routing_keys(&self, routing_key: &'a [u8]) -> Vec<&'a [u8]> {
        let mut keys = vec![routing_key];
        for name in FURTHER_KEYS {
            if let Some(Value::Array(array)) = self.headers.and_then(|headers| headers.get(name)) {
                keys.extend(array.iter().filter_map(|element| match element {
                    Value::LongString(key) => Some(key),
                    _ => None,
                }));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Flags and values as they came.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// Flags and values of what is set in this view, whatever it was read from. Strings longer than
    /// a short string can be are cut off.
    pub fn encoded(&self) -> Vec<u8> {
        let mut flags = 0;
        let mut values = Vec::new();
        let short = |flags: &mut u16, values: &mut Vec<u8>, flag, value: Option<&[u8]>| {
            let Some(value) = value else { return };
            let value = value.get(..SHORT_STRING_BYTES_MAX).unwrap_or(value);
            *flags |= flag;
            values.push(value.len() as u8);
            values.extend_from_slice(value);
        };
        short(&mut flags, &mut values, CONTENT_TYPE, self.content_type);
        short(&mut flags, &mut values, CONTENT_ENCODING, self.content_encoding);
        if let Some(headers) = self.headers {
            flags |= HEADERS;
            headers.to_table().write_prefixed(&mut values);
        }
        for (flag, octet) in [(DELIVERY_MODE, self.delivery_mode), (PRIORITY, self.priority)] {
            flags |= octet.map_or(0, |_| flag);
            values.extend(octet);
        }
        short(&mut flags, &mut values, CORRELATION_ID, self.correlation_id);
        short(&mut flags, &mut values, REPLY_TO, self.reply_to);
        short(&mut flags, &mut values, EXPIRATION, self.expiration);
        short(&mut flags, &mut values, MESSAGE_ID, self.message_id);
        if let Some(timestamp) = self.timestamp {
            flags |= TIMESTAMP;
            values.extend(timestamp.to_be_bytes());
        }
        short(&mut flags, &mut values, KIND, self.kind);
        short(&mut flags, &mut values, USER_ID, self.user_id);
        short(&mut flags, &mut values, APP_ID, self.app_id);
        let mut encoded = flags.to_be_bytes().to_vec();
        encoded.append(&mut values);
        encoded
    }

    /// A copy with these headers in place of the old ones, or added.
    pub fn with_headers(&self, headers: &Table) -> Vec<u8> {
        let start = values_start(&[self.content_type, self.content_encoding]);
        let old_bytes = self.headers.map_or(0, table_bytes);
        let mut value = Vec::with_capacity(table_bytes(headers.view()));
        headers.write_prefixed(&mut value);
        self.replace(HEADERS, start, old_bytes, &value)
    }

    /// A copy with this reply-to in place of the old one, or added. An address longer than a
    /// short string can be is cut off.
    pub fn with_reply_to(&self, address: &[u8]) -> Vec<u8> {
        let address = address.get(..SHORT_STRING_BYTES_MAX).unwrap_or(address);
        let old_bytes = self.reply_to.map_or(0, short_string_bytes);
        let mut value = Vec::with_capacity(short_string_bytes(address));
        value.push(address.len() as u8);
        value.extend_from_slice(address);
        self.replace(REPLY_TO, self.reply_to_start(), old_bytes, &value)
    }

    /// A copy without expiration.
    pub fn without_expiration(&self) -> Vec<u8> {
        let Some(expiration) = self.expiration else { return self.raw.to_vec() };
        let start = self.reply_to_start() + self.reply_to.map_or(0, short_string_bytes);
        let mut out = self.replace(EXPIRATION, start, short_string_bytes(expiration), &[]);
        if let Some(flags) = out.first_chunk_mut() {
            *flags = (u16::from_be_bytes(*flags) & !EXPIRATION).to_be_bytes();
        }
        out
    }

    /// Its time to live in milliseconds, if it has one that can be read.
    pub fn expiration_ms(&self) -> Option<u64> {
        std::str::from_utf8(self.expiration?).ok()?.parse().ok()
    }

    fn reply_to_start(&self) -> usize {
        values_start(&[self.content_type, self.content_encoding, self.correlation_id])
            + self.headers.map_or(0, table_bytes)
            + usize::from(self.delivery_mode.is_some())
            + usize::from(self.priority.is_some())
    }

    fn replace(&self, flag: u16, start: usize, old_bytes: usize, value: &[u8]) -> Vec<u8> {
        let before = self.raw.get(..start).unwrap_or_default();
        let after = self.raw.get(start + old_bytes..).unwrap_or_default();
        let mut out = Vec::with_capacity(before.len() + value.len() + after.len());
        let (flags, before) = before.split_first_chunk().unwrap_or((&[0, 0], &[]));
        out.extend_from_slice(&(u16::from_be_bytes(*flags) | flag).to_be_bytes());
        out.extend_from_slice(before);
        out.extend_from_slice(value);
        out.extend_from_slice(after);
        out
    }
}

/// Where the value behind the flags and these short strings begins.
fn values_start(before: &[Option<&[u8]>]) -> usize {
    size_of::<u16>() + before.iter().flatten().map(|s| short_string_bytes(s)).sum::<usize>()
}

fn short_string_bytes(value: &[u8]) -> usize {
    size_of::<u8>() + value.len()
}

fn table_bytes(view: TableView<'_>) -> usize {
    size_of::<u32>() + view.as_bytes().len()
}

/// Takes the value of each flag that is set off the input; flags must be asked in their order.
struct Values<'r, 'a> {
    flags: u16,
    rest: &'r mut &'a [u8],
}

impl<'a> Values<'_, 'a> {
    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    fn short_string(&mut self, flag: u16) -> Result<Option<&'a [u8]>, Malformed> {
        let Some(size) = self.octet(flag)? else { return Ok(None) };
        let (value, rest) = self.rest.split_at_checked(size.into()).ok_or(Malformed)?;
        *self.rest = rest;
        Ok(Some(value))
    }

    fn octet(&mut self, flag: u16) -> Result<Option<u8>, Malformed> {
        if !self.has(flag) {
            return Ok(None);
        }
        let (value, rest) = self.rest.split_first().ok_or(Malformed)?;
        *self.rest = rest;
        Ok(Some(*value))
    }

    fn long_long(&mut self, flag: u16) -> Result<Option<u64>, Malformed> {
        if !self.has(flag) {
            return Ok(None);
        }
        let (value, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        *self.rest = rest;
        Ok(Some(u64::from_be_bytes(*value)))
    }

    fn table(&mut self, flag: u16) -> Result<Option<TableView<'a>>, Malformed> {
        if self.has(flag) { TableView::take(self.rest).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests;
