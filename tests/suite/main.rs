//! The gateway as its users meet it: the built binary, real clients, real origins on loopback. `tests/run` installs what
//! this needs and runs it; one module per thing a user can see, each test a sentence about it.

mod harness;

mod decisions; // what is permitted, logged, blocked, and what a refusal says
mod tunnels; // CONNECT: intercepted or left alone
