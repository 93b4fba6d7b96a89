//! How much a template may take.

/// Bounds of one execution. Reaching one is an error that names the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Actions, turns of loops and calls; work on long texts counts as more of them.
    pub steps: u64,
    /// Bytes that are written, and bytes of any single text on the way.
    pub output: usize,
    /// Templates that call one another.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { steps: 1_000_000, output: 1 << 20, depth: 50 }
    }
}

/// Bytes of the text of a template.
pub(crate) const LONGEST_TEMPLATE: usize = 1 << 20;

/// How deep blocks and parentheses may stand in each other in one template.
pub(crate) const DEEPEST_NESTING: usize = 100;

/// How deep they may stand in each other, counted over all templates that call one another: each level takes room on the stack.
pub(crate) const DEEPEST_EXECUTION: usize = 400;

/// How deep lists and maps may stand in each other to be shown.
pub(crate) const DEEPEST_VALUE: usize = 128;

/// Bytes of text that count as one step.
pub(crate) const BYTES_A_STEP: u64 = 64;

/// Bytes of text that count as one step if a pattern is looked for in them.
pub(crate) const BYTES_A_STEP_OF_PATTERNS: u64 = 8;

/// Steps that it takes to compile a pattern which is not known yet.
pub(crate) const STEPS_A_PATTERN: u64 = 10_000;

/// Characters of a template that an error shows.
pub(crate) const LONGEST_CONTEXT: usize = 200;

/// Bytes of a compiled pattern.
pub(crate) const LARGEST_PATTERN: usize = 1 << 19;
