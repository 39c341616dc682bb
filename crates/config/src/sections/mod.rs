//! The sections of the configuration, one file each.

pub(crate) mod auth;
pub(crate) mod cors;
pub(crate) mod database;
pub(crate) mod features;
pub(crate) mod headers;
pub(crate) mod local_model;
pub(crate) mod logging;
pub(crate) mod oauth;
pub(crate) mod persistence;
pub(crate) mod providers;
pub(crate) mod redis;
pub(crate) mod replies;
pub(crate) mod retrieval;
pub(crate) mod server;
pub(crate) mod websocket;
