//! Which sessions use which models, with the time of the last sign.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{MAX_MODELS_PER_SESSION, USAGE_EXPIRY};

#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Unix milliseconds of the last sign, per model and session.
    by_model: HashMap<Arc<str>, HashMap<Arc<str>, u64>>,
    by_session: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

impl Usage {
    /// Notes a sign; false when the session already counts for as many models as it may.
    pub(super) fn note(&mut self, session_id: &str, model_id: &str, now: u64) -> bool {
        if let Some(updated_at) = self.by_model.get_mut(model_id).and_then(|users| users.get_mut(session_id))
        {
            *updated_at = now;
            return true;
        }
        self.expire_session(session_id, now);
        let model_id: Arc<str> = model_id.into();
        let session_id: Arc<str> = session_id.into();
        let models = self.by_session.entry(Arc::clone(&session_id)).or_default();
        if models.len() >= MAX_MODELS_PER_SESSION {
            return false;
        }
        models.insert(Arc::clone(&model_id));
        self.by_model.entry(model_id).or_default().insert(session_id, now);
        true
    }

    /// The models with a sign that has not expired, sorted.
    pub(super) fn model_ids(&mut self, now: u64) -> Vec<String> {
        self.expire(now);
        let mut model_ids: Vec<String> =
            self.by_model.keys().map(|model_id| (**model_id).to_owned()).collect();
        model_ids.sort_unstable();
        model_ids
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_model.is_empty() && self.by_session.is_empty()
    }

    pub(super) fn remove(&mut self, session_id: &str) {
        for model_id in self.by_session.remove(session_id).into_iter().flatten() {
            self.forget(&model_id, session_id);
        }
    }

    fn forget(&mut self, model_id: &str, session_id: &str) {
        if let Some(users) = self.by_model.get_mut(model_id) {
            users.remove(session_id);
            if users.is_empty() {
                self.by_model.remove(model_id);
            }
        }
    }

    fn expire_session(&mut self, session_id: &str, now: u64) {
        let Self { by_model, by_session } = self;
        let Some(models) = by_session.get_mut(session_id) else { return };
        let mut gone = Vec::new();
        models.retain(|model_id| {
            let live = by_model
                .get(model_id)
                .and_then(|users| users.get(session_id))
                .is_some_and(|at| is_live(*at, now));
            if !live {
                gone.push(Arc::clone(model_id));
            }
            live
        });
        for model_id in gone {
            self.forget(&model_id, session_id);
        }
    }

    pub(super) fn expire(&mut self, now: u64) {
        let Self { by_model, by_session } = self;
        by_model.retain(|model_id, users| {
            users.retain(|session_id, updated_at| {
                let live = is_live(*updated_at, now);
                if !live && let Some(models) = by_session.get_mut(session_id) {
                    models.remove(model_id);
                    if models.is_empty() {
                        by_session.remove(session_id);
                    }
                }
                live
            });
            !users.is_empty()
        });
    }
}

fn is_live(updated_at: u64, now: u64) -> bool {
    u128::from(now.saturating_sub(updated_at)) <= USAGE_EXPIRY.as_millis()
}
