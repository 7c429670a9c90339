//! Names in certificates: the subject as text (RFC 4514), and the user it stands for.
//!
//! Knows nothing of users but how long a name may be.

use std::fmt::Write as _;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::config::LoginFrom;

/// Longer names are nobody's: names in AMQP have 255 octets at most.
const USER_MAX_BYTES: usize = 255;

/// Short forms of the types in a name, as `RabbitMQ` writes them; others are their numbers.
const TYPES: [(&str, &str); 16] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "TITLE"),
    ("2.5.4.42", "GIVENNAME"),
    ("2.5.4.43", "INITIALS"),
    ("2.5.4.44", "GENERATIONQUALIFIER"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
];

/// The user that a certificate stands for. None if there is no such name in it, or several: which
/// of them counts is not for the client to choose.
pub(super) fn user(certificate: &X509Certificate<'_>, from: LoginFrom) -> Option<String> {
    let name = match from {
        LoginFrom::CommonName => {
            let mut names = certificate.subject().iter_common_name();
            let (first, second) = (names.next()?, names.next());
            let only = if second.is_none() { first } else { return None };
            only.as_str().ok()?.to_owned()
        }
        LoginFrom::DistinguishedName => distinguished(certificate.subject()),
        LoginFrom::SubjectAlternativeName => {
            let names = certificate.subject_alternative_name().ok()??;
            let dns = |name: &GeneralName<'_>| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            };
            names.value.general_names.iter().find_map(dns)?
        }
    };
    let may_be = !name.is_empty() && name.len() <= USER_MAX_BYTES;
    may_be.then_some(name).filter(|name| !name.contains(char::is_control))
}

/// A name as text, its last part first.
pub(super) fn distinguished(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let number = attribute.attr_type().to_id_string();
    let known = TYPES.iter().find(|(known, _)| *known == number);
    let mut text = known.map_or(number.as_str(), |(_, short)| short).to_owned();
    text.push('=');
    if let Ok(value) = attribute.as_str() {
        escape(value, &mut text);
    } else {
        // RFC 4514, 2.4: what is no text is shown in octets.
        text.push('#');
        for octet in attribute.as_slice() {
            let _ = write!(text, "{octet:02X}"); // a String takes everything
        }
    }
    text
}

/// RFC 4514, 2.4.
fn escape(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (c == ' ' && (at == 0 || at == last))
            || (c == '#' && at == 0);
        if special {
            text.push('\\');
        }
        text.push(c);
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
    use x509_parser::prelude::FromDer;

    use super::*;

    fn named(names: &[(DnType, &str)], alternatives: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.subject_alt_names = alternatives;
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    fn user_of(der: &[u8], from: LoginFrom) -> Option<String> {
        user(&X509Certificate::from_der(der).expect("a certificate").1, from)
    }

    #[test]
    fn the_user_is_the_name_that_is_asked_for() {
        let names = [(DnType::OrganizationName, "Ex, Inc. "), (DnType::CommonName, "app")];
        let alternatives = vec![
            SanType::IpAddress([192, 0, 2, 1].into()),
            SanType::DnsName("app.example".try_into().expect("a name")),
            SanType::DnsName("other.example".try_into().expect("a name")),
        ];
        let der = named(&names, alternatives);
        let user = |from| user_of(&der, from);
        assert_eq!(user(LoginFrom::CommonName).as_deref(), Some("app"));
        assert_eq!(user(LoginFrom::DistinguishedName).as_deref(), Some("CN=app,O=Ex\\, Inc.\\ "));
        assert_eq!(user(LoginFrom::SubjectAlternativeName).as_deref(), Some("app.example"));
    }

    #[test]
    fn nobody_is_named_by_what_no_user_can_be_called() {
        let none = named(&[(DnType::OrganizationName, "Example")], Vec::new());
        for from in [LoginFrom::CommonName, LoginFrom::SubjectAlternativeName] {
            assert_eq!(user_of(&none, from), None);
        }
        for name in ["", "a\0b", "a\nb", "\u{1b}[31m", &"x".repeat(256)] {
            let der = named(&[(DnType::CommonName, name)], Vec::new());
            assert_eq!(user_of(&der, LoginFrom::CommonName), None, "{name:?}");
        }
        let longest = "x".repeat(255);
        let der = named(&[(DnType::CommonName, &longest)], Vec::new());
        assert_eq!(user_of(&der, LoginFrom::CommonName), Some(longest));
    }

    #[test]
    fn two_common_names_are_none() {
        let twice = DnType::CustomDnType(vec![2, 5, 4, 3]);
        let der = named(&[(DnType::CommonName, "app"), (twice, "admin")], Vec::new());
        assert_eq!(user_of(&der, LoginFrom::CommonName), None);
    }

    #[test]
    fn special_characters_are_escaped() {
        let mut text = String::new();
        escape("# a,b+\"c\"\\<d>; ", &mut text);
        assert_eq!(text, "\\# a\\,b\\+\\\"c\\\"\\\\\\<d\\>\\;\\ ");
    }
}
