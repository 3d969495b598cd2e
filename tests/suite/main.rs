//! The gateway as its users meet it: the built binary, real clients, real origins on loopback. `tests/run` installs what
//! this needs and runs it; one module per thing a user can see, each test a sentence about it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod harness;

mod decisions; // what is permitted, logged, blocked, and what a refusal says

mod tunnels; // CONNECT: intercepted or left alone

mod reverse; // in front of an API; answers that are judged

mod neighbours; // a balancer in front, another proxy behind

mod bodies; // of every size and framing

mod connections; // kept alive, pipelined, slow, idle

mod privacy; // no value leaves its message

mod hostile; // malformed, oversized, encoded, aimed at the inside

mod lifecycle; // start, stop, kill, counts that stay

mod bounds; // many clients at a bound, one gateway and several

mod crashes; // kill -9 at random moments: the count is never under

mod midnight; // windows and mechanisms at their ends, with a clock that is moved

mod reload; // changes under load

mod startup; // mistakes in files

mod disks; // that are full

mod observability; // metrics, records, the admin door

mod commands; // the command line

mod counsel; // what decide says, and that it is so

mod importers; // lists of recipients

mod lists; // of the organisation's own records, words, documents

mod structures; // genomes, health records, biometric records, places

mod scanning; // files, directories, pipes

mod precision; // what looks like data about people and is none

mod replay; // recorded transfers under candidate rules

mod documents; // the README keeps its word

mod ledger_store; // the store of a fleet: its key, its failures

mod fleets; // outages from beginning to end, people of the past, fail-overs

mod ledger_commands; // what people see of the counters: show, forecast, export, import, repair; early warnings
mod rules; // packs, scenarios, and what is said of them

mod detection; // what the detectors find, and what they leave alone

mod fuzz; // hostile inputs, stored and made

mod architecture; // the shape of the source

mod dashboards; // ask only for metrics the gateway has
