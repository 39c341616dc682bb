//! A whole node over HTTP: every test starts its own on a free port, on SQLite, and on PostgreSQL when
//! `ANTIPHON_TEST_POSTGRES` names a superuser's address (see `scripts/with-postgres`).

#![cfg(test)]

mod support;

mod access;
mod accounts;
mod api_keys;
mod channels;
mod chat_events;
mod chats;
mod configuration;
mod contract;
mod feedback;
mod fleet;
mod frontend;
mod health;
mod hostile;
mod models;
mod oauth;
mod openai_form;
mod person;
mod providers;
mod redis;
mod replies;
mod routes;
mod sessions;
mod sign_in;
mod sign_up;
mod site;
mod sockets;
mod transport;
