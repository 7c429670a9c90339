//! Pictures of fixed answers.
