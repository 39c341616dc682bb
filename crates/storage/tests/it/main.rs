//! Storage against real databases: every test runs on SQLite, and on PostgreSQL when `ANTIPHON_TEST_POSTGRES`
//! names a superuser's address (see `scripts/with-postgres`).

#![expect(clippy::unwrap_used, reason = "a failure there is the message of the test")]
#![expect(clippy::print_stderr, reason = "says what was skipped, and how long the quick parts took")]

mod access;
mod accounts;
mod channels;
mod chats;
mod concurrency;
mod documents;
mod failures;
mod feedback;
mod messages;
mod migrations;
mod replies;
mod search;
mod sessions;
mod support;
