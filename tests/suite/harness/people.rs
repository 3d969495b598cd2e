//! People who do not exist. Their numbers pass every check digit, so detectors take them for real, and no register has
//! them: births in 1900 to 1912 (the vectors of GB 11643 readers use the same trick) and serial numbers counted up.

use serde_json::{Value, json};

/// An invented person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name in Chinese.
    pub name: String,
    /// Resident identity number, GB 11643.
    pub id: String,
    /// Mobile number.
    pub mobile: String,
    /// Address for mail.
    pub email: String,
    /// UnionPay card number.
    pub card: String,
}

impl Person {
    /// The person as an application would send them.
    pub fn json(&self) -> Value {
        json!({
            "姓名": self.name, "身份证号": self.id, "手机号": self.mobile, "email": self.email, "银行卡号": self.card,
        })
    }

    /// Only what is not sensitive: how to reach them.
    pub fn contact(&self) -> Value {
        json!({ "email": self.email, "手机号": self.mobile })
    }

    /// What must be found nowhere.
    pub fn values(&self) -> [&str; 5] {
        [&self.name, &self.id, &self.mobile, &self.email, &self.card]
    }
}

/// Person number `n`, below 1,000,000. Different numbers share no value.
pub fn person(n: u32) -> Person {
    let (year, month, day) = (1900 + n / 1000 % 12, 1 + n / 12_000 % 12, 1 + n / 144_000 % 28);
    let body = format!("110101{year:04}{month:02}{day:02}{:03}", n % 1000);
    Person {
        name: format!("欧阳{}{}", han(n / 100), han(n % 100)),
        id: format!("{body}{}", resident_check(&body)),
        mobile: format!("1300{:07}", 1_000_000 + n),
        email: format!("reader{n:06}@mail.tidegate-invented.cn"),
        card: luhn(&format!("621700000{:09}", 1_000_000 + n)),
    }
}

/// People `from..to`, as a JSON document about them.
pub fn pupils(from: u32, to: u32, shape: impl Fn(&Person) -> Value) -> String {
    let people: Vec<Value> = (from..to).map(|n| shape(&person(n))).collect();
    json!({ "people": people }).to_string()
}

/// The numbers of the people a text carries the mail addresses of.
pub fn numbers_in(text: &str) -> impl Iterator<Item = u32> {
    text.split("reader").skip(1).filter_map(|rest| rest.get(..6)?.parse().ok())
}

/// One of the many characters given names are made of.
fn han(n: u32) -> char {
    char::from_u32('一' as u32 + 7 * n + 3).unwrap()
}

/// ISO 7064 MOD 11-2.
fn resident_check(body: &str) -> char {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.chars().zip(weights).map(|(digit, weight)| digit.to_digit(10).unwrap() * weight).sum();
    "10X98765432".chars().nth((sum % 11) as usize).unwrap()
}

/// Appends the check digit of Luhn.
fn luhn(body: &str) -> String {
    let sum: u32 = body
        .chars()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = digit.to_digit(10).unwrap() * if at % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

#[test]
fn invented_people_pass_the_checks_real_ones_pass() {
    // Published vectors of the standards.
    assert_eq!(resident_check("11010119000101001"), '4');
    assert_eq!(resident_check("31011519040229002"), '4');
    assert_eq!(luhn("625800000000001"), "6258000000000014");
    assert_eq!(luhn("621700000000000000"), "6217000000000000004");
    assert!(person(1).values().iter().zip(person(2).values()).all(|(one, other)| *one != other));
}
