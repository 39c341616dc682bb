//! Defaults of models.

use serde_json::{Map, Value};

use crate::registry::{setting, settings, variable};
use crate::rules::{Bool, Json};

settings! {
    /// Defaults of models.
    pub struct Models, "Models" {
        /// Keeps the list of models of all services until it is refreshed.
        base_models_cache: bool =
            variable("ENABLE_BASE_MODELS_CACHE", Bool).or("false").key("models.base_models_cache").reserved();
        /// Description and abilities of models that have none of their own.
        default_metadata: Map<String, Value> = setting("models.default_metadata", Json::strict("a JSON object")).or("{}");
        /// Parameters of models that have none of their own.
        default_params: Map<String, Value> = setting("models.default_params", Json::strict("a JSON object")).or("{}");
    }
}
