//! The recorded flows, done again.

mod beginning;
mod channels;
mod chats;
mod lists;
mod live;
mod people;

use super::browser::{self, Browser};
use super::walk::Walk;
