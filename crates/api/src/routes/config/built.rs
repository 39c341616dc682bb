//! Parts of the product that this release has.
//!
//! A page offers what its configuration says is on. A part that an operator switched on but that the release does
//! not have is therefore told as off; its setting is kept for the release that brings it.

pub(super) const CHANNELS: bool = true;
pub(super) const NOTES: bool = false;
pub(super) const FOLDERS: bool = false;
pub(super) const MEMORIES: bool = false;
pub(super) const CALENDAR: bool = false;
pub(super) const AUTOMATIONS: bool = false;
pub(super) const APPS: bool = false;
pub(super) const CODE_INTERPRETER: bool = false;
pub(super) const AUTOCOMPLETE: bool = false;
pub(super) const USER_WEBHOOKS: bool = false;
pub(super) const DIRECT_CONNECTIONS: bool = false;
pub(super) const DIRECT_INTEGRATIONS: bool = false;
