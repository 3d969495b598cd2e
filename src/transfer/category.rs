//! Kinds of data, as dotted paths from `rules/categories.toml`.
//!
//! The table is part of the build: detectors, packs and configuration may only use what it lists, so a category fits in
//! a byte and a set of categories in one word of 128 bits. A test holds the table below that size.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind of data. It contains its children: `personal` contains `personal.name`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(u8);

/// A set of categories.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct CategorySet(u128);

/// A path that is not in the table, and the nearest one that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCategory {
    /// What was written.
    pub given: String,
    /// What was probably meant.
    pub nearest: Option<&'static str>,
}

struct Row {
    path: &'static str,
    title: &'static str,
    /// This category and everything it contains.
    subtree: CategorySet,
}

#[derive(Deserialize)]
struct Table {
    category: BTreeMap<String, String>,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    // The text is part of the build and a test parses it, so an unreadable table never ships.
    let table: Table =
        toml::from_str(include_str!("../../rules/categories.toml")).unwrap_or(Table { category: BTreeMap::new() });
    let rows: Vec<(&'static str, &'static str)> =
        table.category.into_iter().map(|(path, title)| (&*path.leak(), &*title.leak())).collect();
    rows.iter().map(|&(path, title)| Row { path, title, subtree: subtree(path, &rows) }).collect()
});

fn subtree(path: &str, rows: &[(&str, &str)]) -> CategorySet {
    let inside = |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let mut set = CategorySet::default();
    for (index, _) in rows.iter().enumerate().filter(|(_, (other, _))| inside(other)) {
        set.insert(Category(index as u8));
    }
    set
}

impl Category {
    /// The category of a dotted path.
    ///
    /// # Errors
    /// The path is not in the table; the error names the nearest one that is.
    pub fn parse(path: &str) -> Result<Category, UnknownCategory> {
        match ROWS.binary_search_by(|row| row.path.cmp(path)) {
            Ok(index) => Ok(Category(index as u8)),
            Err(_) => Err(UnknownCategory {
                given: path.to_owned(),
                nearest: crate::diagnostic::nearest(path, ROWS.iter().map(|row| row.path)),
            }),
        }
    }

    /// `opaque.encrypted`: encrypted, or in a tunnel that is not intercepted.
    pub fn encrypted() -> Category {
        Category::named("opaque.encrypted")
    }

    /// `opaque.oversize`: larger than a limit allows to inspect.
    pub fn oversize() -> Category {
        Category::named("opaque.oversize")
    }

    /// `opaque.undecodable`: in a format or encoding that could not be read.
    pub fn undecodable() -> Category {
        Category::named("opaque.undecodable")
    }

    /// One of the categories the code itself has to name; a test finds all of them in the table.
    fn named(path: &str) -> Category {
        Category::parse(path).unwrap_or(Category(0))
    }

    /// The dotted path.
    pub fn as_str(self) -> &'static str {
        ROWS.get(usize::from(self.0)).map_or("", |row| row.path)
    }

    /// What it means, in a few words.
    pub fn title(self) -> &'static str {
        ROWS.get(usize::from(self.0)).map_or("", |row| row.title)
    }

    /// This category and everything it contains.
    pub fn subtree(self) -> CategorySet {
        ROWS.get(usize::from(self.0)).map_or_else(CategorySet::default, |row| row.subtree)
    }

    /// Whether `other` is this category or one of its descendants.
    pub fn contains(self, other: Category) -> bool {
        self.subtree().contains(other)
    }

    /// Every category, in the order of their paths.
    pub fn all() -> impl Iterator<Item = Category> {
        (0..ROWS.len()).map(|index| Category(index as u8))
    }
}

impl CategorySet {
    /// The set of all of `categories`.
    pub fn of(categories: impl IntoIterator<Item = Category>) -> CategorySet {
        let mut set = CategorySet::default();
        categories.into_iter().for_each(|category| set.insert(category));
        set
    }

    /// Adds one category (not its children).
    pub fn insert(&mut self, category: Category) {
        self.0 |= 1 << category.0;
    }

    /// Whether exactly this category is in the set.
    pub fn contains(self, category: Category) -> bool {
        self.0 & (1 << category.0) != 0
    }

    /// Whether the two share a category.
    pub fn intersects(self, other: CategorySet) -> bool {
        self.0 & other.0 != 0
    }

    /// What is in either.
    pub fn union(self, other: CategorySet) -> CategorySet {
        CategorySet(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    pub fn without(self, other: CategorySet) -> CategorySet {
        CategorySet(self.0 & !other.0)
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The same, as serde asks.
    pub(super) fn is_nothing(&self) -> bool {
        self.is_empty()
    }

    /// How many members it has.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Its members, in the order of their paths.
    pub fn iter(self) -> impl Iterator<Item = Category> {
        (0..128u8).filter(move |index| self.0 & (1 << index) != 0).map(Category)
    }
}

impl fmt::Debug for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CategorySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for UnknownCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown category `{}`", self.given)?;
        match self.nearest {
            Some(nearest) => write!(f, ", did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownCategory {}

/// A list of paths.
impl Serialize for CategorySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for CategorySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Category>::deserialize(deserializer).map(CategorySet::of)
    }
}

impl Serialize for Category {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Category {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        Category::parse(&path).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_a_set_and_every_category_has_its_parent() {
        assert!((50..=128).contains(&ROWS.len()));
        for category in Category::all() {
            if let Some((parent, _)) = category.as_str().rsplit_once('.') {
                assert!(Category::parse(parent).unwrap().contains(category), "{category} has no parent row");
            }
        }
    }

    #[test]
    fn a_category_contains_its_children_and_not_its_namesakes() {
        let at = |path| Category::parse(path).unwrap();
        assert!(at("personal").contains(at("personal.contact.email")));
        assert!(!at("personal.contact").contains(at("personal")));
        assert!(at("opaque").contains(Category::encrypted()) && at("opaque").contains(Category::oversize()));
        assert!(at("opaque").contains(Category::undecodable()));
        assert!(!at("state-secret").contains(at("secret.key")));
        assert_eq!(Category::parse("personal.helth").unwrap_err().nearest, Some("personal.health"));
    }
}
