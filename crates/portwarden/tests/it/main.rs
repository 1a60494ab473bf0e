//! The program as its users meet it: the real binary, started on a free port with a folder of its own.
//!
//! PostgreSQL is used as well when `PORTWARDEN_TEST_POSTGRES` names a server; each test makes a database of its own there.
#![allow(clippy::unwrap_used, clippy::too_many_lines, missing_docs)]

mod answers;
mod bad_input;
mod check;
mod clients;
mod feeds;
mod gate;
mod hostile;
mod house;
mod http;
mod images;
mod import;
mod kill;
mod mail;
mod network;
mod notices;
mod receiver;
mod roles;
mod seed;
mod steps;
mod tls;
mod told;
mod workers;
mod writes;
