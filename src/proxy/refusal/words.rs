//! The sentences of a refusal, in the languages it speaks.

use http::StatusCode;

use crate::transfer::{Cause, Country, Decision, Reason, Route};

/// Names listed in one sentence.
const LISTED: usize = 12;

/// A language of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// The default.
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// The first supported language of an `Accept-Language` value, by quality.
    pub(super) fn preferred(header: &str) -> Language {
        let mut best = (0.0f32, Language::English);
        for entry in header.split(',').take(16) {
            let mut parts = entry.split(';');
            let tag = parts.next().unwrap_or("").trim().to_ascii_lowercase();
            let quality = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1.0, |quality| quality.parse::<f32>().unwrap_or(0.0));
            let language = match tag.split('-').next() {
                Some("zh") => Language::Chinese,
                Some("en") => Language::English,
                _ => continue,
            };
            if quality > best.0 {
                best = (quality, language);
            }
        }
        best.1
    }

    /// The language tag.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh-CN",
        }
    }

    /// The title of a problem.
    pub(super) fn title(self, status: StatusCode) -> &'static str {
        let english = status.canonical_reason().unwrap_or("Refused");
        match (self, status.as_u16()) {
            (Language::English, _) => english,
            (_, 400) => "请求格式错误",
            (_, 403) => "组织策略不允许此传输",
            (_, 407) => "需要代理身份验证",
            (_, 408) => "请求超时",
            (_, 413) => "内容过大，无法检查",
            (_, 415) => "内容无法解码",
            (_, 431) => "请求头过大",
            (_, 451) => "因法律原因不可传输",
            (_, 502) => "无法连接上游",
            (_, 503) => "网关故障，已按关闭处理",
            (_, 504) => "上游超时",
            _ => english,
        }
    }

    /// One paragraph on why, and where to look.
    pub(super) fn detail(self, decision: &Decision, reason: Option<&Reason>) -> String {
        let to = decision.importer.host.as_deref().unwrap_or("the client");
        let places: Vec<&str> = decision.importer.place.countries.iter().map(|country| country.as_str()).collect();
        let places = places.join("/");
        let why = reason.map_or("", |reason| &*reason.why);
        let cite = reason.map_or("", |reason| &*reason.cite);
        match self {
            Language::English => {
                let who = match decision.cause {
                    Some(Cause::Law) => "The law does not let this transfer pass",
                    Some(Cause::Failure) => "The gateway failed and let nothing pass",
                    _ => "This transfer may not pass",
                };
                let source = if cite.is_empty() { String::new() } else { format!(" ({cite})") };
                format!("{who}: to {to} in {places}. {why}{source}")
            }
            Language::Chinese => {
                let who = match decision.cause {
                    Some(Cause::Law) => "依据法律，此传输不能放行",
                    Some(Cause::Failure) => "网关发生故障，未放行任何数据",
                    _ => "此传输不能放行",
                };
                let source = if cite.is_empty() { String::new() } else { format!("（依据：{cite}）") };
                format!("{who}：目的地 {to}，国家或地区 {places}。{why}{source}")
            }
        }
    }

    /// What would let it pass, as sentences.
    pub(super) fn ways(self, decision: &Decision) -> Vec<String> {
        match self {
            Language::Chinese if !decision.routes.is_empty() => decision.routes.iter().map(in_chinese).collect(),
            _ => decision.passes_if.clone(),
        }
    }

    /// What stands between two of them.
    pub(super) fn or(self) -> &'static str {
        match self {
            Language::English => "Or",
            Language::Chinese => "或者",
        }
    }

    /// A heading of the page.
    pub(super) fn heading(self, key: &str) -> &'static str {
        match (self, key) {
            (Language::English, "reasons") => "Rules that stop it",
            (Language::English, "found") => "What was found, and where",
            (Language::English, "unanswered") => "Questions nobody has answered",
            (Language::English, "passes_if") => "What would let it pass",
            (Language::English, "decision") => "Decision",
            (Language::Chinese, "reasons") => "阻止此传输的规则",
            (Language::Chinese, "found") => "发现的数据及位置",
            (Language::Chinese, "unanswered") => "尚未回答的问题",
            (Language::Chinese, "passes_if") => "如何才能放行",
            (Language::Chinese, "decision") => "决定编号",
            _ => "",
        }
    }
}

/// A change as a Chinese sentence. Names of kinds, fields and mechanisms stay as the packs write them.
fn in_chinese(route: &Route) -> String {
    let names = |countries: &[Country]| {
        countries.iter().take(LISTED).map(|country| country.name()).collect::<Vec<_>>().join("、")
    };
    match route {
        Route::LeaveOut { categories, fields, more } => {
            let kinds: Vec<&str> = categories.iter().take(LISTED).map(|kind| kind.as_str()).collect();
            let shown: Vec<&str> = fields.iter().take(LISTED).map(String::as_str).collect();
            let others = if *more || fields.len() > LISTED { "等处" } else { "" };
            let at =
                if shown.is_empty() { String::new() } else { format!("（位于 {}{others}）", shown.join("、")) };
            format!("去掉 {}{at}。", kinds.join("、"))
        }
        Route::FewerPeople { title, fits, adding, .. } => {
            format!("最多再发送 {fits} 人的数据（计数对象：{title}；本次新增 {adding} 人）。")
        }
        Route::Answer { fact, values, ask } => {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            format!("回答问题 {fact}，如果答案是 {}：{ask}", values.join(" 或 "))
        }
        Route::Declare { countries } => format!("申明接收方所在地，如果它在 {}。", names(countries)),
        Route::Region { provider, region, countries, .. } => {
            format!("改用 {provider} 的区域 {region}（{}）。", names(countries))
        }
        Route::Hold { needs } => {
            let each: Vec<String> = needs.iter().map(|demand| demand.titles.join("；或 ")).collect();
            format!("具备 {}。", each.join("；并且 "))
        }
        Route::Elsewhere { countries } => format!("发送给位于 {} 的接收方。", names(countries)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_with_the_highest_quality_wins() {
        assert_eq!(Language::preferred("fr, zh-CN;q=0.8, en;q=0.5"), Language::Chinese);
        assert_eq!(Language::preferred("en-GB,zh;q=0.9"), Language::English);
        assert_eq!(Language::preferred(""), Language::English);
    }
}
