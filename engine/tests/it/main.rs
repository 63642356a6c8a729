//! The engine on real databases: SQLite always, PostgreSQL when `FLOWFORGE_TEST_POSTGRES` names a server.

mod crash;
mod feed;
mod forge;
mod nodes;
mod runs;
