//! Five kinds of traffic, and inputs made to be slow. All of it comes out of one generator of numbers with a fixed seed,
//! so every run and every engine sees the same bytes. Identifiers are made up; those with a check digit have a right one.

use std::fmt::Write as _;

/// What an engine is measured on.
pub struct Corpus {
    pub name: &'static str,
    pub title: &'static str,
    pub content_type: &'static str,
    /// Bodies as they come out of their content encoding.
    pub messages: Vec<Vec<u8>>,
}

/// Numbers that look random (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }

    pub fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    fn hex(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b"0123456789abcdef"[self.below(16) as usize])).collect()
    }

    fn uuid(&mut self) -> String {
        let part = |dice: &mut Dice, count| dice.hex(count);
        let parts = [8, 4, 4, 4, 12].map(|count| part(self, count));
        parts.join("-")
    }

    fn time(&mut self) -> String {
        let (day, hour, minute) = (1 + self.below(28), self.below(24), self.below(60));
        format!("2026-{:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", 1 + self.below(12), self.below(60))
    }
}

const WORDS: &[&str] = &[
    "adapter", "blue", "cable", "carton", "delivery", "door", "edge", "fine", "garden", "glass", "handle", "heavy",
    "indoor", "iron", "kit", "lamp", "large", "matte", "metal", "outdoor", "panel", "plain", "rack", "ring", "set",
    "shelf", "small", "spare", "steel", "strap", "table", "tray", "water", "white", "wide", "wood",
];
const HAN: &[&str] = &[
    "我们", "今天", "公司", "产品", "服务", "市场", "发展", "技术", "系统", "项目", "管理", "数据", "客户", "问题",
    "需要", "可以", "进行", "已经", "通过", "工作", "时间", "地区", "中国", "城市", "学习", "文化", "经济", "社会",
    "研究", "报告", "质量", "安全", "提高", "建设", "合作", "方案", "计划", "会议", "部门", "人员", "信息", "网络",
    "平台", "用户", "价格", "的", "了", "在", "是", "和", "与", "对", "从", "将", "也", "都", "很", "更", "，", "，",
    "。", "、", "；",
];
const SURNAMES: &[&str] = &["Lee", "Meyer", "Garcia", "Rossi", "Novak", "Silva", "Smith", "Tanaka", "Wang", "Kim"];
const GIVEN: &[&str] = &["Ann", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jan"];

/// The five, each of about `size` bytes.
pub fn all(size: usize) -> Vec<Corpus> {
    let json = "application/json";
    vec![
        corpus("json", "JSON API traffic, few hits", json, size, orders),
        corpus("csv", "digit-dense CSV", "text/csv", size, |dice| ledger(dice).into_bytes()),
        corpus("random", "random binary", "application/octet-stream", size, noise),
        corpus("chinese", "Chinese text", "text/plain; charset=utf-8", size, |dice| chinese(dice).into_bytes()),
        corpus("dense", "finding-dense JSON", json, size, |dice| people(dice).into_bytes()),
    ]
}

fn corpus(
    name: &'static str,
    title: &'static str,
    content_type: &'static str,
    size: usize,
    message: impl Fn(&mut Dice) -> Vec<u8>,
) -> Corpus {
    let mut dice = Dice::new(name.len() as u64 + 77);
    let mut messages = Vec::new();
    let mut total = 0;
    while total < size {
        let next = message(&mut dice);
        total += next.len();
        messages.push(next);
    }
    Corpus { name, title, content_type, messages }
}

/// A page of orders: identifiers, times, prices, states, now and then a customer who can be reached.
fn orders(dice: &mut Dice) -> Vec<u8> {
    let mut text = String::from("{\"page\":1,\"per_page\":64,\"items\":[");
    for item in 0..64 {
        let separator = if item == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{separator}{{\"id\":\"ord_{}\",\"uuid\":\"{}\",\"created_at\":\"{}\",\"status\":\"{}\",\"sku\":\"{}-{}\",\
             \"title\":\"{} {} {}\",\"quantity\":{},\"unit_price\":{}.{},\"currency\":\"EUR\",\"paid\":{},\"ts\":{},\
             \"url\":\"https://shop.example/items/{}?ref={}\",\"etag\":\"{}\",\"lines\":[",
            dice.digits(10),
            dice.uuid(),
            dice.time(),
            dice.pick(&["open", "packed", "shipped", "returned"]),
            dice.pick(&["AB", "KX", "SHELF"]),
            dice.digits(8),
            dice.pick(WORDS),
            dice.pick(WORDS),
            dice.pick(WORDS),
            1 + dice.below(12),
            dice.below(900),
            dice.digits(2),
            dice.below(2) == 0,
            1_760_000_000_000 + dice.below(30_000_000_000),
            dice.digits(7),
            dice.pick(WORDS),
            dice.hex(40),
        );
        for line in 0..2 + dice.below(3) {
            let separator = if line == 0 { "" } else { "," };
            let _ = write!(
                text,
                "{separator}{{\"line\":{line},\"item\":\"{}\",\"qty\":{},\"weight\":{}.{},\"batch\":{},\"note\":null}}",
                dice.pick(WORDS),
                1 + dice.below(9),
                dice.below(20),
                dice.digits(3),
                dice.digits(9).trim_start_matches('0').parse::<u64>().unwrap_or(7)
            );
        }
        text.push(']');
        if dice.below(16) == 0 {
            let (given, family) = (dice.pick(GIVEN), dice.pick(SURNAMES));
            let _ = write!(text, ",\"contact\":{{\"email\":\"{given}.{family}@example.com\"}}");
        }
        text.push('}');
    }
    text.push_str("]}");
    text.into_bytes()
}

/// Rows of a ledger: nothing but numbers of all lengths.
fn ledger(dice: &mut Dice) -> String {
    let mut text = String::from("id,order_no,ts,sku,qty,amount,balance,batch,meter,trace\n");
    for row in 0..1200 {
        let _ = writeln!(
            text,
            "{row},{},{},{},{},{}.{},{}.{},{},{},{}",
            dice.digits(12),
            1_760_000_000 + dice.below(30_000_000),
            dice.digits(8),
            dice.below(500),
            dice.below(9000),
            dice.digits(2),
            dice.below(900_000),
            dice.digits(2),
            dice.digits(9),
            dice.digits(11),
            dice.digits(16)
        );
    }
    text
}

fn noise(dice: &mut Dice) -> Vec<u8> {
    (0..8192).flat_map(|_| (dice.next() as u32).to_le_bytes().into_iter().chain(dice.next().to_le_bytes())).collect()
}

/// Paragraphs with a date, a price or a number here and there.
fn chinese(dice: &mut Dice) -> String {
    let mut text = String::new();
    while text.len() < 64 << 10 {
        for _ in 0..60 + dice.below(120) {
            text.push_str(dice.pick(HAN));
        }
        match dice.below(8) {
            0 => text.push_str("2026年3月8日"),
            1 => drop(write!(text, "共{}件", dice.below(500))),
            2 => drop(write!(text, "总价{}.{}元", dice.below(9000), dice.digits(2))),
            3 => text.push_str(" Tidegate 网关"),
            _ => {}
        }
        text.push_str(if dice.below(4) == 0 { "。\n" } else { "。" });
    }
    text
}

/// Customers with everything that can be known about them.
fn people(dice: &mut Dice) -> String {
    let mut text = String::from("[");
    for person in 0..160 {
        let (given, family) = (dice.pick(GIVEN), dice.pick(SURNAMES));
        let separator = if person == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{separator}{{\"name\":\"{given} {family}\",\"email\":\"{given}.{family}{person}@example.org\",\
             \"phone\":\"+49 151 {}\",\"mobile\":\"138{}\",\"id_card\":\"{}\",\"card\":\"{}\",\"iban\":\"{}\",\
             \"birth_date\":\"19{}-0{}-1{}\",\"address\":\"Hauptstrasse {}, Berlin\"}}",
            dice.digits(8),
            dice.digits(8),
            resident(dice),
            card(dice),
            iban(dice),
            50 + dice.below(50),
            1 + dice.below(9),
            dice.below(10),
            1 + dice.below(200)
        );
    }
    text.push(']');
    text
}

/// A resident identity number of a birth before 1913, with its check character (GB 11643).
fn resident(dice: &mut Dice) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let number = format!("1101011900010{}{}", 1 + dice.below(9), dice.digits(3));
    let sum: u32 = number.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{number}{}", char::from(b"10X98765432"[sum as usize % 11]))
}

/// A card number of sixteen digits with the Luhn digit.
fn card(dice: &mut Dice) -> String {
    let number = format!("411111{}", dice.digits(9));
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let digits = number.bytes().map(|digit| u32::from(digit - b'0')).enumerate();
    let sum: u32 = digits.map(|(place, digit)| if place % 2 == 0 { doubled(digit) } else { digit }).sum();
    format!("{number}{}", (10 - sum % 10) % 10)
}

/// A German account number with the check digits of ISO 13616.
fn iban(dice: &mut Dice) -> String {
    let account = dice.digits(18);
    let rest = account.bytes().chain(*b"131400").fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

/// The message that `benches/run` posts: 4 KiB of business JSON about nobody.
pub fn order() -> Vec<u8> {
    let mut text = String::from("{\"order\": \"open\", \"warehouse\": \"north\", \"lines\": [");
    for number in 1.. {
        if text.len() >= 3870 {
            break;
        }
        let separator = if number == 1 { "" } else { ", " };
        let _ = write!(
            text,
            "{separator}{{\"line\": {number}, \"article\": \"bolt-m{}\", \"quantity\": {}, \"unit\": \"box\", \
             \"price\": \"{number}.{}\", \"note\": \"galvanised, fifty to the box\"}}",
            4 + number % 9,
            number * 3,
            number % 90 + 10
        );
    }
    let _ = write!(text, "], \"remark\": \"{}\"}}", "x".repeat(4096usize.saturating_sub(text.len() + 16)));
    text.into_bytes()
}

/// Inputs that would be slow if anything were worse than linear, each of about `size` bytes.
pub fn worst(size: usize) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let (plain, json) = ("text/plain", "application/json");
    let fill = |unit: &str| unit.repeat(size / unit.len().max(1)).into_bytes();
    let mut dice = Dice::new(5);
    let grouped = |dice: &mut Dice, gap: &str| -> Vec<u8> {
        (0..size / (4 + gap.len())).map(|_| format!("{}{gap}", dice.digits(4))).collect::<String>().into_bytes()
    };
    let nested = |open: &str, close: &str| {
        let depth = size / (open.len() + close.len());
        format!("{}{}", open.repeat(depth), close.repeat(depth)).into_bytes()
    };
    let keys: String =
        (0..size / 24).map(|name| format!("\"{}_{name:x}\":1{:04},", WORDS[name % 36], name % 9999)).collect();
    let shells: String =
        (0..size / 1200).map(|_| format!("{}1{},", "[".repeat(500), "]".repeat(500))).collect::<String>();
    vec![
        ("one run of digits", plain, dice.digits(size).into_bytes()),
        ("groups of four digits", plain, grouped(&mut dice, " ")),
        ("digits with hyphens", plain, grouped(&mut dice, "-")),
        ("'@' only", plain, fill("@")),
        ("'a@a.'", plain, fill("a@a.")),
        ("labels behind an '@'", plain, fill("ann@a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.")),
        ("one word", plain, fill("word")),
        ("one word with accents", plain, fill("wörd")),
        ("almost a token", plain, fill("AKIAIOSFODNN7EXAMPL_ ghp_0123456789abcdefghijABCDEFGHIJ01234 ")),
        ("almost a resident number", plain, fill("110101190001010015 ")),
        ("almost a card", plain, fill("4111111111111112 ")),
        ("almost an IBAN", plain, fill("DE89370400440532013001 ")),
        ("a word before every number", plain, fill("phone 138001380 ")),
        ("escapes", json, [b"\"".as_slice(), &fill("\\n138"), b"\""].concat()),
        ("nested lists", json, nested("[", "]")),
        ("nested objects", json, nested("{\"a\":", "}")),
        ("lists 500 deep, again and again", json, format!("[{shells}0]").into_bytes()),
        ("many names", json, format!("{{{keys}\"end\":0}}").into_bytes()),
        ("JSON in a string, cut", json, format!("{{\"a\":\"{}", "[{\\\"b\\\":\\\"".repeat(size / 10)).into_bytes()),
        ("almost base64", json, format!("[{}0]", "\"eyJhbGciOiJIUzI1NiJ9.eyJh.x\",".repeat(size / 30)).into_bytes()),
        ("full-width digits", plain, fill("１３８")),
        ("open elements", "text/xml", fill("<a>")),
        ("quotes of a table", "text/csv", fill("\"\",\"")),
    ]
}
