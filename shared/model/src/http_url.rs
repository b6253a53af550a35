//! URLs of the web, in the one reading that all parsers share.

use crate::text::checked_text;

const URL_LENGTH_MAX: usize = 2048;

/// Parsers of URLs differ in what is odd: backslashes, missing slashes, blanks that they drop, credentials
/// that are empty. None of it gets in, so that what is checked here is what all others see.
fn parse_http_url(text: &str) -> Option<url::Url> {
    let is_odd = |character: char| character.is_control() || character.is_whitespace() || character == '\\';
    if text.len() > URL_LENGTH_MAX || text.contains(is_odd) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    if !is_web || authority.is_empty() || authority.contains('@') {
        return None;
    }
    let url = url::Url::parse(text).ok()?;
    // Nothing listens at port 0, and a fragment is never sent.
    (url.has_host() && url.port() != Some(0) && url.fragment().is_none()).then_some(url)
}

fn origin(text: &str) -> String {
    parse_http_url(text).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

fn is_http_url(text: &str) -> bool {
    parse_http_url(text).is_some()
}

checked_text!(
    /// An http or https URL with a host, without credentials and fragment, at most 2,048 bytes.
    HttpUrl, is_http_url,
    "must be an http or https URL with a host, without credentials, fragment and blanks, at most 2048 bytes"
);

impl HttpUrl {
    /// Where it leads: scheme, host and port, however they are spelled.
    pub fn origin(&self) -> String {
        origin(self.as_str())
    }

    /// The same URL in the one spelling that all its spellings have in common.
    pub fn canonical(&self) -> String {
        parse_http_url(self.as_str()).map(String::from).unwrap_or_default()
    }
}

fn is_base_url(text: &str) -> bool {
    parse_http_url(text).is_some_and(|url| url.query().is_none())
}

checked_text!(
    /// An [`HttpUrl`] without query, to which an API's name is appended.
    BaseUrl, is_base_url,
    "must be an http or https URL with a host, without credentials, query, fragment and blanks, at most 2048 bytes"
);

impl BaseUrl {
    /// Where it leads: scheme, host and port.
    pub fn origin(&self) -> String {
        origin(self.as_str())
    }

    /// The URL of an API below it.
    pub fn join(&self, api_name: &str) -> String {
        format!("{}/{api_name}", self.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_are_urls() {
        for good in [
            "http://localhost:9/x",
            "https://example.com",
            "https://example.com/a?b=c@d",
            "http://[::1]/",
            "HTTPS://EXAMPLE.com:65535",
            "https://bücher.example/ü",
            "http://127.0.0.1.:80/",
        ] {
            assert!(is_http_url(good), "{good}");
        }
        for bad in [
            "",
            "ftp://a",
            "file:///etc/passwd",
            "gopher://a/",
            "example.com",
            "//example.com",
            "http://",
            "http:///a",
            "http://?a",
            "http:example.com",
            "http:/example.com",
            "http:\\\\example.com",
            "http://a\\b/",
            "http://a.example\\@b.example/",
            "https://u:p@h/",
            "https://u@h/",
            "https://@h/",
            "https://:@h/",
            "https://u%40h@i/",
            "http://a\nb",
            "http://a\t/",
            "http://a b/",
            "http://a\u{a0}b/",
            "http://a\u{3000}/",
            "http://h/#part",
            "http://h:0/",
            "http://h:65536/",
            "http://h:-1/",
            "http://h:80:80/",
            "http://[fe80::1%25eth0]/",
            "http://[fe80::1%eth0]/",
            "http://[::1/",
            "http://1.2.3.4.5/",
            "http://256.0.0.1/",
            "http://0x1.2.3.4.5/",
            "http://a%00b/",
            "http://a%2fb/",
        ] {
            assert!(!is_http_url(bad), "{bad}");
        }
        assert!(!is_base_url("https://example.com/?a=b"));
        assert_eq!("https://h/v1/".parse::<BaseUrl>().expect("a URL").join("a/b"), "https://h/v1/a/b");
    }
}
