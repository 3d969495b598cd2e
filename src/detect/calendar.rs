//! Dates inside identifiers, and the periods of secrecy marks.
//!
//! An identifier's date must be a real day. One with a full year must lie between 1850 and today, so that random digits
//! rarely pass. Schemes that add a constant to the day or the month say so in the detector file.

use jiff::civil::Date;

/// Where a date stands in a value and how it is written.
#[derive(Debug)]
pub(super) struct Calendar {
    pub(super) at: usize,
    /// `Y`, `M`, `D` for each digit: `YYYYMMDD`, `DDMMYY`.
    pub(super) format: String,
    /// What a scheme may have added to the day (0 is always allowed).
    pub(super) day_add: Vec<i32>,
    /// What a scheme may have added to the month.
    pub(super) month_add: Vec<i32>,
}

impl Calendar {
    pub(super) fn holds(&self, compact: &str, today: Date) -> bool {
        let Some(part) = compact.get(self.at..self.at + self.format.len()) else {
            return false;
        };
        let number = |letter: u8| -> Option<i32> {
            self.format
                .bytes()
                .zip(part.bytes())
                .filter(|(kind, _)| *kind == letter)
                .try_fold(0, |sum, (_, byte)| char::from(byte).to_digit(10).map(|digit| sum * 10 + digit as i32))
        };
        let (Some(year), Some(month), Some(day)) = (number(b'Y'), number(b'M'), number(b'D')) else {
            return false;
        };
        let written = self.format.bytes().filter(|&kind| kind == b'Y').count();
        // Three digits leave out the thousands: 990 is 1990, 006 is 2006.
        let year = if written == 3 { year + if year < 850 { 2000 } else { 1000 } } else { year };
        let full_year = written >= 3;
        let days = || std::iter::once(0).chain(self.day_add.iter().copied()).map(|added| day - added);
        let mut months = std::iter::once(0).chain(self.month_add.iter().copied()).map(|added| month - added);
        // Two digits of a year do not say the century; 1900 + year has every leap day but that of 2000.
        let years = if full_year { [year, year] } else { [1900 + year, 2000 + year] };
        months.any(|month| days().any(|day| years.iter().any(|&year| is_past(year, month, day, full_year, today))))
    }
}

fn is_past(year: i32, month: i32, day: i32, full_year: bool, today: Date) -> bool {
    let date = |year: i32| Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok();
    date(year).is_some_and(|date| !full_year || (date.year() >= 1850 && date <= today))
}
