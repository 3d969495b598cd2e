//! The files as published, each in its own shape. Fields that say nothing about places are ignored, so a publisher may add
//! more; what is needed must be there.

use std::borrow::Cow;
use std::path::Path;

use jiff::civil::Date;
use serde::Deserialize;

use super::super::answer::Answer;
use super::super::provider::Providers;
use super::{Entry, MOST_PREFIXES, Published, Publisher, network};

/// Reads a file of a publisher.
pub(super) fn read(
    publisher: Publisher,
    bytes: &[u8],
    file: &Path,
    providers: &Providers,
) -> Result<Published, Cow<'static, str>> {
    let mut reading = Reading { providers, published: Published::default() };
    match publisher {
        Publisher::Aws => reading.aws(&parse(bytes, "ip-ranges.json of AWS")?)?,
        Publisher::Azure => reading.azure(&parse(bytes, "ServiceTags_Public_*.json of Azure")?, file)?,
        Publisher::Google => reading.google(&parse(bytes, "cloud.json of Google Cloud")?)?,
        Publisher::Oracle => reading.oracle(&parse(bytes, "public_ip_ranges.json of Oracle Cloud")?)?,
    }
    Ok(reading.published)
}

fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8], what: &str) -> Result<T, Cow<'static, str>> {
    serde_json::from_slice(bytes).map_err(|error| format!("is not the {what}: {error}").into())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aws<'b> {
    #[serde(borrow)]
    create_date: Cow<'b, str>,
    prefixes: Vec<AwsPrefix<'b>>,
    #[serde(rename = "ipv6_prefixes")]
    ipv6: Vec<AwsPrefix<'b>>,
}

#[derive(Deserialize)]
struct AwsPrefix<'b> {
    #[serde(borrow, alias = "ipv6_prefix", rename = "ip_prefix")]
    prefix: Cow<'b, str>,
    #[serde(borrow)]
    region: Cow<'b, str>,
    #[serde(borrow)]
    service: Cow<'b, str>,
    #[serde(borrow)]
    network_border_group: Cow<'b, str>,
}

#[derive(Deserialize)]
struct Azure<'b> {
    #[serde(borrow)]
    values: Vec<AzureTag<'b>>,
}

#[derive(Deserialize)]
struct AzureTag<'b> {
    #[serde(borrow)]
    name: Cow<'b, str>,
    #[serde(borrow)]
    properties: AzureProperties<'b>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AzureProperties<'b> {
    #[serde(borrow)]
    region: Cow<'b, str>,
    #[serde(borrow)]
    address_prefixes: Vec<Cow<'b, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Google<'b> {
    #[serde(borrow)]
    creation_time: Cow<'b, str>,
    prefixes: Vec<GooglePrefix<'b>>,
}

#[derive(Deserialize)]
struct GooglePrefix<'b> {
    #[serde(borrow, alias = "ipv6Prefix", rename = "ipv4Prefix")]
    prefix: Cow<'b, str>,
    #[serde(borrow)]
    scope: Cow<'b, str>,
}

#[derive(Deserialize)]
struct Oracle<'b> {
    #[serde(borrow)]
    last_updated_timestamp: Cow<'b, str>,
    regions: Vec<OracleRegion<'b>>,
}

#[derive(Deserialize)]
struct OracleRegion<'b> {
    #[serde(borrow)]
    region: Cow<'b, str>,
    cidrs: Vec<OracleCidr<'b>>,
}

#[derive(Deserialize)]
struct OracleCidr<'b> {
    #[serde(borrow)]
    cidr: Cow<'b, str>,
}

struct Reading<'p> {
    providers: &'p Providers,
    published: Published,
}

impl Reading<'_> {
    /// A local zone has a border group of its own and may lie in another country than its region; some services are
    /// announced everywhere whatever region their rows name.
    fn aws(&mut self, file: &Aws<'_>) -> Result<(), Cow<'static, str>> {
        self.published.date = day(&file.create_date);
        for row in file.prefixes.iter().chain(&file.ipv6) {
            let group = &row.network_border_group;
            let service = self.answer("aws-service", &row.service);
            let (region, answer) = match (service, *group == row.region) {
                (Some(everywhere), _) => (&row.service, Some(everywhere)),
                (None, true) => (&row.region, self.answer("aws", &row.region)),
                (None, false) => (group, self.answer("aws-border-group", group)),
            };
            self.add(&row.prefix, region, answer)?;
        }
        Ok(())
    }

    /// Tags without region are services, not places, unless the table knows them as anycast. Regions are spelt in ways of
    /// their own here.
    fn azure(&mut self, file: &Azure<'_>, path: &Path) -> Result<(), Cow<'static, str>> {
        self.published.date = path.file_name().and_then(|name| name.to_str()).and_then(stamp);
        for tag in &file.values {
            let properties = &tag.properties;
            let region = if properties.region.is_empty() { &tag.name } else { &properties.region };
            let answer = self.answer("azure-servicetag", region).or_else(|| self.answer("azure", region));
            if properties.region.is_empty() && answer.is_none() {
                continue;
            }
            for prefix in &properties.address_prefixes {
                self.add(prefix, region, answer.clone())?;
            }
        }
        Ok(())
    }

    fn google(&mut self, file: &Google<'_>) -> Result<(), Cow<'static, str>> {
        self.published.date = day(&file.creation_time);
        for row in &file.prefixes {
            self.add(&row.prefix, &row.scope, self.answer("gcp", &row.scope))?;
        }
        Ok(())
    }

    fn oracle(&mut self, file: &Oracle<'_>) -> Result<(), Cow<'static, str>> {
        self.published.date = day(&file.last_updated_timestamp);
        for region in &file.regions {
            let answer = self.answer("oracle", &region.region);
            for row in &region.cidrs {
                self.add(&row.cidr, &region.region, answer.clone())?;
            }
        }
        Ok(())
    }

    fn answer(&self, provider: &str, region: &str) -> Option<Answer> {
        Some(self.providers.get(provider)?.region(region)?.answer.clone())
    }

    fn add(&mut self, prefix: &str, region: &str, answer: Option<Answer>) -> Result<(), Cow<'static, str>> {
        let entries = &mut self.published.entries;
        if entries.len() == MOST_PREFIXES {
            return Err(format!("holds more than {MOST_PREFIXES} prefixes").into());
        }
        if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._ ".contains(&byte)) {
            return Err(format!("prefix `{prefix}` has a region that is no name").into());
        }
        entries.push(Entry { network: network(prefix)?, region: region.to_owned(), answer });
        Ok(())
    }
}

/// The day at the front of a timestamp.
fn day(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

/// The day in a name such as `ServiceTags_Public_20261116.json`.
fn stamp(name: &str) -> Option<Date> {
    let digits = name.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 8)?;
    let (year, rest) = digits.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}
