//! HTTP, signing in, wiring, and the commands of the program `flowforge`.
//!
//! ```text
//!   cli ──▶ app (engine + auth + settings) ──▶ router ──▶ routes/*  handlers of a sentence each
//!                                                 └─────▶ assets    the web app, inside the program
//! ```
//!
//! A handler's arguments say what its caller must be (`Principal`, `Editor`) and what it takes (`Ids`, `Params`, `Body`);
//! its doc comment is the OpenAPI description; `error` turns whatever fails into a problem that says what to do.

mod app;
mod assets;
mod auth;
pub mod cli;
mod codes;
mod config;
mod discreet;
mod error;
mod examples;
mod extract;
mod failure;
mod file;
mod graph;
mod hooks;
mod janitor;
mod lock;
mod names;
mod request_id;
mod router;
mod routes;
mod secrets;
mod security;
mod telemetry;
mod time;

#[cfg(test)]
mod tests;
