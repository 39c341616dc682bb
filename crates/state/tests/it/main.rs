//! Parts of the shared state used together, from several tasks at once.

mod concurrency;
