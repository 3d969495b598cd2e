//! Which names of paths and fields may be repeated outside the message they stand in.
//!
//! Any name can be a value: `/users/jane`, `{"张三": …}`, a file called `passport of Ann`. No shape tells such a name from
//! `/users/search`; so only names made of words on a closed list are repeated. What it costs: a field with a name of its
//! own is `*` in a record or a refusal. What it cannot do: give away a value that is not itself such a word.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The words, with what belongs among them.
const TEXT: &str = include_str!("../../rules/words.txt");

/// More words than this are a sentence.
const MOST_WORDS: usize = 6;
const LONGEST: usize = 64;

static WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| TEXT.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect());

/// Whether every word of a name is a generic one: `user_id`, `shippingAddress`, `手机号`, `line2`, and not `jane`, `id-1138`.
pub fn is_generic_name(name: &str) -> bool {
    if name.len() > LONGEST * 4 || name.chars().count() > LONGEST {
        return false;
    }
    let mut words = 0;
    let mut digits = 0;
    let mut word = String::new();
    let mut rest = name.chars().peekable();
    let mut before = ' ';
    while let Some(next) = rest.next() {
        let begins = next.is_uppercase() && (before.is_lowercase() || rest.peek().is_some_and(|c| c.is_lowercase()));
        // A mark belongs to the letter before it, as in many scripts.
        let is_letter = next.is_alphabetic() || is_mark(next);
        if (!is_letter || begins) && !take(&mut word, &mut words) {
            return false;
        }
        match next {
            _ if is_letter => word.extend(next.to_lowercase()),
            '0'..='9' => digits += 1,
            '_' | '-' | '.' | ':' | '[' | ']' | '@' | '$' | ' ' => {}
            _ => return false,
        }
        before = next;
    }
    take(&mut word, &mut words) && (1..=MOST_WORDS).contains(&words) && digits <= 1
}

/// Ends a word: whether it is a generic one, or none.
fn take(word: &mut String, words: &mut usize) -> bool {
    if word.is_empty() {
        return true;
    }
    *words += 1;
    let known = is_known(word);
    word.clear();
    known
}

fn is_known(word: &str) -> bool {
    let known = |word: &str| WORDS.contains(word);
    known(word) || word.strip_suffix('s').is_some_and(|one| one.len() > 2 && known(one))
}

/// Vowel signs and the like: neither letters nor punctuation.
fn is_mark(c: char) -> bool {
    !c.is_ascii()
        && !c.is_alphanumeric()
        && !c.is_whitespace()
        && !c.is_control()
        && matches!(u32::from(c), 0x300..=0x36f | 0x900..=0xe7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_generic_words_are_repeated() {
        for name in [
            "users",
            "user_id",
            "shippingAddress",
            "IDCard",
            "userID",
            "address2",
            "x-customer-id",
            "手机号",
            "银行卡号",
            "Date of birth",
            "user[email]",
            "@type",
            "categories",
            "номер_паспорт",
            "เลขประจำตัวประชาชน",
            "oauth2",
        ] {
            assert!(is_generic_name(name), "{name}");
        }
        for name in [
            "",
            "jane",
            "Jane",
            "users-jane",
            "jane@x.org",
            "张三",
            "user:张三",
            "110101190001010014",
            "id-1138",
            "_",
            "4",
            "O'Neil",
            "a%40b",
            "Zhang Wei",
            "userJane",
            "usersjane",
            "JANE",
            "Иванов",
            "山田",
            "card 4111",
            "row\u{202e}",
        ] {
            assert!(!is_generic_name(name), "{name}");
        }
    }

    #[test]
    fn the_list_has_no_doubles_and_no_names_of_people() {
        let all = TEXT.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
        assert_eq!(all.count(), WORDS.len());
        for name in
            ["ann", "bill", "grant", "jane", "john", "li", "mark", "mary", "may", "rose", "wang", "will", "zhang"]
        {
            assert!(!WORDS.contains(name), "{name}");
        }
    }
}
