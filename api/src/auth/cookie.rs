//! The refresh token's cookie: no script sees it, no other site sends it, and only `/api/v1/auth` receives it.

use axum::http::{HeaderMap, HeaderValue, header};

use super::SESSION_S;

const NAME: &str = "flowforge_refresh";
const PATH: &str = "/api/v1/auth";

/// The refresh token that a request carries.
pub(crate) fn read(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == NAME).map(|(_, value)| value)
}

/// `Set-Cookie` with a refresh token.
pub(crate) fn keep(token: &str, secure: bool) -> HeaderValue {
    value(token, SESSION_S, secure)
}

/// `Set-Cookie` that has the browser forget the token.
pub(crate) fn clear(secure: bool) -> HeaderValue {
    value("", 0, secure)
}

fn value(token: &str, max_age_s: u64, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{NAME}={token}; Path={PATH}; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("theme=dark; flowforge_refresh=abc; x=y"));
        assert_eq!(read(&headers), Some("abc"));
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        let kept = keep("abc", true);
        let expected = "flowforge_refresh=abc; Path=/api/v1/auth; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(kept, expected);
    }
}
