//! Names that other systems search for. A name that nothing uses is deleted.

/// Start of the targets of our own crates.
pub const OWN_TARGETS: &str = "antiphon";

/// Start of the logger names of the reference server, under which a few lines are logged.
pub const REFERENCE_TARGETS: &str = "open_webui";

/// Logger of the reference server for everything about sockets.
pub const SOCKET_LOGGER: &str = "open_webui.socket.main";
