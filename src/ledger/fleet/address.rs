//! Where the store of a fleet is: one server, a master that Sentinels know, or a cluster.
//!
//! ```text
//! redis://[USER[:PASSWORD]@]HOST[:6379][/DATABASE]
//! redis+sentinel://[USER[:PASSWORD]@]HOST[:26379][,HOST…]/MASTER[/DATABASE]
//! redis+cluster://[USER[:PASSWORD]@]HOST[:6379][,HOST…]
//! ```
//!
//! `rediss` in place of `redis` means TLS. Characters of a user or password that would end it are percent-encoded.

use std::fmt;

use percent_encoding::percent_decode_str;

/// Where the store of a fleet is.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) kind: Kind,
    /// Whether the connection is TLS.
    pub tls: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// Host and port of each server that is asked first.
    pub(super) nodes: Vec<(String, u16)>,
    pub(super) database: i64,
}

/// How the server that holds the ledger is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is the one named.
    Node,
    /// Sentinels know it as the master of this name.
    Sentinel(String),
    /// A cluster knows it.
    Cluster,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, without what it says: it may hold a password.
    pub fn parse(text: &str) -> Result<Address, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("an address begins with redis:// or rediss://")?;
        let (family, variant) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match family {
            "redis" => false,
            "rediss" => true,
            _ => return Err("an address begins with redis:// or rediss://"),
        };
        if rest.contains(['?', '#']) {
            return Err("an address has no `?` and no `#`; settings have keys of their own");
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, password, hosts) = credentials(authority)?;
        let (kind, port, database) = match variant {
            "" => (Kind::Node, 6379, path),
            "cluster" => (Kind::Cluster, 6379, path),
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err("the name of the master is missing: redis+sentinel://HOST/MASTER");
                }
                (Kind::Sentinel(master.to_owned()), 26379, database)
            }
            _ => return Err("after `+` comes `sentinel` or `cluster`"),
        };
        let nodes = hosts.split(',').map(|host| node(host, port)).collect::<Result<Vec<_>, _>>()?;
        if kind == Kind::Node && nodes.len() > 1 {
            return Err("several hosts are redis+sentinel:// or redis+cluster://");
        }
        let database = match database {
            "" => 0,
            number => number.parse().ok().filter(|number| *number >= 0).ok_or("a database is a number")?,
        };
        if kind == Kind::Cluster && database != 0 {
            return Err("a cluster has no databases");
        }
        Ok(Address { kind, tls, user, password, nodes, database })
    }

    /// With a password that stands elsewhere.
    #[must_use]
    pub fn with_password(self, password: String) -> Address {
        Address { password: Some(password), ..self }
    }

    /// Whether the address itself holds a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }
}

/// User, password and what follows them.
fn credentials(authority: &str) -> Result<(Option<String>, Option<String>, &str), &'static str> {
    let Some((user, hosts)) = authority.rsplit_once('@') else { return Ok((None, None, authority)) };
    let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.into_owned())),
        Err(_) => Err("the user or password is not UTF-8"),
    };
    match user.split_once(':') {
        Some((user, password)) => Ok((decoded(user)?, decoded(password)?, hosts)),
        None => Ok((decoded(user)?, None, hosts)),
    }
}

fn node(text: &str, otherwise: u16) -> Result<(String, u16), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("`[` without `]`")?;
            (host, port.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("a host is missing");
    }
    let port = port.map_or(Ok(otherwise), str::parse).map_err(|_| "a port is a number up to 65535")?;
    Ok((host.to_owned(), port))
}

/// Without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "rediss" } else { "redis" })?;
        match &self.kind {
            Kind::Node => f.write_str("://")?,
            Kind::Sentinel(_) => f.write_str("+sentinel://")?,
            Kind::Cluster => f.write_str("+cluster://")?,
        }
        for (index, (host, port)) in self.nodes.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
            write!(f, "{comma}{open}{host}{close}:{port}")?;
        }
        if let Kind::Sentinel(master) = &self.kind {
            write!(f, "/{master}")?;
        }
        if self.database != 0 {
            write!(f, "/{}", self.database)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_their_passwords() {
        let cases = [
            ("redis://cache", Ok("redis://cache:6379")),
            ("redis://10.0.0.1:7000/3", Ok("redis://10.0.0.1:7000/3")),
            ("rediss://app:p%40ss@[::1]:6380", Ok("rediss://[::1]:6380")),
            ("redis://:secret@cache", Ok("redis://cache:6379")),
            ("redis+sentinel://a,b:26380/main/2", Ok("redis+sentinel://a:26379,b:26380/main/2")),
            ("rediss+cluster://a:7000,b:7001", Ok("rediss+cluster://a:7000,b:7001")),
            ("redis+sentinel://a,b", Err("the name of the master is missing: redis+sentinel://HOST/MASTER")),
            ("redis://a,b", Err("several hosts are redis+sentinel:// or redis+cluster://")),
            ("redis+cluster://a/1", Err("a cluster has no databases")),
            ("redis://a:b", Err("a port is a number up to 65535")),
            ("redis://a/x", Err("a database is a number")),
            ("redis+ring://a", Err("after `+` comes `sentinel` or `cluster`")),
            ("redis://a?timeout=1", Err("an address has no `?` and no `#`; settings have keys of their own")),
            ("mysql://a", Err("an address begins with redis:// or rediss://")),
            ("redis://", Err("a host is missing")),
        ];
        for (text, expected) in cases {
            let read = Address::parse(text).map(|address| address.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
        let address = Address::parse("rediss://app:p%40ss@cache").unwrap();
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("app"), Some("p@ss")));
        assert_eq!(format!("{address:?}"), "rediss://cache:6379");
    }
}
