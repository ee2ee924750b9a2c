//! The ABI: numbers and structures that guest programs see.
