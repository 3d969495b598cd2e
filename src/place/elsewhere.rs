//! Where else the same thing could be: other regions of the provider whose region stands in a host name.

use crate::transfer::{Country, Elsewhere};

use super::Tables;
use super::answer::Answer;
use super::host::Hit;
use super::provider::Region;

/// Regions returned at most.
const MOST: usize = 8;

impl Tables {
    /// The host with other regions of its provider in its name, one for each set of countries, those in `home` first, eight
    /// at most. Empty when the host carries no region. Each is placed like any other host, so a name that no pattern reads
    /// back is left out.
    pub fn elsewhere(&self, host: &str, home: &[Country]) -> Vec<Elsewhere> {
        let host = super::normalise(host);
        let Some((hit, here)) = self.patterns.find(&host).and_then(|hit| Some((hit, hit.regional()?))) else {
            return Vec::new();
        };
        let mut found: Vec<Elsewhere> = Vec::new();
        let mut seen: Vec<&[Country]> = Vec::new();
        let away = |region: &Region| match &region.answer {
            Answer::In(countries) => !countries.iter().all(|country| home.contains(country)),
            _ => true,
        };
        let provider = &hit.pattern.provider;
        let (at_home, abroad) =
            (provider.regions().filter(|region| !away(region)), provider.regions().filter(|region| away(region)));
        for region in at_home.chain(abroad) {
            let Answer::In(countries) = &region.answer else { continue };
            if region.code == here.code || seen.contains(&&**countries) {
                continue;
            }
            if found.len() == MOST {
                break;
            }
            if let Some(elsewhere) = self.moved(&host, hit, here, region) {
                seen.push(countries);
                found.push(elsewhere);
            }
        }
        found
    }

    fn moved(&self, host: &str, hit: Hit<'_>, here: &Region, there: &Region) -> Option<Elsewhere> {
        let moved = replaced(host, &here.code.to_ascii_lowercase(), &there.code.to_ascii_lowercase())?;
        let again = self.patterns.find(&moved)?;
        if again.pattern.text != hit.pattern.text || again.regional().is_none_or(|region| region.code != there.code) {
            return None;
        }
        Some(Elsewhere {
            provider: (*hit.pattern.provider.name).into(),
            region: (*there.code).into(),
            city: (*there.city).into(),
            place: self.locate(Some(&moved), None),
            host: moved.into(),
        })
    }
}

/// The last place a code stands in a host, replaced. A bucket may have the code in its own name, which stands before.
fn replaced(host: &str, code: &str, other: &str) -> Option<String> {
    let joined = code.replace('-', "");
    let (code, other) =
        if host.contains(code) { (code, other.to_owned()) } else { (&*joined, other.replace('-', "")) };
    let at = host.rfind(code)?;
    let (before, rest) = host.split_at_checked(at)?;
    Some(format!("{before}{other}{}", rest.strip_prefix(code)?))
}
