//! Storage against real databases: every test runs on SQLite, and on PostgreSQL when `ANTIPHON_TEST_POSTGRES`
//! names a superuser's address (see `scripts/with-postgres`).

mod access;
mod accounts;
mod chats;
mod concurrency;
mod documents;
mod messages;
mod migrations;
mod replies;
mod search;
mod sessions;
mod support;
