//! Messages on top of the page.

use crate::App;
use crate::http::{ApiError, ApiResult, Json};
use crate::routes::limits::check_texts;
use antiphon_config::Banner;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

/// Key of the setting.
const KEY: &str = "ui.banners";

/// Most banners there may be.
const MAX_BANNERS: usize = 50;

/// `GET /api/v1/configs/banners`
pub(super) async fn read(State(app): State<App>) -> axum::Json<Vec<Banner>> {
    axum::Json(app.settings().interface.banners.clone())
}

#[derive(Deserialize)]
pub(super) struct BannersForm {
    banners: Vec<Banner>,
}

/// `POST /api/v1/configs/banners {banners}`: replaces all.
pub(super) async fn change(
    State(app): State<App>,
    Json(form): Json<BannersForm>,
) -> ApiResult<axum::Json<Vec<Banner>>> {
    if form.banners.len() > MAX_BANNERS {
        return Err(ApiError::too_large(format!("At most {MAX_BANNERS} banners are kept.")));
    }
    let banners = json!(form.banners);
    check_texts(&banners)?;
    let settings = app.settings.set(KEY, banners).await?;
    Ok(axum::Json(settings.interface.banners.clone()))
}
