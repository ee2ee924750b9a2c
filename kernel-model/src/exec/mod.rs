//! Program loading.
