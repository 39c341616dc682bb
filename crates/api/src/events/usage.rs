//! `usage {model}`: the socket is using a model, for `GET /api/usage`.

use super::first;
use crate::App;
use antiphon_realtime::Socket;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest model id that is counted, in bytes.
const MAX_MODEL_ID: usize = 256;

#[derive(Deserialize)]
struct Usage {
    model: String,
}

pub(super) async fn usage(app: &App, socket: &Socket, arguments: &RawValue) {
    if let Some(Usage { model }) = first(arguments)
        && model.len() <= MAX_MODEL_ID
    {
        app.presence.use_model(socket.sid(), &model).await;
    }
}
