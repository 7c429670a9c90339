//! The header of the PROXY protocol, versions 1 and 2: for whom a proxy comes.
//!
//! Octets to a value; says how many more may be read without touching what comes behind. Knows no
//! sockets, and nothing of who may send one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1, line end included (2.1 of its specification).
const V1_MAX_BYTES: usize = 107;
/// The shortest header of version 1: `PROXY UNKNOWN` and the line end. So much of any header can
/// be read at once.
const V1_MIN_BYTES: usize = 15;
const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of version 2 in front of the addresses.
const V2_FIXED_BYTES: usize = 16;
/// The longest header of version 2 that is read. Addresses take 216 octets at most; the rest is
/// notes of the proxy that mean nothing here, of which the longest is a client certificate.
const V2_MAX_BYTES: usize = 4096;

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Header {
    /// A client of that address has connected to the proxy at the other one.
    For {
        /// The client.
        source: SocketAddr,
        /// Where it believes to have connected to.
        destination: SocketAddr,
    },
    /// The proxy comes for itself, or for somebody without an address.
    Unknown,
}

/// How far the parser is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// At least so many octets belong to the header still.
    Needs(usize),
    /// That was all of it.
    Done(Header),
    /// It is no header: why.
    Wrong(&'static str),
}

/// Looks at all octets that have been read so far.
pub(super) fn parse(read: &[u8]) -> Step {
    if read.len() < V1_MIN_BYTES {
        let start_fits = |start: &[u8]| {
            let common = start.len().min(read.len());
            start.get(..common) == read.get(..common)
        };
        if start_fits(V1_START) || start_fits(V2_START) {
            return Step::Needs(V1_MIN_BYTES - read.len());
        }
        return Step::Wrong("it begins with something else");
    }
    match read.strip_prefix(V2_START) {
        Some(rest) => version_2(rest),
        None if read.starts_with(V1_START) => version_1(read),
        None => Step::Wrong("it begins with something else"),
    }
}

fn version_1(read: &[u8]) -> Step {
    let Some(line) = read.strip_suffix(b"\r\n") else {
        let missing = if read.ends_with(b"\r") { 1 } else { 2 };
        if read.len() + missing <= V1_MAX_BYTES {
            return Step::Needs(missing);
        }
        return Step::Wrong("the line is longer than 107 octets");
    };
    let line = str::from_utf8(line).unwrap_or_default();
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Step::Done(Header::Unknown); // what follows is to be ignored
    }
    let mut next = || words.next().unwrap_or_default();
    let (source, destination, source_port, destination_port) = (next(), next(), next(), next());
    let address = |text: &str| match family {
        Some("TCP4") => text.parse().map(IpAddr::V4).ok(),
        Some("TCP6") => text.parse().map(IpAddr::V6).ok(),
        _ => None,
    };
    let end = |host, port| Some(SocketAddr::new(address(host)?, decimal(port)?));
    match (end(source, source_port), end(destination, destination_port), words.next()) {
        (Some(source), Some(destination), None) => Step::Done(Header::For { source, destination }),
        _ => Step::Wrong("the line is no TCP4, TCP6 or UNKNOWN with two addresses and two ports"),
    }
}

