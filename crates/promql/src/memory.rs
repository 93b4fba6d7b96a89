//! Memory, where there is a bound on what many queries hold together.

use std::fmt::Debug;

use crate::error::EvalError;

/// What one query holds of the memory that it shares with others, in bytes. What is left of it when this is dropped is given back.
pub trait Memory: Debug + Send + Sync {
    /// Holds so much more. An error where the others leave no room for it; nothing more is held then.
    fn grow(&self, bytes: usize) -> Result<(), EvalError>;

    /// Gives back so much of what is held.
    fn shrink(&self, bytes: usize);
}
