//! Has the period named by a secrecy mark ended?
//!
//! Only a date in the text can say so: an end date in the mark, or a period in the mark and the day of issue near it.
//! When in doubt the mark still holds.

use std::ops::Range;

use jiff::ToSpan as _;
use jiff::civil::Date;

/// How far the day of issue may stand from the mark, in bytes.
const REACH: usize = 600;

/// Words that make a nearby date the day of issue.
const ISSUED: &[&str] = &["印发", "签发", "发布", "成文", "制发", "定密", "发文", "issued"];

/// Whether the mark at `range` has run out before `today`.
pub(super) fn has_ended(text: &str, range: &Range<usize>, today: Date) -> bool {
    let mark = text.get(range.clone()).unwrap_or("");
    let end = dates(mark).into_iter().map(|(_, date)| date).max().or_else(|| {
        let (years, months) = period(mark)?;
        let issued = issue_date(window(text, range))?;
        issued.checked_add(years.years().months(months)).ok()
    });
    end.is_some_and(|end| end < today)
}

fn window<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    let low = (range.start.saturating_sub(REACH)..=range.start).find(|&at| text.is_char_boundary(at));
    let high = (range.end..=(range.end + REACH).min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    text.get(low.unwrap_or(range.start)..high.unwrap_or(range.end)).unwrap_or("")
}

/// The latest date that a word of issue stands next to.
fn issue_date(text: &str) -> Option<Date> {
    const NEXT_TO: usize = 48;
    let words: Vec<usize> = ISSUED.iter().flat_map(|word| text.match_indices(word).map(|(at, _)| at)).collect();
    let near = |at: usize| words.iter().any(|word| word.abs_diff(at) <= NEXT_TO);
    dates(text).into_iter().filter(|(at, _)| near(*at)).map(|(_, date)| date).max()
}

/// `10年`, `6个月`, `6月` behind the star.
fn period(mark: &str) -> Option<(i64, i64)> {
    let digits_at = mark.find(|c: char| c.is_ascii_digit())?;
    let rest = mark.get(digits_at..)?;
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = rest.split_at_checked(length)?;
    let number: i64 = number.parse().ok()?;
    match unit.trim_start() {
        unit if unit.starts_with('年') => Some((number, 0)),
        unit if unit.starts_with("个月") || unit.starts_with("個月") || unit.starts_with('月') => {
            Some((0, number))
        }
        _ => None,
    }
}

/// Every `2015年12月31日`, `2015-12-31`, `2015.12.31`, `2015/12/31`, with its offset.
fn dates(text: &str) -> Vec<(usize, Date)> {
    let starts = text.char_indices().scan(' ', |before, (at, c)| {
        let starts = c.is_ascii_digit() && !before.is_ascii_digit();
        *before = c;
        Some((at, starts))
    });
    starts.filter(|(_, starts)| *starts).filter_map(|(at, _)| Some((at, date(text.get(at..)?)?))).collect()
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(4, ['年', '月', '日', '-', '.', '/']);
    let mut number = |least: usize, most: usize| -> Option<i16> {
        let part = parts.next()?.trim();
        let length = part.bytes().take_while(u8::is_ascii_digit).count();
        let fits = (least..=most).contains(&length);
        if fits { part.get(..length)?.parse().ok() } else { None }
    };
    let (year, month, day) = (number(4, 4)?, number(1, 2)?, number(1, 2)?);
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_only_with_a_date_in_the_text() {
        let today = Date::constant(2026, 11, 24);
        let ended = |text: &str, mark: &str| {
            let start = text.find(mark).unwrap();
            has_ended(text, &(start..start + mark.len()), today)
        };
        assert!(ended("秘密★2015年12月31日前", "秘密★2015年12月31日前"));
        assert!(ended("机密★10年\n某办 2005年6月1日印发", "机密★10年"));
        assert!(!ended("机密★30年\n某办 2005年6月1日印发", "机密★30年"));
        assert!(!ended("机密★10年\n会议 2005年6月1日", "机密★10年"));
        assert!(!ended("绝密★长期", "绝密★长期"));
    }
}
