//! Where the server listens, what it calls itself and where it keeps its files.

use std::path::PathBuf;

use crate::registry::{section, variable};
use crate::rules::{Bool, Choice, FilePath, Text, Whole, optional};
use crate::values::{TrustedProxies, TrustedProxiesRule};

/// What kind of installation this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// API documentation is served.
    Development,
    /// For tests; as production.
    Test,
    /// For people.
    Production,
}

const MODES: &[(&str, Mode)] =
    &[("dev", Mode::Development), ("test", Mode::Test), ("prod", Mode::Production)];

section! {
    /// Where the server listens, what it calls itself and where it keeps its files.
    pub struct Server, "Server" {
        /// Address or host name to listen on.
        host: String = variable("HOST", Text).or("0.0.0.0");
        /// Port to listen on.
        port: u16 = variable("PORT", Whole::port()).or("8080");
        /// Worker threads of the one server process; more threads need no Redis.
        workers: usize = variable("UVICORN_WORKERS", Whole::lenient().raised_to(1).at_most(1024)).or("1");
        /// Threads for blocking work such as password hashing; empty for the default of the runtime.
        blocking_threads: Option<usize> =
            variable("THREAD_POOL_SIZE", optional(Whole::lenient().at_least(1).at_most(4096)));
        /// Proxies whose header `X-Forwarded-Proto` is believed where an address of this server is made up without `WEBUI_URL`:
        /// addresses and networks, or `*` for every one.
        trusted_proxies: TrustedProxies = variable("FORWARDED_ALLOW_IPS", TrustedProxiesRule).or("*");
        /// Kind of installation; `dev` serves the description of the API at `/openapi.json`.
        mode: Mode = variable("ENV", Choice::lenient(MODES)).or("dev");
        /// Folder for the database file, uploads, caches and the generated key.
        data_dir: PathBuf = variable("DATA_DIR", FilePath).or("./data");
        /// Folder with a compatible web page that is served instead of the built-in one.
        frontend_build_dir: Option<PathBuf> = variable("FRONTEND_BUILD_DIR", optional(FilePath));
        /// Name shown in the page and in messages.
        name: String = variable("WEBUI_NAME", Text).or("Antiphon");
        /// Label of a deployment; pages reload when it changes between two connections.
        deployment_id: String = variable("DEPLOYMENT_ID", Text).or("");
        /// Label of this process in logs; a random one when empty.
        instance_id: Option<String> = variable("INSTANCE_ID", optional(Text)).reserved();
        /// Compresses HTTP responses.
        compression: bool = variable("ENABLE_COMPRESSION_MIDDLEWARE", Bool).or("true");
        /// Never downloads anything and looks for no new version.
        offline: bool = variable("OFFLINE_MODE", Bool)
            .or("false")
            .no_effect("The server never downloads anything and looks for no new version.");
    }
    others {
        /// Folder with files for `/static`.
        variable("STATIC_DIR", optional(FilePath)).no_effect("The static files are part of the program.");
        /// Offers compression of websocket messages.
        variable("UVICORN_WS_PER_MESSAGE_DEFLATE", Bool)
            .or("true")
            .no_effect("Websocket messages are small deltas and are never compressed.");
        /// Chooses the JSON library.
        variable("ENABLE_ORJSON", Bool).or("true").no_effect("There is one JSON library.");
        /// Marks the slim container image.
        variable("USE_SLIM_DOCKER", Bool).or("false").no_effect("There is one image.");
        /// Seconds between two looks for due automations.
        variable("SCHEDULER_POLL_INTERVAL", Whole::<i64>::strict()).or("10").reserved();
        /// Seconds between two looks for due timers.
        variable("TIMER_POLL_INTERVAL", Whole::<i64>::strict()).or("1").reserved();
        /// Label of the build of the container image.
        variable("WEBUI_BUILD_HASH", Text).or("").no_effect("The version is part of the program.");
    }
}
