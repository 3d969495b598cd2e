//! The sentences of a refusal, in the languages it speaks.

use http::StatusCode;

use crate::transfer::{Cause, Decision, Reason};

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

    /// A heading of the page.
    pub(super) fn heading(self, key: &str) -> &'static str {
        match (self, key) {
            (Language::English, "reasons") => "Rules that stop it",
            (Language::English, "found") => "What was found, and where",
            (Language::English, "passes_if") => "What would let it pass",
            (Language::English, "decision") => "Decision",
            (Language::Chinese, "reasons") => "阻止此传输的规则",
            (Language::Chinese, "found") => "发现的数据及位置",
            (Language::Chinese, "passes_if") => "如何才能放行",
            (Language::Chinese, "decision") => "决定编号",
            _ => "",
        }
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
