//! Networks, as they are written in the configuration: one address, or all that begin like it.
//!
//! Knows nothing of who is in them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

const RULE: &str = "must be none, or addresses and networks such as 10.0.0.7, 10.0.0.0/8 or \
                    fd00::/8, separated by commas";

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Whether an address is in it. An IPv4 address is the same one when it is written as IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(mine), IpAddr::V4(its)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_bits)).unwrap_or(0);
                (mine.to_bits() ^ its.to_bits()) & mask == 0
            }
            (IpAddr::V6(mine), IpAddr::V6(its)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_bits)).unwrap_or(0);
                (mine.to_bits() ^ its.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// Networks separated by commas, or none.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    text.split(',').map(|part| part.trim().parse()).collect()
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no network: {RULE}");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            None => most,
            // No signs: they mean nothing here.
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        Ok(Self { address, prefix_bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(networks_text: &str, address: &str) -> bool {
        let address = address.parse().expect("an address");
        networks(networks_text).expect("networks").iter().any(|n| n.contains(address))
    }

    #[test]
    fn a_network_has_all_that_begin_like_it() {
        for (text, inside, outside) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/31", "10.1.2.2", "10.1.2.4"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "::2"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.2"),
            ("192.0.2.1, fd00::1", "fd00::1", "192.0.2.2"),
        ] {
            assert!(contains(text, inside), "{inside} in {text}");
            assert!(!contains(text, outside), "{outside} in {text}");
        }
        assert_eq!(networks("none"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "a", "10.0.0.1/", "10.0.0.1/+8", ","]
        {
            let error = networks(text).expect_err(text);
            assert!(error.contains(" is no network: "), "{error}");
        }
    }
}
