//! Who a message is from and for: one address a text, and nothing hidden in it.

use flowforge_core::node::NodeError;
use lettre::{Address, message::Mailbox};

use super::one_line;
use crate::params::{Text, invalid};

/// The longest part before the `@`, in bytes.
const LONGEST_USER: usize = 64;
/// The longest name beside an address, in bytes.
const LONGEST_NAME: usize = 200;
/// What is text of its own in a list of addresses, so that a name which holds it stands in quotes.
const SPECIAL: &[char] = &['<', '>', '(', ')', '[', ']', ',', ';', ':', '@', '\\', '"'];
/// What may stand before the `@` beside letters and digits.
const IN_USER: &str = "!#$%&'*+-/=?^_`{|}~.";

/// All addresses of a parameter that is a list.
pub(super) fn mailboxes(field: &str, texts: &[Text]) -> Result<Vec<Mailbox>, NodeError> {
    texts.iter().enumerate().map(|(at, text)| mailbox(&format!("{field}.{at}"), text)).collect()
}

/// One address, `ada@example.org` or `Ada Lovelace <ada@example.org>`. A text with several is refused: a value that was put
/// into it could name recipients that the author never thought of.
pub(super) fn mailbox(field: &str, text: &str) -> Result<Mailbox, NodeError> {
    let text = one_line(field, text.trim(), 2 * LONGEST_NAME + 400)?;
    match text.strip_suffix('>').map(|text| text.rsplit_once('<')) {
        None => Ok(Mailbox::new(None, address(field, text)?)),
        Some(Some((name, text))) => Ok(Mailbox::new(name_of(field, name.trim())?, address(field, text)?)),
        Some(None) => Err(refused(field, text, "it ends in `>` and has no `<`")),
    }
}

fn name_of(field: &str, text: &str) -> Result<Option<String>, NodeError> {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let name = match quoted {
        Some(quoted) => unquoted(quoted).ok_or_else(|| refused(field, text, "a quote in a name is written `\\\"`"))?,
        None if text.contains(SPECIAL) => {
            let why = "write each address as an entry of its own, and a name with other signs than letters in quotes";
            return Err(refused(field, text, why));
        }
        None => text.to_owned(),
    };
    if name.len() > LONGEST_NAME {
        return Err(refused(field, text, "the name is too long"));
    }
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// What stands between quotes; none when the quotes end before it does.
fn unquoted(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => name.push(signs.next()?),
            '"' => return None,
            sign => name.push(sign),
        }
    }
    Some(name)
}

/// An address whose domain is written in ASCII, as every server understands it.
fn address(field: &str, text: &str) -> Result<Address, NodeError> {
    let (user, domain) = text.rsplit_once('@').ok_or_else(|| refused(field, text, "it has no `@`"))?;
    if !is_user(user) {
        return Err(refused(field, text, "what stands before the `@` is no name of a mailbox; write one address only"));
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok().filter(|domain| domain.parse::<std::net::IpAddr>().is_err());
    let ascii = ascii.ok_or_else(|| refused(field, text, "what stands behind the `@` is no domain"))?;
    Address::new(user, ascii).map_err(|fault| refused(field, text, &fault.to_string()))
}

/// Quoted names of mailboxes are not taken: servers do not agree on where such an address ends.
fn is_user(user: &str) -> bool {
    let fits = |sign: char| sign.is_ascii_alphanumeric() || IN_USER.contains(sign) || (!sign.is_ascii() && !sign.is_whitespace());
    (1..=LONGEST_USER).contains(&user.len()) && user.chars().all(fits) && user.split('.').all(|part| !part.is_empty())
}

fn refused(field: &str, text: &str, why: &str) -> NodeError {
    invalid(format!("`{field}` is no address: `{text}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Option<String>, String)> {
        mailbox("to", text).ok().map(|one| (one.name, one.email.to_string()))
    }

    #[test]
    fn an_address_may_have_a_name_and_a_domain_in_any_script() {
        for (text, name, address) in [
            ("ada@example.org", None, "ada@example.org"),
            (" ada+tag@mail.example.org\n", None, "ada+tag@mail.example.org"),
            ("<ada@example.org>", None, "ada@example.org"),
            ("Ada Lovelace <ada@example.org>", Some("Ada Lovelace"), "ada@example.org"),
            ("\"Lovelace, Ada\" <ada@example.org>", Some("Lovelace, Ada"), "ada@example.org"),
            (r#""Ada \"A\" \\" <ada@example.org>"#, Some(r#"Ada "A" \"#), "ada@example.org"),
            ("Åsa Öberg <asa@exempel.se>", Some("Åsa Öberg"), "asa@exempel.se"),
            ("info@bücher.example", None, "info@xn--bcher-kva.example"),
            ("用户@例え.jp", None, "用户@xn--r8jz45g.jp"),
            ("ADA@EXAMPLE.org", None, "ADA@example.org"),
        ] {
            assert_eq!(read(text), Some((name.map(str::to_owned), address.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_none_or_more_than_one_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        let long_name = format!("{} <a@example.org>", "a".repeat(201));
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@@example.org",
            "ada@example.org, bob@example.org",
            "a@example.org,b@example.org",
            "Ada <a@example.org>, Bob <b@example.org>",
            "\"Ada\" <a@example.org>, \"Bob\" <b@example.org>",
            "Lovelace, Ada <ada@example.org>",
            "ada@example.org>",
            "Ada <ada@example.org> x",
            "<a@example.org><b@example.org>",
            "ada@example.org\r\nBcc: eve@example.org",
            "Ada\r\nBcc: eve@example.org <ada@example.org>",
            "Ada\u{85}B <ada@example.org>",
            "ada\0@example.org",
            "a b@example.org",
            "\"a b\"@example.org",
            "\"eve@example.com x\"@example.org",
            ".ada@example.org",
            "a..b@example.org",
            "ada@example..org",
            "ada@-example.org",
            "ada@exa mple.org",
            "ada@example.org SIZE=1",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ada@example.org>\u{20}RCPT",
            &long,
            &long_name,
        ] {
            let fault = mailbox("to.0", text).unwrap_err();
            assert!(
                fault.code == "INVALID_PARAMETER" && fault.message.contains("to.0") && !fault.message.contains('\n'),
                "{text}"
            );
        }
    }
}
