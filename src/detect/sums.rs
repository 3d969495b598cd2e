//! From a check as it is written to a check that runs; says what is missing or does not belong.

use std::collections::BTreeMap;

use super::calendar::Calendar;
use super::checks::{Check, Luhn, Number, Outcome, Range, Rest, Rule, Values, Weighted};
use super::raw::RawCheck;

/// Letters and digits by value, if a check does not bring its own alphabet.
const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The check, or what is wrong with it.
pub(super) fn check(raw: &RawCheck) -> Result<Check, String> {
    let rule = match raw.name.as_str() {
        "luhn" => luhn(raw)?,
        "isin" => only(raw, &[]).map(|()| Rule::Isin)?,
        "verhoeff" => only(raw, &["skip"]).map(|()| Rule::Verhoeff { skip: raw.skip })?,
        "vkn" => only(raw, &[]).map(|()| Rule::Vkn)?,
        "nmea" => only(raw, &[]).map(|()| Rule::Nmea)?,
        "either" => either(raw)?,
        "mod97" => only(raw, &[]).map(|()| Rule::Mod97)?,
        "mod11-10" => only(raw, &[]).map(|()| Rule::Mod1110)?,
        "varied" => only(raw, &[]).map(|()| Rule::Varied)?,
        "one-repeat" => only(raw, &[]).map(|()| Rule::OneRepeat)?,
        "mrz" => only(raw, &[]).map(|()| Rule::Mrz)?,
        "mixed" => only(raw, &[]).map(|()| Rule::Mixed)?,
        "entropy" => only(raw, &["bits"]).map(|()| Rule::Entropy(raw.bits.unwrap_or(3.0)))?,
        "iban" => only(raw, &["lengths"]).map(|()| Rule::Iban(raw.lengths.clone().unwrap_or_default()))?,
        "weighted" => weighted(raw)?,
        "number" => number(raw)?,
        "date" => date(raw)?,
        "ranges" => ranges(raw)?,
        "prefix" | "not" => prefix(raw)?,
        other => return Err(format!("unknown check `{other}`")),
    };
    if raw.when_at.is_some() && raw.when.is_none() {
        return Err("`when_at` says where the characters of `when` stand, and there is no `when`".to_owned());
    }
    let when = raw.when.clone().unwrap_or_default();
    Ok(Check { when, when_at: raw.when_at.unwrap_or(0), length: raw.length, rule })
}

fn luhn(raw: &RawCheck) -> Result<Rule, String> {
    only(raw, &["from", "to", "skip", "add", "alphabet"])?;
    let alphabet = raw.alphabet.clone().unwrap_or_else(|| "0123456789".to_owned());
    if alphabet.len() < 2 || !alphabet.is_ascii() {
        return Err("the `alphabet` of a Luhn sum is two ASCII characters or more".to_owned());
    }
    Ok(Rule::Luhn(Box::new(Luhn {
        from: raw.from.unwrap_or(0),
        to: raw.to,
        skip: raw.skip,
        add: usize::try_from(raw.add.unwrap_or(0)).map_err(|_| "`add` is not negative here")?,
        modulus: alphabet.len(),
        values: Values::new(&alphabet, &BTreeMap::new()),
    })))
}

fn either(raw: &RawCheck) -> Result<Rule, String> {
    only(raw, &["of"])?;
    let ways = raw.of.as_ref().ok_or_else(|| missing(raw, "of"))?;
    if ways.len() < 2 || ways.iter().any(Vec::is_empty) {
        return Err("`of` lists two ways or more, and each is a list of checks".to_owned());
    }
    let way = |checks: &Vec<RawCheck>| checks.iter().map(check).collect::<Result<Vec<Check>, String>>();
    ways.iter().map(way).collect::<Result<_, _>>().map(Rule::Either)
}

/// Refuses parameters that the named check does not read.
fn only(raw: &RawCheck, known: &[&str]) -> Result<(), String> {
    let given = [
        ("from", raw.from.is_some()),
        ("to", raw.to.is_some()),
        ("at", raw.at.is_some()),
        ("of", raw.of.is_some()),
        ("skip", raw.skip.is_some()),
        ("weights", raw.weights.is_some()),
        ("right", raw.right.is_some()),
        ("modulus", raw.modulus.is_some()),
        ("add", raw.add.is_some()),
        ("alphabet", raw.alphabet.is_some()),
        ("values", raw.values.is_some()),
        ("values_even", raw.values_even.is_some()),
        ("cross_sums", raw.cross_sums.is_some()),
        ("carries", raw.carries.is_some()),
        ("table", raw.table.is_some()),
        ("remainder", raw.remainder.is_some()),
        ("prefixed", raw.prefixed.is_some()),
        ("rest", raw.rest.is_some()),
        ("replace", raw.replace.is_some()),
        ("format", raw.format.is_some()),
        ("day_add", raw.day_add.is_some()),
        ("month_add", raw.month_add.is_some()),
        ("ranges", raw.ranges.is_some()),
        ("any", raw.any.is_some()),
        ("lengths", raw.lengths.is_some()),
        ("bits", raw.bits.is_some()),
    ];
    match given.iter().find(|(name, given)| *given && !known.contains(name)) {
        Some((name, _)) => Err(format!("the check `{}` does not read `{name}`", raw.name)),
        None => Ok(()),
    }
}

fn missing(raw: &RawCheck, name: &str) -> String {
    format!("the check `{}` needs `{name}`", raw.name)
}

