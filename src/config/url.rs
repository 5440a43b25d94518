//! The parts of a webhook's URL that a request needs.

/// Where a request goes. It is reached through a cluster, whose `transport_socket` decides about TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub https: bool,
    /// Host and, if given, port: the `:authority`.
    pub authority: String,
    /// Path and query, at least `/`.
    pub path: String,
}

impl Url {
    /// Splits an absolute `http` or `https` URL (RFC 3986, 3).
    ///
    /// # Errors
    /// What is wrong with it, without showing it: paths and queries of webhooks are secrets.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the URL holds spaces or characters that are not ASCII; percent-encode them");
        }
        let (scheme, rest) = text.split_once("://").ok_or("the URL is not absolute; expected https://host/path")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("the scheme of the URL is not http or https"),
        };
        if rest.contains('#') {
            return Err("the URL has a fragment (#…), which is never sent");
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("the URL holds credentials; send them in a header, such as Authorization: Bearer ${TOKEN}");
        }
        let (host, port) = split_port(authority);
        if host.is_empty() {
            return Err("the URL has no host");
        }
        if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
            return Err("the port of the URL is not a number from 1 to 65535");
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { https, authority: authority.to_owned(), path })
    }

    /// The host, without a port.
    pub(super) fn host(&self) -> &str {
        split_port(&self.authority).0
    }

    /// `https` or `http`.
    pub const fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

/// Host and port; the colons of an IPv6 address (`[::1]:443`) are none of a port's.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_what_a_request_needs() {
        for (text, scheme, authority, host, path) in [
            ("https://hooks.example.com/a/b?c=d", "https", "hooks.example.com", "hooks.example.com", "/a/b?c=d"),
            ("HTTP://localhost:8080", "http", "localhost:8080", "localhost", "/"),
            ("https://[::1]:8443?x", "https", "[::1]:8443", "[::1]", "/?x"),
            ("https://[::1]/", "https", "[::1]", "[::1]", "/"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.scheme(), &*url.authority, url.host(), &*url.path), (scheme, authority, host, path));
        }
    }

    #[test]
    fn what_cannot_be_sent_to_is_refused() {
        for (text, why) in [
            ("hooks.example.com/x", "not absolute"),
            ("/x", "not absolute"),
            ("https:///x", "no host"),
            ("https://:80/x", "no host"),
            ("https://h:0/x", "port"),
            ("https://h:99999/x", "port"),
            ("https://h:/x", "port"),
            ("ftp://h/x", "scheme"),
            ("https://user:pw@h/x", "credentials"),
            ("https://h/x y", "spaces"),
            ("https://h/x\r\ny", "spaces"),
            ("https://h/é", "ASCII"),
            ("https://h/#x", "fragment"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
