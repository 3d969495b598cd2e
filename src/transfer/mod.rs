//! The words of the journey: what a transfer is, who its parties are, what it carries, what was decided.
//!
//! Nothing here acts. Every other module speaks in these types, and none of these types can hold a value from a
//! message: content is kinds, counts, locations and keyed digests ([`Content`]), and a decision is places, counts and
//! rule ids ([`Decision`]).

mod advice;

mod category;

mod content;

mod count;

mod country;

mod decision;

mod digest;

mod fact;

mod held;

mod host;

mod party;

mod text;

mod words;

pub use advice::{Demand, Elsewhere, Open, Otherwise, Route};
pub use category::{Category, CategorySet, UnknownCategory};
pub use content::{Content, Found, Group, Person, Tally};
pub use count::{Count, Counted, CounterKey, Touch};
pub use country::{Country, UnknownCountry};
pub use decision::{Action, Cause, Confidence, CounterView, Decision, Direction, Met, Mode, Reason};
pub use digest::{Digest, DigestKey};
pub use fact::FactValue;
pub use held::{Held, Listed, ListedBy};
pub use host::HostPattern;
pub use party::{Basis, Party, Place};
pub use text::{CONTEXT, Container, Locator, Piece, Sink, is_plain_name};
pub use words::is_generic_name;
