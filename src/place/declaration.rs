//! What the organisation itself says about a recipient. It is final.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::transfer::{Country, HostPattern};

use super::host::suffixes;

/// A recipient the organisation knows.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// Its hosts or addresses.
    pub hosts: Vec<HostPattern>,
    /// Where it is.
    pub countries: Vec<Country>,
    /// Who runs it.
    pub operator: Option<Arc<str>>,
}

/// Declarations by host. An exact name beats `*.name`, a longer `*.name` a shorter one, and anything beats `*`; of two
/// declarations about the same pattern the first one counts.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    exact: HashMap<Box<str>, Arc<Declaration>>,
    below: HashMap<Box<str>, Arc<Declaration>>,
    addresses: HashMap<IpAddr, Arc<Declaration>>,
    all: Option<Arc<Declaration>>,
}

impl Declarations {
    /// Sorts the declarations by what they match.
    pub(super) fn compile(declarations: Vec<Declaration>) -> Declarations {
        let mut compiled = Declarations::default();
        for declaration in declarations.into_iter().filter(|declaration| !declaration.countries.is_empty()) {
            let declaration = Arc::new(declaration);
            for pattern in &declaration.hosts {
                compiled.add(pattern.as_str(), &declaration);
            }
        }
        compiled
    }

    fn add(&mut self, pattern: &str, declaration: &Arc<Declaration>) {
        let entry = || Arc::clone(declaration);
        match (pattern.strip_prefix("*."), pattern.parse::<IpAddr>()) {
            (Some(name), _) => drop(self.below.entry(name.into()).or_insert_with(entry)),
            (None, Ok(address)) => drop(self.addresses.entry(address.to_canonical()).or_insert_with(entry)),
            (None, Err(_)) if pattern == "*" => drop(self.all.get_or_insert_with(entry)),
            (None, Err(_)) => drop(self.exact.entry(pattern.into()).or_insert_with(entry)),
        }
    }

    /// What was declared about a lower-case host, or about an address when there is no name.
    pub(super) fn find(&self, host: Option<&str>, address: Option<IpAddr>) -> Option<&Arc<Declaration>> {
        let named = match (host, address) {
            (Some(host), _) => self.exact.get(host).or_else(|| {
                let above = suffixes(host, usize::MAX).skip(1);
                above.into_iter().find_map(|name| self.below.get(name))
            }),
            (None, Some(address)) => self.addresses.get(&address.to_canonical()),
            (None, None) => None,
        };
        named.or(self.all.as_ref())
    }
}
