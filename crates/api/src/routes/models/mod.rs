//! Models: the joined list, and the records of administrators.

mod list;
mod records;

use crate::http::{Access, Route};

pub(super) fn routes() -> Vec<Route> {
    use Access::{Admin, User};
    vec![
        Route::get("/api/models", User, list::visible),
        Route::get("/api/models/base", Admin, list::base),
        Route::get("/api/v1/models", User, list::visible),
        Route::get("/api/v1/models/base", Admin, records::all),
        Route::get("/api/v1/models/all", Admin, records::all),
        Route::post("/api/v1/models/create", Admin, records::create),
        Route::get("/api/v1/models/model", Admin, records::one),
        Route::post("/api/v1/models/model/update", Admin, records::update),
        Route::post("/api/v1/models/model/toggle", Admin, records::toggle),
        Route::post("/api/v1/models/model/delete", Admin, records::delete),
        Route::get("/api/v1/models/model/profile/image", User, records::picture),
    ]
}
