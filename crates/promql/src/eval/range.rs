//! Range vectors: windows over samples, and the functions that look at them.
