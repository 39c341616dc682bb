//! The caller's channels, and one of them.

use super::answer::{ListedChannel, OpenedChannel, People};
use super::{check_on, find};
use crate::App;
use crate::events::channel::viewer;
use crate::http::{ApiResult, Caller, Path};
use antiphon_storage::{Channel, ChannelAccess, ChannelKind};
use axum::extract::State;

/// `GET /api/v1/channels/`: those where something was said last first, with what is unread.
pub(super) async fn own(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Vec<ListedChannel>>> {
    check_on(&app, &caller)?;
    app.read_marks().settle(caller.user_id()).await;
    let items = app.database.channels().list(viewer(&caller.identity)).await?;
    let mut channels = Vec::with_capacity(items.len());
    for item in items {
        channels.push(ListedChannel::of(&app, item).await);
    }
    Ok(axum::Json(channels))
}

/// `GET /api/v1/channels/list`: the same channels, without what is unread.
pub(super) async fn plain(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Vec<Channel>>> {
    check_on(&app, &caller)?;
    let items = app.database.channels().list(viewer(&caller.identity)).await?;
    Ok(axum::Json(items.into_iter().map(|item| item.channel).collect()))
}

/// `GET /api/v1/channels/{id}`
pub(super) async fn one(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<OpenedChannel>> {
    app.read_marks().settle(caller.user_id()).await;
    let view = find(&app, &caller, &id).await?;
    let channels = app.database.channels();
    let unread_count = match view.membership {
        Some(_) => channels.unread_count(caller.user_id(), &id).await?,
        None => 0,
    };
    let (user_count, people) = match view.channel.kind {
        ChannelKind::Open => (channels.count_people(&id, ChannelKind::Open).await?, None),
        ChannelKind::Group | ChannelKind::Direct => {
            let people = channels.people_of(std::slice::from_ref(&id)).await?.remove(&id).unwrap_or_default();
            (i64::try_from(people.len()).unwrap_or(i64::MAX), Some(people))
        }
    };
    Ok(axum::Json(OpenedChannel {
        is_manager: view.is_manager,
        write_access: view.access >= ChannelAccess::Write,
        user_count,
        is_channel_muted: false,
        people: People::of(&app, people).await,
        last_read_at: view.membership.and_then(|membership| membership.last_read_at),
        unread_count,
        channel: view.channel,
    }))
}
