//! Every route, by resource.

mod absent;
mod auths;
mod channels;
mod chats;
mod completions;
mod config;
mod configs;
mod evaluations;
mod groups;
mod health;
mod limits;
mod models;
mod oauth;
mod openapi;
mod providers;
mod redis;
mod search;
mod site;
mod tasks;
mod usage;
mod users;

use crate::http::Route;

/// The whole HTTP surface: what is served, and what tests walk.
pub fn table() -> Vec<Route> {
    [
        absent::routes(),
        auths::routes(),
        channels::routes(),
        chats::routes(),
        completions::routes(),
        config::routes(),
        configs::routes(),
        evaluations::routes(),
        groups::routes(),
        health::routes(),
        models::routes(),
        oauth::routes(),
        openapi::routes(),
        providers::routes(),
        redis::routes(),
        search::routes(),
        site::routes(),
        tasks::routes(),
        usage::routes(),
        users::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
