//! Host names and the patterns that configuration writes for them.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A host pattern: `api.example.com` (that name), `*.example.com` (every name below it, not itself), or `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    text: String,
}

impl HostPattern {
    /// Parses a pattern. Case does not matter; a trailing dot is dropped.
    ///
    /// # Errors
    /// Says what is wrong when the pattern is empty, has a `*` elsewhere than in front, or is not a host name.
    pub fn parse(text: &str) -> Result<HostPattern, String> {
        let text = text.trim_end_matches('.').to_ascii_lowercase();
        let name = text.strip_prefix("*.").unwrap_or(&text);
        if text == "*" {
            return Ok(HostPattern { text });
        }
        if name.is_empty() || name.contains('*') {
            return Err(format!("`{text}` is not a host pattern: write `api.example.com`, `*.example.com` or `*`"));
        }
        if name.contains(['/', ' ', '@']) || (name.contains(':') && name.parse::<std::net::Ipv6Addr>().is_err()) {
            return Err(format!("`{text}` is not a host name: leave out scheme, port and path"));
        }
        Ok(HostPattern { text })
    }

    /// Whether a lower-case host without trailing dot is meant.
    pub fn matches(&self, host: &str) -> bool {
        match self.text.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == self.text,
        }
    }

    /// As written, in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        HostPattern::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_labels_in_front_only() {
        let below = HostPattern::parse("*.Example.com.").unwrap();
        assert!(below.matches("a.example.com") && below.matches("a.b.example.com"));
        assert!(!below.matches("example.com") && !below.matches("badexample.com"));
        assert!(HostPattern::parse("a.*.com").is_err() && HostPattern::parse("https://a.com").is_err());
        assert!(HostPattern::parse("::1").unwrap().matches("::1"));
    }
}
