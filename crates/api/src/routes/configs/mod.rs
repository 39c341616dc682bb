//! Settings of the server that administrators change: banners, defaults of models, suggestions.

mod banners;
mod forms;
mod suggestions;

use crate::http::{Access, Route};

pub(super) fn routes() -> Vec<Route> {
    use Access::{Admin, User};
    vec![
        Route::get("/api/v1/configs/banners", User, banners::read),
        Route::post("/api/v1/configs/banners", Admin, banners::change),
        Route::get("/api/v1/configs/models", Admin, forms::models),
        Route::post("/api/v1/configs/models", Admin, forms::change_models),
        Route::get("/api/v1/configs/connections", Admin, forms::connections),
        Route::post("/api/v1/configs/connections", Admin, forms::change_connections),
        Route::post("/api/v1/configs/suggestions", Admin, suggestions::change),
    ]
}