/// Digits and nothing else: `parse` alone would take a plus sign and leading zeros.
fn decimal(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// `rest` is all that was read behind the signature.
fn version_2(rest: &[u8]) -> Step {
    let read_bytes = V2_START.len() + rest.len();
    let Some((&[command, family, high, low], addresses)) = rest.split_first_chunk() else {
        return Step::Needs(V2_FIXED_BYTES - read_bytes);
    };
    let whole = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if whole > V2_MAX_BYTES {
        return Step::Wrong("the header is longer than 4096 octets");
    }
    if read_bytes < whole {
        return Step::Needs(whole - read_bytes);
    }
    match (command, family) {
        (0x21, 0x11) => ends(addresses, |octets: [u8; 4]| Ipv4Addr::from(octets).into()),
        (0x21, 0x21) => ends(addresses, |octets: [u8; 16]| Ipv6Addr::from(octets).into()),
        // The proxy itself; then no family, and local sockets, which have no address.
        (0x20, _) | (0x21, 0x00 | 0x31 | 0x32) => Step::Done(Header::Unknown),
        (0x21, _) => Step::Wrong("the address family is not one of TCP"),
        _ => Step::Wrong("neither version 2 nor a known command"),
    }
}

/// Two addresses and two ports; what follows is left.
fn ends<const N: usize>(octets: &[u8], address: fn([u8; N]) -> IpAddr) -> Step {
    let taken = || {
        let (source, rest) = octets.split_first_chunk()?;
        let (destination, rest) = rest.split_first_chunk()?;
        let (source_port, rest) = rest.split_first_chunk()?;
        let (destination_port, _) = rest.split_first_chunk()?;
        let end = |host: &[u8; N], port: &[u8; 2]| {
            SocketAddr::new(address(*host), u16::from_be_bytes(*port))
        };
        Some((end(source, source_port), end(destination, destination_port)))
    };
    match taken() {
        Some((source, destination)) => Step::Done(Header::For { source, destination }),
        None => Step::Wrong("the header is too short for its addresses"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads as a socket would be read: never more than asked for. What was read, and the outcome.
    fn read_from(stream: &[u8]) -> (usize, Step) {
        let mut at = 0;
        loop {
            match parse(&stream[..at]) {
                Step::Needs(more) if at + more <= stream.len() => {
                    assert!(more > 0);
                    at += more;
                }
                step => return (at, step),
            }
        }
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let size = (rest.len() as u16).to_be_bytes();
        [V2_START, &[command, family][..], &size, rest].concat()
    }

    fn ends(source: &str, destination: &str) -> Step {
        let [source, destination] = [source, destination].map(|end| end.parse().expect("an end"));
        Step::Done(Header::For { source, destination })
    }

    #[test]
    fn version_1_names_both_ends() {
        for (line, expected) in [
            (
                "PROXY TCP4 192.0.2.7 10.0.0.1 56324 5672\r\n",
                ends("192.0.2.7:56324", "10.0.0.1:5672"),
            ),
            ("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", ends("[2001:db8::1]:0", "[::1]:65535")),
            ("PROXY UNKNOWN\r\n", Step::Done(Header::Unknown)),
            ("PROXY UNKNOWN ffff::1 whatever 1 2\r\n", Step::Done(Header::Unknown)),
        ] {
            assert_eq!(read_from(line.as_bytes()), (line.len(), expected.clone()), "{line}");
            let with_more = format!("{line}AMQP and so on");
            assert_eq!(read_from(with_more.as_bytes()), (line.len(), expected), "{line}");
        }
    }

    #[test]
    fn what_is_not_version_1_is_refused() {
        for line in [
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n",
            "PROXY TCP4 192.0.2.7  10.0.0.1 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY \u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\r\n",
            "GET / HTTP/1.1\r\n",
            "AMQP\0\0\x09\x01 and so on",
        ] {
            assert!(matches!(read_from(line.as_bytes()).1, Step::Wrong(_)), "{line}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(1000));
        let (read, step) = read_from(endless.as_bytes());
        assert!(read <= V1_MAX_BYTES && matches!(step, Step::Wrong(_)), "{read} {step:?}");
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MAX_BYTES - 16));
        assert_eq!(read_from(longest.as_bytes()), (V1_MAX_BYTES, Step::Done(Header::Unknown)));
    }

    #[test]
    fn version_2_names_both_ends_and_notes_are_left_out() {
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 0x04, 0x16, 0x28];
        let expected = ends("192.0.2.7:56324", "10.0.0.1:5672");
        let header = version_2(0x21, 0x11, &four);
        assert_eq!(read_from(&header), (28, expected.clone()));
        let with_notes = version_2(0x21, 0x11, &[&four[..], &[0x20; 300]].concat());
        let stream = [&with_notes[..], b"AMQP"].concat();
        assert_eq!(read_from(&stream), (with_notes.len(), expected));

        let mut six = [0; 36];
        (six[15], six[31], six[33], six[35]) = (1, 2, 3, 4);
        let header = version_2(0x21, 0x21, &six);
        assert_eq!(read_from(&header).1, ends("[::1]:3", "[::2]:4"));
        for (command, family, rest) in
            [(0x20, 0x11, &four[..]), (0x20, 0, &[]), (0x21, 0, &[]), (0x21, 0x31, &[0; 216])]
        {
            let header = version_2(command, family, rest);
            assert_eq!(read_from(&header), (header.len(), Step::Done(Header::Unknown)));
        }
    }

    #[test]
    fn what_is_not_version_2_is_refused() {
        for header in [
            version_2(0x21, 0x11, &[0; 11]),
            version_2(0x21, 0x21, &[0; 35]),
            version_2(0x22, 0x11, &[0; 12]),
            version_2(0x11, 0x11, &[0; 12]),
            version_2(0x21, 0x12, &[0; 12]),
            version_2(0x21, 0x41, &[0; 12]),
            version_2(0x21, 0x11, &[0; 4081]),
        ] {
            assert!(matches!(read_from(&header).1, Step::Wrong(_)), "{header:?}");
        }
        let longest = version_2(0x20, 0, &[0; 4080]);
        assert_eq!(read_from(&longest), (V2_MAX_BYTES, Step::Done(Header::Unknown)));
        let announced = version_2(0x20, 0, &[0; 4081]);
        assert!(read_from(&announced).0 <= V2_FIXED_BYTES, "nothing is read that is not wanted");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_read_on(
            start in prop_oneof![Just(&b""[..]), Just(V1_START), Just(&V2_START[..])],
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let stream = [start, &rest].concat();
            let (read, _) = read_from(&stream);
            prop_assert!(read <= V2_MAX_BYTES);
        }

        #[test]
        fn what_a_proxy_says_is_understood(
            source in any::<(IpAddr, u16)>(),
            port in any::<u16>(),
            more in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let source = SocketAddr::from(source);
            let destination = SocketAddr::new(source.ip(), port);
            let kind = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let ip = source.ip();
            let line = format!("PROXY {kind} {ip} {ip} {} {port}\r\n", source.port());
            let stream = [line.as_bytes(), &more].concat();
            let expected = Step::Done(Header::For { source, destination });
            prop_assert_eq!(read_from(&stream), (line.len(), expected.clone()));

            let (family, octets) = match ip {
                IpAddr::V4(ip) => (0x11, ip.octets().repeat(2)),
                IpAddr::V6(ip) => (0x21, ip.octets().repeat(2)),
            };
            let ports = [source.port().to_be_bytes(), port.to_be_bytes()].concat();
            let header = version_2(0x21, family, &[octets, ports].concat());
            let stream = [&header[..], &more].concat();
            prop_assert_eq!(read_from(&stream), (header.len(), expected));
        }
    }
}
