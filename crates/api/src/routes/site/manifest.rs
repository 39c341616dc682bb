//! The web app manifest: the site as an app on somebody's home screen.

use crate::App;
use axum::extract::State;
use serde_json::{Value, json};

/// Colour of the screen while the app starts: that of our page in the light.
const BACKGROUND: &str = "#FAF8F4";

/// `GET /manifest.json`: the name is the operator's (`WEBUI_NAME`). What people share with the app arrives as
/// `/?shared=TEXT`.
pub(super) async fn read(State(app): State<App>) -> axum::Json<Value> {
    let name = &app.config.server.name;
    let icon = |source: &str, sizes: &str, purpose: &str| json!({ "src": source, "type": "image/png", "sizes": sizes, "purpose": purpose });
    axum::Json(json!({
        "name": name,
        "short_name": name,
        "description": "A quiet place to ask and to read the answers.",
        "start_url": "/",
        "display": "standalone",
        "background_color": BACKGROUND,
        "theme_color": BACKGROUND,
        "icons": [
            icon("/static/web-app-manifest-192x192.png", "192x192", "any"),
            icon("/static/web-app-manifest-192x192.png", "192x192", "maskable"),
            icon("/static/web-app-manifest-512x512.png", "512x512", "any"),
            icon("/static/web-app-manifest-512x512.png", "512x512", "maskable"),
        ],
        "share_target": { "action": "/", "method": "GET", "params": { "text": "shared" } },
    }))
}
