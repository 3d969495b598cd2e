//! Exemptions and rules.

use std::sync::Arc;

use super::PackReader;
use super::condition::May;
use super::names::Names;
use super::table::{Entry, Table};
use crate::policy::condition::Condition;
use crate::policy::lint;
use crate::policy::pack::{Exemption, Rule, Scope};
use crate::policy::region::Days;
use crate::transfer::{Action, CategorySet};

/// In place of the names of all classes.
const EVERYONE: &str = "everyone";

impl PackReader<'_> {
    pub(super) fn read_exemptions(&self, top: &Table<'_>, scope: &Scope) -> Vec<Exemption> {
        let mut names = Names::new("exemption");
        let mut exemptions = Vec::new();
        for (entry, table) in top.named("exemption") {
            table.only(&[
                "cite",
                "when",
                "unless",
                "covers",
                "why",
                "valid_from",
                "valid_until",
                "confidence",
                "note",
            ]);
            let covers = self.covers(&table);
            if covers == 0 {
                self.reader.error(entry.key_span.clone(), format!("exemption `{}` covers nobody", entry.key));
            }
            let (cite, days) = self.citation(&table);
            let when = self.when(&table, May::EXEMPTION);
            if let Some(why) = lint::never(&when, days, scope, &self.facts, &self.lists) {
                self.reader.error(entry.key_span.clone(), format!("this exemption can never apply: {why}"));
            }
            exemptions.push(Exemption {
                id: names.add(self.reader, entry.key, entry.key_span.clone()),
                cite,
                why: table.need_text("why"),
                confidence: self.confidence(&table),
                covers,
                days,
                when,
                span: entry.key_span.clone(),
            });
        }
        exemptions
    }

    /// The classes an exemption takes out; `"everyone"` is all of them.
    fn covers(&self, table: &Table<'_>) -> u32 {
        let words = table.words("covers");
        match words.as_slice() {
            [word] if *word.text == *EVERYONE => self.class_names.all(),
            words => self.class_names.bits(self.reader, words),
        }
    }

    pub(super) fn read_rules(&self, top: &Table<'_>, scope: &Scope) -> Vec<Rule> {
        let mut names = Names::new("rule");
        let tables = top.get("rule").map(|entry| entry.tables()).unwrap_or_default();
        tables.iter().filter_map(|table| self.rule(table, &mut names, scope)).collect()
    }

    fn rule(&self, table: &Table<'_>, names: &mut Names, scope: &Scope) -> Option<Rule> {
        table.only(&[
            "id",
            "cite",
            "when",
            "unless",
            "needs",
            "otherwise",
            "action",
            "why",
            "valid_from",
            "valid_until",
            "confidence",
            "warns",
            "exemptions",
            "note",
        ]);
        let id = table.need("id")?;
        let name = names.add(self.reader, &id.text()?, id.span());
        let when = self.when(table, May::RULE);
        let (cite, days) = self.citation(table);
        let exemptions = table.bool("exemptions").unwrap_or(true);
        self.check_rule(table, &id, &when, days, scope, exemptions);
        let wants = self.wants(table);
        Some(Rule {
            id: name,
            cite,
            why: table.need_text("why"),
            action: self.action(table, wants.is_empty(), &id),
            needs: wants.iter().filter_map(|index| Some(self.need_list.get(*index)?.id.clone())).collect(),
            valid_from: days.from,
            valid_until: days.until,
            confidence: self.confidence(table),
            warns: table.words("warns").into_iter().map(|word| word.text).collect(),
            subject: self.subject(&when),
            when,
            wants,
            exemptions,
            span: id.span(),
        })
    }

    fn check_rule(
        &self,
        table: &Table<'_>,
        id: &Entry<'_>,
        when: &Condition,
        days: Days,
        scope: &Scope,
        exemptions: bool,
    ) {
        if let Some(why) = lint::never(when, days, scope, &self.facts, &self.lists) {
            self.reader.error(id.span(), format!("this rule can never fire: {why}"));
        }
        let mut counts = false;
        when.walk(false, &mut |condition, _| {
            counts |= matches!(condition, Condition::Counter(..) | Condition::Counted(..))
        });
        if let Some(entry) = table.get("exemptions").filter(|_| counts && !exemptions) {
            let message = "counters leave exempt people out, so a rule on a counter cannot set exemptions = false";
            self.reader.error(entry.key_span, message);
        }
    }

    fn wants(&self, table: &Table<'_>) -> Vec<usize> {
        let words = table.words("needs");
        if let Some(entry) = table.get("needs").filter(|_| words.is_empty()) {
            self.reader.error(entry.span(), "`needs` names nothing");
        }
        words.iter().filter_map(|word| self.needs.find(self.reader, &word.text, word.span.clone())).collect()
    }

    /// `otherwise` beside `needs`, `action` without.
    fn action(&self, table: &Table<'_>, unconditional: bool, id: &Entry<'_>) -> Action {
        let (key, wrong) = if unconditional { ("action", "otherwise") } else { ("otherwise", "action") };
        if let Some(entry) = table.get(wrong) {
            let help = "`otherwise` stands beside `needs`; a rule without needs has an `action`";
            self.reader.advise(entry.key_span, format!("this rule takes `{key}`, not `{wrong}`"), help);
            return Action::Block;
        }
        let Some(entry) = table.get(key) else {
            let help = "write \"block\" or \"log\"";
            let message = format!("missing key `{key}`: what happens when the rule fires?");
            table.missing(key, self.reader.problem(id.span(), message).help(help));
            return Action::Block;
        };
        let Some(word) = entry.word() else { return Action::Block };
        let known = [("block", Action::Block), ("log", Action::Log), ("redact", Action::Redact)];
        let action = self.one_of(&word, "action", &known).unwrap_or(Action::Block);
        if action == Action::Redact {
            let message = "redaction is not available in this version";
            self.reader.advise(word.span, message, "write \"block\" or \"log\"");
        }
        action
    }

    /// The kinds of data a rule is about: what it asks for without `not`.
    fn subject(&self, when: &Condition) -> CategorySet {
        let mut subject = CategorySet::default();
        let classes = |bits: u32| {
            let of = self.classes.iter().enumerate().filter(move |(index, _)| bits & (1u32 << *index.min(&31)) != 0);
            of.fold(CategorySet::default(), |all, (_, class)| all.union(class.ever()))
        };
        when.walk(false, &mut |condition, negated| {
            let kinds = match condition {
                Condition::Data(kinds) => *kinds,
                Condition::People(bits) | Condition::Crowd(bits, _) => classes(*bits),
                Condition::Counter(index, _) | Condition::Counted(index, _) => {
                    classes(self.counters.get(*index).map_or(0, |counter| counter.classes))
                }
                _ => return,
            };
            if !negated {
                subject = subject.union(kinds);
            }
        });
        subject
    }

    /// `cite = "id art. 1; id art. 2"` in words, and the days in force: those given, else those of the first source.
    fn citation(&self, table: &Table<'_>) -> (Arc<str>, Days) {
        let Some(entry) = table.need("cite") else { return ("".into(), Days::default()) };
        let (cite, first) = self.cite(&entry);
        let given = self.days_of(table, "valid_from", "valid_until");
        let source = first.and_then(|index| self.sources.get(index));
        let days =
            Days { from: given.from.or_else(|| source?.in_force), until: given.until.or_else(|| source?.until) };
        (cite, days)
    }

    pub(super) fn check_cite(&self, table: &Table<'_>) {
        if let Some(entry) = table.get("cite") {
            self.cite(&entry);
        }
    }

    fn cite(&self, entry: &Entry<'_>) -> (Arc<str>, Option<usize>) {
        let text = entry.text().unwrap_or_else(|| "".into());
        let mut first = None;
        let mut words = Vec::new();
        for part in text.split(';').map(str::trim) {
            let (id, place) = part.split_once(' ').unwrap_or((part, ""));
            let Some(index) = self.source_names.find(self.reader, id, entry.span()) else { continue };
            first = first.or(Some(index));
            let short = self.sources.get(index).map_or("", |source| &*source.short);
            words.push(if place.is_empty() { short.to_owned() } else { format!("{short} {place}") });
        }
        (words.join("; ").into(), first)
    }
}