fn weighted(raw: &RawCheck) -> Result<Rule, String> {
    only(
        raw,
        &[
            "from",
            "at",
            "weights",
            "right",
            "modulus",
            "add",
            "alphabet",
            "values",
            "values_even",
            "cross_sums",
            "carries",
            "table",
            "remainder",
        ],
    )?;
    let weights = raw.weights.clone().ok_or_else(|| missing(raw, "weights"))?;
    let right = raw.right.unwrap_or(false);
    if right && (raw.from.is_some() || raw.at.is_some()) {
        return Err("with `right` the weights end before the last character: `from` and `at` say nothing".to_owned());
    }
    if raw.cross_sums == Some(true) && raw.carries.is_some() {
        return Err("`cross_sums` sums the digits of every product: `carries` says nothing".to_owned());
    }
    let modulus = raw.modulus.filter(|modulus| *modulus > 1).ok_or_else(|| missing(raw, "modulus"))?;
    let from = raw.from.unwrap_or(0);
    let outcome = match (&raw.table, raw.remainder) {
        (Some(table), None) if i64::try_from(table.chars().count()) == Ok(modulus) => {
            Outcome::Table { at: raw.at.unwrap_or(from + weights.len()), table: table.chars().collect() }
        }
        (Some(_), None) => return Err("`table` has one character for each remainder of `modulus`".to_owned()),
        (None, Some(remainder)) => Outcome::Remainder(remainder),
        _ => return Err("a weighted sum has either a `table` or a `remainder`".to_owned()),
    };
    Ok(Rule::Weighted(Box::new(Weighted {
        from,
        weights,
        right,
        modulus,
        add: raw.add.unwrap_or(0),
        values: values(raw),
        cross_sums: raw.cross_sums.unwrap_or(false),
        carries: raw.carries.clone().unwrap_or_default(),
        outcome,
    })))
}

fn values(raw: &RawCheck) -> [Values; 2] {
    let none = BTreeMap::new();
    let alphabet = raw.alphabet.as_deref().unwrap_or(ALPHABET);
    let odd = raw.values.as_ref().unwrap_or(&none);
    let even = raw.values_even.as_ref().unwrap_or(odd);
    [Values::new(alphabet, odd), Values::new(alphabet, even)]
}

fn number(raw: &RawCheck) -> Result<Rule, String> {
    only(raw, &["from", "to", "modulus", "table", "prefixed", "replace", "rest"])?;
    let rest = match (raw.rest.as_deref(), &raw.table) {
        (None, Some(table)) => Rest::Table(table.chars().collect()),
        (None | Some("completes"), None) => Rest::Completes,
        (Some("equals"), None) => Rest::Equals,
        (Some("none"), None) => Rest::Nothing,
        _ => return Err("`rest` is `completes`, `equals` or `none`, and stands without a `table`".to_owned()),
    };
    let modulus = raw.modulus.and_then(|modulus| u128::try_from(modulus).ok()).filter(|modulus| *modulus > 1);
    Ok(Rule::Number(Box::new(Number {
        from: raw.from.unwrap_or(0),
        to: raw.to.ok_or_else(|| missing(raw, "to"))?,
        modulus: modulus.ok_or_else(|| missing(raw, "modulus"))?,
        prefixed: raw.prefixed.clone(),
        replace: raw.replace.clone().unwrap_or_default().into_iter().collect(),
        rest,
    })))
}

fn date(raw: &RawCheck) -> Result<Rule, String> {
    only(raw, &["at", "format", "day_add", "month_add"])?;
    let format = raw.format.clone().ok_or_else(|| missing(raw, "format"))?;
    if !format.bytes().all(|byte| matches!(byte, b'Y' | b'M' | b'D')) {
        return Err("`format` is written with Y, M and D, one for each digit".to_owned());
    }
    Ok(Rule::Date(Calendar {
        at: raw.at.unwrap_or(0),
        format,
        day_add: raw.day_add.clone().unwrap_or_default(),
        month_add: raw.month_add.clone().unwrap_or_default(),
    }))
}

fn prefix(raw: &RawCheck) -> Result<Rule, String> {
    only(raw, &["at", "any"])?;
    let any = raw.any.as_ref().ok_or_else(|| missing(raw, "any"))?;
    let any = any.iter().map(|text| bounds(text)).collect::<Result<_, _>>()?;
    Ok(Rule::Prefix { at: raw.at.unwrap_or(0), any, wanted: raw.name == "prefix" })
}

/// `11-15`, or one value.
fn bounds(text: &str) -> Result<(String, String), String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    if low.is_empty() || low.len() != high.len() || low > high {
        return Err(format!("`{text}` is not a range of values of one length"));
    }
    Ok((low.to_owned(), high.to_owned()))
}

/// `51-55:16`, `62:16-19`, `4:13,16,19`.
fn ranges(raw: &RawCheck) -> Result<Rule, String> {
    only(raw, &["ranges"])?;
    let ranges = raw.ranges.as_ref().ok_or_else(|| missing(raw, "ranges"))?;
    ranges.iter().map(|text| range(text)).collect::<Result<_, _>>().map(Rule::Ranges)
}

fn range(text: &str) -> Result<Range, String> {
    let wrong = || format!("`{text}` is not a range with lengths, such as `51-55:16` or `62:16-19`");
    let (prefix, lengths) = text.split_once(':').ok_or_else(wrong)?;
    let (low, high) = bounds(prefix)?;
    let length = |part: &str| -> Option<(usize, usize)> {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        Some((low.parse().ok()?, high.parse().ok()?))
    };
    let lengths = lengths.split(',').map(length).collect::<Option<_>>().ok_or_else(wrong)?;
    Ok(Range { low, high, lengths })
}
