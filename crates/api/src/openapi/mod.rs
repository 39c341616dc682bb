//! What the server says about its own HTTP surface, generated from the route table and the descriptions of the routes.

mod shape;

pub use shape::{Field, Shape, ShapeError};
