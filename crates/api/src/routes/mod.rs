//! Every route, by resource.

mod auths;
mod channels;
mod chats;
mod completions;
mod config;
mod configs;
mod groups;
mod health;
mod limits;
mod models;
mod providers;
mod search;
mod tasks;
mod usage;
mod users;

use crate::http::Route;

/// The whole HTTP surface: what is served, and what tests walk.
pub fn table() -> Vec<Route> {
    [
        auths::routes(),
        channels::routes(),
        chats::routes(),
        completions::routes(),
        config::routes(),
        configs::routes(),
        groups::routes(),
        health::routes(),
        models::routes(),
        providers::routes(),
        search::routes(),
        tasks::routes(),
        usage::routes(),
        users::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
