//! Auth against a real database.
