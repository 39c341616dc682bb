//! Making channels.

use super::check_on;
use crate::App;
use crate::events::channel::{bring_in, tell_created};
use crate::http::{ApiError, ApiResult, Caller, Json, Path};
use crate::routes::limits::check_size;
use antiphon_storage::{Channel, ChannelKind, NewChannel, NewGrant};
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest name, in characters.
const MAX_NAME: usize = 128;

/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 2_000;

/// Largest `data` and `meta` each, in bytes of JSON.
const MAX_OBJECT_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
pub(super) struct CreateForm {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    is_private: Option<bool>,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default)]
    meta: Option<Map<String, Value>>,
    #[serde(default)]
    access_grants: Option<Vec<NewGrant>>,
    #[serde(default)]
    group_ids: Option<Vec<String>>,
    #[serde(default)]
    user_ids: Option<Vec<String>>,
}

impl CreateForm {
    fn checked(self) -> ApiResult<NewChannel> {
        let name = self.name.trim();
        if name.is_empty() {
            return Err(ApiError::bad_request("The channel has no name."));
        }
        if name.chars().count() > MAX_NAME {
            let message = format!("The name of a channel has at most {MAX_NAME} characters.");
            return Err(ApiError::bad_request(message));
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
            let message = format!("The description of a channel has at most {MAX_DESCRIPTION} characters.");
            return Err(ApiError::bad_request(message));
        }
        for (what, object) in [("data of the channel", &self.data), ("meta of the channel", &self.meta)] {
            if let Some(object) = object {
                check_size(what, &Value::Object(object.clone()), MAX_OBJECT_BYTES)?;
            }
        }
        Ok(NewChannel {
            name: name.to_owned(),
            description: self.description,
            is_private: self.is_private,
            data: self.data,
            meta: self.meta,
        })
    }
}

/// `POST /api/v1/channels/create {type?, name, …}`
///
/// Administrators make open channels; everybody who may use channels makes groups and writes to others directly. The
/// sockets of all members follow a new group or direct channel at once, and their pages are told.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(mut form): Json<CreateForm>,
) -> ApiResult<axum::Json<Channel>> {
    check_on(&app, &caller)?;
    let kind = ChannelKind::parse(form.kind.as_deref()).ok_or_else(|| {
        ApiError::unprocessable("enum", &["body", "type"], "The type of a channel is group, dm or empty.")
    })?;
    check_groups(form.group_ids.as_deref())?;
    let channels = app.database.channels();
    match kind {
        ChannelKind::Open => {
            caller.require_admin()?;
            let grants = form.access_grants.take().unwrap_or_default();
            Ok(axum::Json(channels.create_open(caller.user_id(), form.checked()?, &grants).await?))
        }
        ChannelKind::Group => {
            let user_ids = form.user_ids.take().unwrap_or_default();
            let channel = channels.create_group(caller.user_id(), form.checked()?, &user_ids).await?;
            announce(&app, &channel).await?;
            Ok(axum::Json(channel))
        }
        ChannelKind::Direct => write_to(&app, &caller, &form.user_ids.unwrap_or_default()).await,
    }
}

/// `GET /api/v1/channels/users/{user_id}`: the direct channel with somebody, made if there is none.
pub(super) async fn direct(
    State(app): State<App>,
    caller: Caller,
    Path(user_id): Path<String>,
) -> ApiResult<axum::Json<Channel>> {
    check_on(&app, &caller)?;
    write_to(&app, &caller, &[user_id]).await
}

async fn write_to(app: &App, caller: &Caller, user_ids: &[String]) -> ApiResult<axum::Json<Channel>> {
    let (channel, made) = app.database.channels().direct(caller.user_id(), user_ids).await?;
    if made {
        announce(app, &channel).await?;
    } else {
        // It may have been hidden for the caller.
        tell_created(app, &[caller.user_id().to_owned()]).await;
    }
    Ok(axum::Json(channel))
}

/// The sockets of the members follow the channel before anything can be said in it.
async fn announce(app: &App, channel: &Channel) -> ApiResult<()> {
    let members = app.database.channels().member_ids(&channel.id).await?;
    bring_in(app, &channel.id, &members).await;
    tell_created(app, &members).await;
    Ok(())
}

/// This server has no groups yet, so none can be invited.
pub(super) fn check_groups(group_ids: Option<&[String]>) -> ApiResult<()> {
    match group_ids {
        None | Some([]) => Ok(()),
        Some(_) => Err(ApiError::bad_request("There is no such group. Invite people one by one.")),
    }
}
